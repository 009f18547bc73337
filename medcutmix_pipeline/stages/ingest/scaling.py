"""From pixel values of any type to 8 bits, some rows at a time: a large picture is to cost little beside itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    Values = npt.NDArray[Any]

Span = tuple[float, float]
"""The least and the greatest of some values."""

_BLOCK = 1 << 17
"""Values in a block: what is reckoned with them, some of it eight bytes each, stays in the processor's cache."""


class Rows(Protocol):
    """A picture's values, of which some rows are asked for at a time: an array, or what stands for one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width, and channels if there are any."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values."""

    def __getitem__(self, rows: slice, /) -> Values:
        """The values of some rows."""


def blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices over the first axis that hold some hundred thousand values each."""
    rows = max(1, _BLOCK // max(1, int(np.prod(shape[1:]))))
    return (slice(top, top + rows) for top in range(0, shape[0], rows))


def to_8bit(values: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """`low` becomes 0, `high` 255, what lies between in proportion, rounded half up; what lies beyond is clipped."""
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    scaled = np.asarray(values, np.float64)
    # In this order whole numbers meet no rounding but the last, so that what lies half way between two greys goes up.
    scaled = (scaled - low) * 255.0 / (high - low) + 0.5
    return np.clip(scaled, 0, 255).astype(np.uint8)


def span_of(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None) -> Span | None:
    """The least and the greatest of the values that are valid and finite; None where there are none."""
    usable = np.isfinite(values) if valid is None else np.isfinite(values) & valid
    if not usable.any():
        return None
    chosen = values[usable]
    return float(chosen.min()), float(chosen.max())


def joined(spans: list[Span | None]) -> Span | None:
    """The span of several parts' values."""
    known = [span for span in spans if span is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def stretched(
    values: npt.NDArray[Any], span: Span | None, valid: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.uint8]:
    """The span's ends become 0 and 255. Values that are not finite or not valid become 0."""
    if span is None:
        return np.zeros(values.shape, np.uint8)
    usable = np.isfinite(values) if valid is None else np.isfinite(values) & valid
    return np.where(usable, to_8bit(np.where(usable, values, 0), *span), np.uint8(0))
