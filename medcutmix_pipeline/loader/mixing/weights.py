"""How much of the donor each cell of the host takes: attention maps and λ become weights, in features or in pixels."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 -- the name that all of PyTorch's documentation uses
from torch import Tensor

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

KINDS = ("soft", "hard-area", "hard-mass", "uniform")
MAPS = ("donor", "union")

# By how much float32 may miss a value or a sum: what differs less is equal, so that no region hangs on the last bit.
ROUNDING = 1e-6


def check_choices(kind: str, share: float, map: str) -> None:
    """Refuse a kind of weights, a share or a choice of map that does not exist.

    Raises:
        ValueError: with the choices that there are.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if map not in MAPS:
        raise ValueError(f"map must be one of {', '.join(MAPS)}, not {map!r}")
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie between 0 and 1, not {share}")


def mix_weights(
    donor_map: Tensor,
    host_map: Tensor,
    lam: Tensor,
    active: Tensor,
    grid: tuple[int, int],
    kind: str = "soft",
    share: float = 0.5,
    map: str = "donor",
) -> Tensor:
    """The weights w of the donor on a grid: mixed = host + w · (donor − host).

    With A the map on the grid, its peak scaled to 1, and λ the share of the host that is kept:

    - `soft`: w = (1 − λ) · A
    - `hard-area`: w = 1 − λ where A ≥ its quantile `share` (0.8 takes the top fifth of the cells), else 0
    - `hard-mass`: w = 1 − λ in the smallest region that holds the part `share` of A's sum, else 0; cells as high as the
      lowest of the region belong to it
    - `uniform`: w = 1 − λ everywhere, plain manifold mixup (Verma et al., ICML 2019), for comparison

    A region never takes cells in which A is 0, so a map of zeros mixes nothing, whatever the kind but `uniform`.

    Args:
        donor_map: uint8 [B, h, w], the donor's map of the sentence that was put in.
        host_map: uint8 [B, h, w], the host's map of the sentence that was cut; used where `map` is `union`.
        lam: float32 [B] in [0, 1].
        active: bool [B]; weights of other rows are 0.
        grid: (H, W) of the features, or of the image to mix pixels.
        kind: which of the formulas above.
        share: the quantile of `hard-area` or the part of `hard-mass`, in [0, 1].
        map: `donor`, or `union`: A is the larger of both maps, each at peak 1, so that the host's finding gives way.

    Returns:
        float32 [B, H, W] in [0, 1].

    Raises:
        ValueError: unknown `kind` or `map`, or `share` outside of [0, 1].
    """
    check_choices(kind, share, map)
    with _full_precision(donor_map.device):
        strength = torch.where(active, 1 - lam.float(), 0.0)[:, None, None]
        if kind == "uniform":
            return strength.expand(-1, *grid)
        attention = map_on_grid(donor_map, grid)
        if map == "union":
            attention = torch.maximum(attention, map_on_grid(host_map, grid))
        if kind == "hard-area":
            attention = _top_by_area(attention, share)
        elif kind == "hard-mass":
            attention = _top_by_mass(attention, share)
        return strength * attention


def map_on_grid(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Maps on another grid, each scaled to peak 1: uint8 [B, h, w] → float32 [B, H, W]; a map of zeros stays so.

    Bilinear with antialiasing, pixel centres at half integers: what Pillow does with `BILINEAR`.
    """
    with _full_precision(maps.device):
        resized = maps[:, None].float()
        if resized.shape[-2:] != tuple(grid):
            resized = F.interpolate(resized, size=tuple(grid), mode="bilinear", antialias=True, align_corners=False)
        resized = resized[:, 0]
        peak = resized.amax((1, 2), keepdim=True)
        return resized / torch.where(peak > 0, peak, 1.0)


def host_share_by_area(weights: Tensor) -> Tensor:
    """The effective share of the host by area, 1 − mean(w): float32 [B, H, W] → [B]."""
    return 1 - weights.mean((1, 2))


def host_share_by_attention(weights: Tensor, host_attention: Tensor, donor_attention: Tensor) -> Tensor:
    """The effective share of the host by what is attended to: Σ(1−w)·A_h / (Σ(1−w)·A_h + Σw·A_d), as [B].

    Where the host's map is all zero, or the denominator is, attention says nothing and the share is that by area.

    Args:
        weights: float32 [B, H, W], from `mix_weights`.
        host_attention: float32 [B, H, W], the hosts' maps on that grid, from `map_on_grid`.
        donor_attention: float32 [B, H, W], the donors' maps.
    """
    kept = ((1 - weights) * host_attention).sum((1, 2))
    taken = (weights * donor_attention).sum((1, 2))
    known = (host_attention.amax((1, 2)) > 0) & (kept + taken > 0)
    return torch.where(known, kept / torch.where(known, kept + taken, 1.0), host_share_by_area(weights))


def _top_by_area(attention: Tensor, quantile: float) -> Tensor:
    """1 where the map reaches its quantile (linear between neighbours, as numpy's), else 0."""
    rising = attention.flatten(1).sort(dim=1).values
    place = quantile * (rising.shape[1] - 1)
    low = math.floor(place)
    high = min(low + 1, rising.shape[1] - 1)
    # Not torch.quantile: it places the quantile in float32, which can step over the very cell that it falls on.
    threshold = torch.lerp(rising[:, low], rising[:, high], place - low)
    return _region(attention, threshold)


def _top_by_mass(attention: Tensor, part: float) -> Tensor:
    """1 in the smallest region that holds this part of the map's sum, else 0."""
    falling = attention.flatten(1).sort(dim=1, descending=True).values
    # Sums of an image's worth of cells need more than float32; Apple's GPUs have no more.
    held = falling.cumsum(1, dtype=torch.float32 if falling.device.type == "mps" else torch.float64)
    last = (held < (part - ROUNDING) * held[:, -1:]).sum(1, keepdim=True).clamp_max(falling.shape[1] - 1)
    return _region(attention, falling.gather(1, last)[:, 0])


def _full_precision(device: torch.device) -> AbstractContextManager[object]:
    """No autocast; some devices, such as `meta`, have none."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def _region(attention: Tensor, threshold: Tensor) -> Tensor:
    return ((attention >= threshold[:, None, None] - ROUNDING) & (attention > 0)).float()
