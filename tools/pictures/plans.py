"""Plans that are worth a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.dataset.view import PlanView, view_plan

if TYPE_CHECKING:
    from medcutmix_pipeline.dataset import Dataset

_TRIED = 12


def plain_plan(dataset: Dataset, finding: str) -> PlanView:
    """A frontal plan for a finding on which a reader can see what is done.

    Of the plans with one edit and a short report, whose images surely show the finding, those that lend most of the
    donor are tried, and the one whose mix differs most from its host is taken. In training λ is anything between.
    """
    rows = dataset.table("plans").to_table().to_pylist()
    fit = [
        row
        for row in rows
        if (row["disease"], row["view"]) == (finding, "frontal")
        and 0.05 <= row["lambda"] <= 0.35
        and row["map_area"] <= 0.35
        and min(row["donor_score"], row["host_score"]) >= 0.8
        and len(row["edits"]) == 1
        and len(row["host_text"]) < 400
    ]
    fit.sort(key=lambda row: (-row["donor_score"] * (1 - row["lambda"]), row["plan_id"]))
    return max((view_plan(dataset, row) for row in fit[:_TRIED]), key=_change)


def _change(view: PlanView) -> float:
    """Mean difference of mix and host in grey levels."""
    mix, host = (np.asarray(image, np.float32) for image in (view.mix, view.host))
    return float(np.abs(mix - host).mean())
