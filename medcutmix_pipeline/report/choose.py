"""Which plans the gallery shows where there are too many for one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from medcutmix_pipeline.hashing import keyed_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcutmix_pipeline.dataset import Dataset

PURPOSE = "gallery"


def chosen_plans(dataset: Dataset, most: int) -> frozenset[str] | None:
    """The ids of up to `most` plans, or None where all fit.

    A plan is ranked four ways: by chance within its finding, so that rare findings are seen as much as common ones, by
    low presence, and by large and by small maps. Its best rank counts, so that the odd ones are there among fair ones.
    """
    if dataset.manifest.counts.plans <= most:
        return None
    table = dataset.table("plans").to_table(columns=["plan_id", "disease", "map_area", "donor_score"])
    ids: list[str] = table["plan_id"].to_pylist()
    chance = np.array([keyed_hash(0, PURPOSE, plan) for plan in ids], np.uint64)
    area, score = table["map_area"].to_numpy(), table["donor_score"].to_numpy()
    ranks = np.minimum.reduce(
        [
            # fair ones are to be the larger part: three of them for each odd one
            _within(table["disease"].cast(pa.string()).to_pylist(), chance) // 3,
            _rank(score, chance),
            _rank(-area, chance),
            _rank(area, chance),
        ]
    )
    return frozenset(ids[i] for i in np.lexsort((chance, ranks))[:most])


def _rank(values: NDArray[np.float32], ties: NDArray[np.uint64]) -> NDArray[np.int64]:
    ranks = np.empty(len(values), np.int64)
    ranks[np.lexsort((ties, values))] = np.arange(len(values))
    return ranks


def _within(groups: list[str], chance: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Each one's rank by chance within its group, times the number of groups: the groups take turns."""
    ranks = np.empty(len(groups), np.int64)
    names = np.array(groups)
    known = np.unique(names)
    for group in known:
        own = np.flatnonzero(names == group)
        ranks[own[np.argsort(chance[own], kind="stable")]] = np.arange(len(own)) * len(known)
    return ranks
