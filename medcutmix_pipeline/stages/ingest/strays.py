"""Stray values: those of a few pixels far from all others, as of a detector's defects and of letters drawn into it.

A picture without a window is stretched from its least value to its greatest, and one stray would leave the rest black.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medcutmix_pipeline.stages.ingest.scaling import Rows, Span, blocks, joined, span_of

if TYPE_CHECKING:
    from collections.abc import Callable

Values = npt.NDArray[Any]
Counts = npt.NDArray[np.int64]

TABLE = 1 << 17
"""Whole numbers that span fewer than this are counted one by one; others have no strays."""

_FEW = 1e-3
"""The share of the pixels that may be strays, at either end."""


def counts_of(values: Rows, low: int, high: int, valid: Callable[[slice], Values | None] | None = None) -> Counts:
    """How often each whole number from `low` to `high` occurs, int64 [high - low + 1]; of some rows, where `valid`."""
    counts = np.zeros(high - low + 1, np.int64)
    for rows in blocks(values.shape):
        mask = valid(rows) if valid else None
        index = (values[rows].ravel() if mask is None else values[rows][mask]).astype(np.intp)
        index -= low
        counts += np.bincount(index, minlength=counts.size)
    return counts


def span_without_strays(values: Rows, valid: Callable[[slice], Values | None] | None = None) -> Span | None:
    """The least and the greatest of a picture's finite and valid values but for strays; None where there are none."""
    span = joined([span_of(values[rows], valid(rows) if valid else None) for rows in blocks(values.shape)])
    if span is None or not np.issubdtype(values.dtype, np.integer) or span[1] - span[0] >= TABLE:
        return span
    low, high = int(span[0]), int(span[1])
    return without_strays(np.arange(low, high + 1), counts_of(values, low, high, valid))


def without_strays(values: Values, counts: Counts) -> Span | None:
    """The least and the greatest of the values that occur, but for strays.

    Strays are at most a thousandth of the pixels at one end, behind a gap in which nothing lies and which is wider than
    all that lies before it, up to the last thousandth at the other end. Without such a gap nothing is left out; none of
    4,302 radiographs of Open-I has one.
    """
    occur = (counts > 0) & np.isfinite(values)
    if not occur.any():
        return None
    order = np.argsort(values[occur], kind="stable")
    found = values[occur][order].astype(np.float64)
    upto = np.cumsum(counts[occur][order])
    few = _FEW * upto[-1]
    first, last = int(np.searchsorted(upto, few, "right")), int(np.searchsorted(upto, upto[-1] - few))
    if first >= last:
        return float(found[0]), float(found[-1])
    gaps = np.diff(found)
    above = last + np.flatnonzero(gaps[last:] > found[last:-1] - found[first])
    below = 1 + np.flatnonzero(gaps[:first] > found[last] - found[1 : first + 1])
    return float(found[below[-1] if below.size else 0]), float(found[above[0] if above.size else -1])
