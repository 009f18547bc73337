"""The geometry of the page's charts: what is drawn where, in shares, before any pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Bar:
    """A bar: what it stands for, how many, and its length as a share of the longest."""

    label: str
    count: int
    share: float


@dataclass(frozen=True)
class Spread:
    """A distribution over [low, high]: its bars from left to right, and its quantiles."""

    low: float
    high: float
    bars: tuple[Bar, ...]
    p5: float
    median: float
    p95: float
    total: int

    def place(self, value: float) -> float:
        """Where a value stands on the axis, in [0, 1]."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def spread(values: NDArray[np.float32], low: float = 0.0, high: float = 1.0, bins: int = 25) -> Spread | None:
    """A histogram; None where there is nothing to count. Values beyond the ends count in the outermost bars."""
    if not len(values):
        return None
    edges = np.linspace(low, high, bins + 1)
    counts, _ = np.histogram(np.clip(values, low, high), edges)
    longest = int(counts.max())
    bars = tuple(
        Bar(f"{a:.2f} to {b:.2f}", int(n), int(n) / longest)
        for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
    )
    p5, median, p95 = (float(q) for q in np.quantile(values, (0.05, 0.5, 0.95)))
    return Spread(low, high, bars, p5, median, p95, len(values))


_STEPS = ((1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32), (33, 64), (65, 128), (129, 256), (257, None))


def counted(counts: Mapping[int, int], every: bool = False) -> tuple[Bar, ...]:
    """How many have how often: bars for 1, 2, 3–4, 5–8 …, or one for each number with `every`.

    Args:
        counts: how often → how many.
        every: one bar a number, up to the largest that there is.
    """
    if not counts:
        return ()
    steps = [(n, n) for n in range(1, max(counts) + 1)] if every else list(_STEPS)
    sums = [sum(many for often, many in counts.items() if _within(often, *step)) for step in steps]
    last = max(i for i, many in enumerate(sums) if many)
    longest = max(sums)
    return tuple(Bar(_range(*step), many, many / longest) for step, many in zip(steps[: last + 1], sums, strict=False))


def _within(value: int, first: int, last: int | None) -> bool:
    return first <= value and (last is None or value <= last)


def _range(first: int, last: int | None) -> str:
    if last is None:
        return f"{first} and more"
    return str(first) if first == last else f"{first}–{last}"


@dataclass(frozen=True)
class Cell:
    """A cell of a matrix: a share in [0, 1], or None where there is nothing to divide by; and what it is of."""

    share: float | None
    count: int


def conditional(together: NDArray[np.int64], kept: Sequence[int]) -> list[list[Cell]]:
    """Of what has the row's finding, the share that has the column's: P(column | row), for the findings kept."""
    rows = []
    for i in kept:
        own = int(together[i, i])
        rows.append([Cell(int(together[i, j]) / own if own else None, int(together[i, j])) for j in kept])
    return rows
