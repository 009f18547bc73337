"""Random variation of images and sentences during the fit, such that what the sentence says stays true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medcutmix_pipeline.stages.attention.vocabulary import UNKNOWN

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ZOOM, _SHIFT, _GAMMA, _NOISE, _FORGET = 0.1, 0.06, 0.3, 0.03, 0.1


def vary_images(images: Tensor, mirrored: NDArray[np.bool_], rng: torch.Generator) -> Tensor:
    """Images float32 [B, 1, s, s] in [0, 1], zoomed, shifted, mirrored where asked, with another gamma, and with noise.

    Mirroring is right only together with `swap_sides` of the sentences.
    """
    count, side = len(images), images.shape[-1]
    zoom = 1 + _ZOOM * _spread(count, rng=rng)
    shift = _SHIFT * _spread(2, count, rng=rng)
    gamma = torch.exp(_GAMMA * _spread(count, 1, 1, 1, rng=rng))
    noise = _NOISE * torch.randn(images.shape, generator=rng)
    down = _resampling(side, zoom, shift[0]).to(images.device)
    across = _resampling(side, torch.where(torch.from_numpy(mirrored), -zoom, zoom), shift[1]).to(images.device)
    moved = down @ images[:, 0] @ across.transpose(1, 2)
    return moved[:, None].clamp(0, 1) ** gamma.to(images.device) + noise.to(images.device)


def _resampling(side: int, zoom: Tensor, shift: Tensor) -> Tensor:
    """Interpolation along one axis as matrices [B, side, side]; beyond the edge the edge is repeated.

    Cubic, because linear interpolation blurs: what is a pixel or two wide, such as the gap of a broken rib, would look
    otherwise in the fit than it does to the fitted encoder.
    """
    centres = (torch.arange(side) + 0.5) / side - 0.5
    source = ((zoom[:, None] * centres + shift[:, None] + 0.5) * side - 0.5).clamp(0, side - 1)
    taps = source.floor().long()[..., None] + torch.arange(-1, 3)
    weights = _cubic((source[..., None] - taps).abs())
    return torch.zeros(*source.shape, side).scatter_add_(-1, taps.clamp(0, side - 1), weights)


def _cubic(distance: Tensor) -> Tensor:
    """Weight of a sample at a distance, in samples: cubic convolution (Keys 1981, doi:10.1109/TASSP.1981.1163711)."""
    near = (1.5 * distance - 2.5) * distance * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))


def forget_words(words: Tensor, rng: torch.Generator) -> Tensor:
    """Word numbers int64 [S, L] in which some become unknown, so that a word never seen before does no harm."""
    forgotten = (torch.rand(words.shape, generator=rng) < _FORGET) & (words > UNKNOWN)
    return torch.where(forgotten, UNKNOWN, words)


def _spread(*shape: int, rng: torch.Generator) -> Tensor:
    """Uniform numbers in [-1, 1)."""
    return torch.rand(*shape, generator=rng) * 2 - 1


def some_of(images: int, side: int, rng: torch.Generator) -> Tensor:
    """Numbers int64 [images, (side / 2)²] of the patches that answer, of side × side: one of each square of four, drawn
    anew for each image.

    What a single patch tells may be missing, so that all that see a finding learn to say so. But of four neighbours one
    always answers: were patches drawn from the whole image, a small finding would often have none, and the image pass
    for one that shows what its sentence says somewhere else.
    """
    half = side // 2
    down, across = torch.randint(0, 2, (2, images, half, half), generator=rng)
    first = 2 * torch.arange(half)
    numbers: Tensor = (first[:, None] + down) * side + first + across
    return numbers.flatten(1)
