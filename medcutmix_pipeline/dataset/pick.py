"""Choosing plans to look at: by chance, or the odd ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medcutmix_pipeline.dataset.facts import known_finding
from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.hashing import keyed_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcutmix_pipeline.dataset.open import Dataset

Row = dict[str, Any]


@dataclass(frozen=True)
class Oddity:
    """A way in which a plan can be odd: the column that tells, whether the highest values are, and words for it."""

    column: str
    highest: bool
    told: str


ODDITIES = {
    "presence": Oddity("donor_score", False, "the lowest presence score of the donor"),
    "host-presence": Oddity("host_score", False, "the lowest presence score of the host"),
    "large-map": Oddity("map_area", True, "the largest donor map"),
    "small-map": Oddity("map_area", False, "the smallest donor map"),
    "rare": Oddity("disease", False, "the rarest finding"),
    "reuse": Oddity("donor_sentence", True, "the donor's sentence that most plans put in"),
}


def random_plans(dataset: Dataset, count: int, seed: int, disease: str | None = None) -> list[Row]:
    """Up to `count` rows of the plans table in keyed random order, the same for the same seed.

    Raises:
        UsageError: the dataset has no plan for the disease.
        DataError: its plans tables have none, whatever its manifest says.
    """
    ids, _ = _of_interest(dataset, disease, "plan_id")
    chosen = sorted(ids, key=lambda plan: keyed_hash(seed, "pick", plan))[:count]
    return _rows(dataset, chosen)


def worst_plans(dataset: Dataset, count: int, by: str, disease: str | None = None) -> list[Row]:
    """Up to `count` rows of the plans table, the oddest first; equally odd ones in the order of their ids.

    Args:
        by: one of `ODDITIES`. `rare` and `reuse` count plans.

    Raises:
        UsageError: the dataset has no plan for the disease.
        DataError: its plans tables have none, whatever its manifest says.
    """
    oddity = ODDITIES[by]
    ids, values = _of_interest(dataset, disease, oddity.column)
    numbers: NDArray[Any] = np.asarray(values)
    alike = np.zeros(len(numbers), np.int64)
    if numbers.dtype.kind not in "fiu":  # words are as odd as they are frequent, and the same ones stand together
        _, alike, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        numbers = counts[alike]
    order = np.lexsort((np.asarray(ids), alike, -numbers if oddity.highest else numbers))
    return _rows(dataset, [ids[i] for i in order[:count]])


def _of_interest(dataset: Dataset, disease: str | None, column: str) -> tuple[list[str], list[Any]]:
    """Ids of the plans (of a finding), and a column of theirs."""
    if disease is not None:
        disease = known_finding(dataset, disease)
    table = dataset.table("plans").to_table(columns=list({"plan_id", "disease", column}))
    if disease is not None:
        table = table.filter(pc.equal(table["disease"].cast(pa.string()), disease))
    if not table.num_rows:
        raise DataError(f"the plans of {dataset.where} are gone: `medcutmix-pipeline validate` says more")
    values = table[column]
    if pa.types.is_dictionary(values.type):
        values = values.cast(pa.string())
    return table["plan_id"].to_pylist(), values.to_pylist()


def _rows(dataset: Dataset, chosen: list[str]) -> list[Row]:
    rows = {row["plan_id"]: row for row in dataset.rows_in("plans", "plan_id", chosen)}
    return [rows[plan] for plan in chosen]
