"""Plans of a batch, and mixing computed once more without torch, for the tests of the mix and the loss."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image
from torch import nn

from medcutmix_pipeline.loader.plan import MixPlan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def random_plan(
    rows: int, seed: int = 0, active: int | None = None, maps: tuple[int, int] = (8, 8), diseases: int = 0
) -> MixPlan:
    """A plan in which `active` of the rows take from another row; half of them by default."""
    random = np.random.default_rng(seed)
    mixed = np.zeros(rows, bool)
    mixed[random.permutation(rows)[: rows // 2 if active is None else active]] = True
    donor = np.where(mixed, (np.arange(rows) + random.integers(1, rows, rows)) % rows, np.arange(rows))
    drawn = random.integers(0, 256, (2, rows, *maps), dtype=np.uint8) * mixed[:, None, None]
    return MixPlan(
        donor=torch.from_numpy(donor),
        active=torch.from_numpy(mixed),
        lam=torch.from_numpy(np.where(mixed, random.random(rows), 1.0).astype(np.float32)),
        donor_map=torch.from_numpy(drawn[0].astype(np.uint8)),
        host_map=torch.from_numpy(drawn[1].astype(np.uint8)),
        study=torch.arange(rows) + 1000 * seed,
        findings=torch.from_numpy(random.random((rows, diseases)) < 0.2),
        draw=int(random.integers(0, 2**63)),
    )


def resized(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Each map on the grid at peak 1, by explicit triangle filters: bilinear with antialiasing."""
    rows, columns = (_triangles(n, to) for n, to in zip(maps.shape[1:], grid, strict=True))
    on_grid = np.einsum("yi,bij,xj->byx", rows, maps.astype(np.float64), columns)
    peak = on_grid.max((1, 2), keepdims=True)
    return on_grid / np.where(peak > 0, peak, 1)


def _triangles(size: int, to: int) -> np.ndarray:
    scale = size / to
    reach = max(scale, 1.0)
    centres = (np.arange(to) + 0.5) * scale
    away = np.abs(np.arange(size)[None, :] + 0.5 - centres[:, None]) / reach
    weights = np.clip(1 - away, 0, None)
    return weights / weights.sum(1, keepdims=True)


def pillow_resized(map_: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """One map by Pillow."""
    return np.asarray(Image.fromarray(map_.astype(np.float32)).resize(grid[::-1], Image.Resampling.BILINEAR))


def expected_weights(plan: MixPlan, grid: tuple[int, int], kind: str, share: float, source: str) -> np.ndarray:
    """The weights of MixPlan rows by the formulas, one row after the other in numpy."""
    attention = resized(plan.donor_map.numpy(), grid)
    if source == "union":
        attention = np.maximum(attention, resized(plan.host_map.numpy(), grid))
    weights = np.zeros((len(plan), *grid))
    for row in np.flatnonzero(plan.active.numpy()):
        taken = 1.0 - float(plan.lam[row])
        weights[row] = taken * _shape(attention[row], kind, share)
    return weights


def _shape(attention: np.ndarray, kind: str, share: float) -> np.ndarray:
    if kind == "uniform":
        return np.ones_like(attention)
    if kind == "soft":
        return attention
    if kind == "hard-area":
        threshold = np.quantile(attention, share)
    else:
        levels = np.unique(attention)[::-1]
        threshold = next(level for level in levels if attention[attention >= level].sum() >= share * attention.sum())
    # Cells that are equal but for rounding stay together.
    return (attention >= threshold - 1e-6) & (attention > 0)


def expected_mix(features: np.ndarray, plan: MixPlan, weights: np.ndarray, layout: str, prefix: int = 0) -> np.ndarray:
    """Mixed features in the layout, from float64 arithmetic cell by cell of the grid."""
    rows_first = np.moveaxis(features, layout.index("N"), 0).astype(np.float64)
    height, width = weights.shape[1:]
    mixed = rows_first.copy()
    for row in np.flatnonzero(plan.active.numpy()):
        donor = int(plan.donor[row])
        for y in range(height):
            for x in range(width):
                at = {
                    "NCHW": (slice(None), y, x),
                    "NHWC": (y, x),
                    "NLC": (prefix + y * width + x,),
                    "LNC": (prefix + y * width + x,),
                }[layout]
                w = weights[row, y, x]
                mixed[(row, *at)] = rows_first[(row, *at)] + w * (rows_first[(donor, *at)] - rows_first[(row, *at)])
    return np.moveaxis(mixed, 0, layout.index("N"))


def rows_of(plans: list[MixPlan]) -> MixPlan:
    """The plan of the joined batch of several plans' batches."""
    starts = np.cumsum([0, *[len(plan) for plan in plans]])
    joined = {
        name: torch.cat([getattr(plan, name) for plan in plans])
        for name in ("active", "lam", "donor_map", "host_map", "study", "findings")
    }
    donor = torch.cat([plan.donor + int(start) for plan, start in zip(plans, starts, strict=False)])
    return MixPlan(donor=donor, draw=plans[0].draw, **joined)


def in_two_processes(work: Callable[..., None], folder: Path, *arguments: object) -> None:
    """Runs `work(rank, 2, *arguments)` in two processes that are joined by gloo."""
    torch.multiprocessing.spawn(_joined, args=(str(folder / "meeting"), work, arguments), nprocs=2)


def _joined(rank: int, meeting: str, work: Callable[..., None], arguments: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
    try:
        work(rank, 2, *arguments)
    finally:
        dist.destroy_process_group()
    # Threads of gloo outlive the group as long as a DDP model holds on to it. One that lets go of a tensor while the
    # interpreter is being taken down aborts the process, though seldom: so it is not taken down.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def small_cnn() -> nn.Module:
    """A network for grey pictures of 32 pixels; its layer `0` gives 6 channels of 8 by 8."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4)),
        nn.Conv2d(6, 12, 3, padding=1),
        nn.Flatten(),
        nn.Linear(12 * 8 * 8, 5),
    )


def gradients(model: nn.Module) -> list[torch.Tensor]:
    """The gradients of a model's parameters."""
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def assert_same(ours: list[torch.Tensor], theirs: list[torch.Tensor], within: float = 1e-6) -> None:
    """Fails where gradients differ by more."""
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).abs().max() <= within
