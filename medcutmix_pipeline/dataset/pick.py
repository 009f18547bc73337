"""Choosing plans to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.hashing import keyed_hash

if TYPE_CHECKING:
    from medcutmix_pipeline.dataset.open import Dataset


def random_plans(dataset: Dataset, count: int, seed: int, disease: str | None = None) -> list[dict[str, Any]]:
    """Up to `count` rows of the plans table in keyed random order, the same for the same seed.

    Raises:
        UsageError: the dataset has no plan for the disease.
        DataError: its plans tables have none, whatever its manifest says.
    """
    known = dataset.manifest.counts.plans_by_disease
    if disease is not None and disease not in known:
        raise UsageError(f"no plan is matched on {disease!r}; there are plans for {', '.join(known)}")
    table = dataset.table("plans").to_table(columns=["plan_id", "disease"])
    told = zip(table["plan_id"].to_pylist(), table["disease"].cast(pa.string()).to_pylist(), strict=True)
    ids = [plan for plan, matched in told if disease in (None, matched)]
    if not ids:
        raise DataError(f"the plans of {dataset.folder} are gone: `medcutmix-pipeline validate` says more")
    chosen = sorted(ids, key=lambda plan: keyed_hash(seed, "pick", plan))[:count]
    rows = {row["plan_id"]: row for row in dataset.rows_in("plans", "plan_id", chosen)}
    return [rows[plan] for plan in chosen]
