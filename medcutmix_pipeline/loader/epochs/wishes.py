"""What the user asked of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from torch import Tensor

Texts = Literal["mixed", "original", "appended"]
Normalize = tuple["Sequence[float] | float", "Sequence[float] | float"]
"""(mean, std), each a number or one for each channel."""


class Transform(Protocol):
    """Changes an image, and the maps that belong to it along with it."""

    def __call__(self, image: Tensor, maps: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Image uint8 [1, H, W] and maps uint8 [k, h, w] (k from 0 to 2) to the same after the change.

        All images must leave with the same size and dtype, maps with the shape in which they came. Draw from `rng`
        only: partners get the same numbers, so that a crop takes both from the same place, and so does a replay.
        """


@dataclass(frozen=True)
class Wishes:
    """What the user asked of a batch."""

    image_size: int | None
    max_pixels: int
    texts: Texts
    findings: Sequence[str]
    skip: bool
    transform: Transform | None = None
    tokenizer: Callable[[list[str]], Mapping[str, Any]] | None = None
    normalize: Normalize | None = None
    pin_memory: bool = False
