"""The plan of a batch: who takes from whom, where and how much, as tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.loader.plan import MixPlan
from medcutmix_pipeline.loader.reading.courtesy import at_full_speed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from medcutmix_pipeline.loader.epochs.decoding import Decoded
    from medcutmix_pipeline.loader.epochs.pool import Chance, Row


def batch_plan(
    rows: Sequence[Row],
    labels: Sequence[Mapping[str, str]],
    own_labels: Sequence[Mapping[str, str]],
    decoded: Sequence[Decoded],
    grid: tuple[int, int],
    findings: Sequence[str],
    chance: Chance,
    number: int,
    pause: Callable[[], None] = at_full_speed,
) -> MixPlan:
    """The plan of rows whose images and maps are decoded; `pause` is called now and then.

    `labels` are what their texts assert, and `own_labels` what the hosts' own reports do; `grid` is (height, width) of
    a map.

    """
    donor_map, host_map = (np.zeros((len(rows), *grid), np.uint8) for _ in range(2))
    for i, row in enumerate(rows):
        if row.plan is None or row.donor is None:
            continue
        for target, told in ((donor_map, decoded[row.donor].lent_map), (host_map, decoded[i].host_map)):
            target[i] = told
    pause()
    asserted, own = _asserted(labels, findings), _asserted(own_labels, findings)
    pause()
    return MixPlan(
        donor=torch.tensor([i if row.donor is None else row.donor for i, row in enumerate(rows)]),
        active=torch.tensor([row.plan is not None for row in rows]),
        lam=torch.tensor([row.lam for row in rows], dtype=torch.float32),
        donor_map=torch.from_numpy(donor_map),
        host_map=torch.from_numpy(host_map),
        study=torch.tensor([row.sample.study for row in rows]),
        findings=asserted,
        draw=keyed_hash(chance.seed, "loader.draw", str(chance.epoch), str(number)) >> 1,
        plan_ids=[row.plan.plan_id if row.plan else None for row in rows],
        diseases=[row.plan.disease if row.plan else None for row in rows],
        own_findings=own,
    )


def _asserted(labels: Sequence[Mapping[str, str]], findings: Sequence[str]) -> Tensor:
    """Which findings each report asserts, bool [B, F]."""
    place, width = {finding: i for i, finding in enumerate(findings)}, len(findings)
    found = [
        row * width + place[finding]
        for row, told in enumerate(labels)
        for finding, said in told.items()
        if said == "present" and finding in place
    ]
    asserted = np.zeros((len(labels), width), np.bool_)
    asserted.reshape(-1)[found] = True
    return torch.from_numpy(asserted)
