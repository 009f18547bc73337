"""From what a fitted network saw to a map: which patches answered, and for which detail of the picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from medcutmix_pipeline.stages.attention.network import SHARPNESS

_SMOOTH = 3
"""Side of the squares of cells over which cosines are averaged, and attention and evidence twice."""

_LEAST = 1e-3
"""Evidence is never less than this, of its largest."""

_WIDTH = 1 / 14
"""Side of the squares, of the picture's, over which its pixels are averaged twice: what is narrower is its detail."""


def detail_of(images: Tensor) -> Tensor:
    """What stands out from its surroundings: images [B, 1, s, s] less their blurred selves, [B, s, s]."""
    side = 2 * round(images.shape[-1] * _WIDTH / 2) + 1
    return (images - _averaged(_averaged(images[:, 0], side), side)[:, None])[:, 0]


def evidence_of(slope: Tensor, detail: Tensor) -> Tensor:
    """How much of the score hangs on the detail in each place, [S, s / 2, s / 2], from the score's gradient over the
    pixels and the images' `detail`, both [S, s, s].

    |gradient × detail| is what the score would change by, to first order, if the detail were blurred away: gradient ×
    difference to a reference (Shrikumar and others 2016, arXiv:1605.01713) with the blurred image as the reference
    (as in Fong and Vedaldi 2017, arXiv:1704.03296), where it is a place that counts and not whether it spoke for or
    against. A network that knows a bright plate by its upper edge has its strongest responses above the plate; what
    would vanish is the plate itself.
    """
    return F.avg_pool2d((slope * detail).abs()[:, None], 2)[:, 0]


def attention(cosines: Tensor, evidence: Tensor) -> Tensor:
    """Maps [S, h, w] with sum 1 from cosines of patches [S, h, w], and evidence [S, 2h, 2w] ≥ 0.

    A patch sees beyond its borders, so that one beside a finding may answer for it, and in each fit another one does.
    Attention tells the neighbourhood, and evidence, which has twice as many cells along each side, where in it the
    finding was seen.
    """
    answers = torch.softmax(SHARPNESS * _averaged(cosines).flatten(1), -1).view(cosines.shape)
    around = F.interpolate(_twice(answers)[:, None], evidence.shape[1:], mode="bilinear")[:, 0]
    largest = evidence.amax((1, 2), keepdim=True).clamp(min=torch.finfo(evidence.dtype).tiny)
    maps = around * _twice((evidence / largest).clamp(min=_LEAST))
    maps = F.avg_pool2d(maps[:, None], 2)[:, 0]
    return maps / maps.sum((1, 2), keepdim=True)


def _twice(maps: Tensor) -> Tensor:
    return _averaged(_averaged(maps))


def _averaged(maps: Tensor, side: int = _SMOOTH) -> Tensor:
    """Each cell of maps [S, h, w] as the mean of a square around it."""
    return F.avg_pool2d(maps[:, None], side, 1, side // 2, count_include_pad=False)[:, 0]
