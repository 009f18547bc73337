"""Random variation of images and sentences during the fit, such that what the sentence says stays true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from medcutmix_pipeline.stages.attention.vocabulary import UNKNOWN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ZOOM, _SHIFT, _GAMMA, _NOISE, _FORGET = 0.1, 0.06, 0.3, 0.03, 0.1


def vary_images(images: Tensor, mirrored: NDArray[np.bool_], rng: torch.Generator) -> Tensor:
    """Images float32 [B, 1, s, s] in [0, 1], zoomed, shifted, mirrored where asked, with another gamma, and with noise.

    Mirroring is right only together with `swap_sides` of the sentences.
    """
    count = len(images)
    zoom = 1 + _ZOOM * _spread(count, rng=rng)
    transform = torch.zeros(count, 2, 3)
    transform[:, 0, 0] = torch.where(torch.from_numpy(mirrored), -zoom, zoom)
    transform[:, 1, 1] = zoom
    transform[:, :, 2] = 2 * _SHIFT * _spread(count, 2, rng=rng)
    gamma = torch.exp(_GAMMA * _spread(count, 1, 1, 1, rng=rng))
    noise = _NOISE * torch.randn(images.shape, generator=rng)
    grid = F.affine_grid(transform.to(images.device), list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return moved.clamp(0, 1) ** gamma.to(images.device) + noise.to(images.device)


def forget_words(words: Tensor, rng: torch.Generator) -> Tensor:
    """Word numbers int64 [S, L] in which some become unknown, so that a word never seen before does no harm."""
    forgotten = (torch.rand(words.shape, generator=rng) < _FORGET) & (words > UNKNOWN)
    return torch.where(forgotten, UNKNOWN, words)


def _spread(*shape: int, rng: torch.Generator) -> Tensor:
    """Uniform numbers in [-1, 1)."""
    return torch.rand(*shape, generator=rng) * 2 - 1
