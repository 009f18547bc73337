"""Rows of one study brought together, wherever in the table they stand, without holding the table."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.sources.tables import Row, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from medcutmix_pipeline.sources.trees import Tree

T = TypeVar("T")

_64_BITS = (1 << 64) - 1


def grouped(read: Callable[[], Iterable[T]], key: Callable[[T], tuple[str, ...]]) -> Iterator[list[T]]:
    """Lists of the rows that share a key, in the order in which each key's last row stands.

    `read` is called twice: once to find each key's last row (64 bits for each row), once to collect them. Only groups
    that have begun and not ended are held, which for a table in order is one.
    """

    def mark(row: T) -> int:
        return hash(key(row)) & _64_BITS  # Python's own will do, and is fast: it is compared within this process alone

    marks = np.fromiter(map(mark, read()), np.uint64)
    last = _last_of_each(marks)
    begun: dict[int, list[T]] = {}
    for place, row in enumerate(read()):
        m = mark(row)
        begun.setdefault(m, []).append(row)
        # A row that was not there at first, because the table is being written, ends its group.
        if place >= marks.size or int(marks[place]) != m or last[place]:
            yield begun.pop(m)


def _last_of_each(marks: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """bool [N]: where a mark stands for the last time."""
    order = np.argsort(marks, kind="stable")
    last = np.zeros(marks.size, dtype=bool)
    last[order] = np.append(np.diff(marks[order]) != 0, [True] * bool(marks.size))
    return last


def grouped_rows(
    tree: Tree, table: str, wanted: Sequence[str], key: Callable[[Row], tuple[str, ...]]
) -> Iterator[list[Row]]:
    """The rows of a table as `grouped` brings them together, each with the cells of the columns `wanted`."""
    return grouped(lambda: _rows(tree, table, wanted), key)


def said_once(group: Sequence[Row], shared: Sequence[str]) -> dict[str, str]:
    """What the rows of a study say in the columns `shared`, each as the first row says it that says anything."""
    said: dict[str, str] = {}
    for row in reversed(group):
        said |= {column: row.cells[column] for column in shared if row.cells and column in row.cells}
    return said


def disagreement(cells: Mapping[str, str], said: Mapping[str, str]) -> str:
    """In which columns of `said` a row says otherwise, in words that repeat neither; empty where it does not."""
    others = [column for column, word in said.items() if cells.get(column, word).strip() != word.strip()]
    return f"another {' and '.join(others)} than in an earlier row of the study" if others else ""


def check_rows(tree: Tree, table: str, wanted: Sequence[str]) -> None:
    """Raise DataError where a table has no row."""
    if next(_rows(tree, table, wanted), None) is None:
        raise DataError(f"{table} has a header and no rows")


def _rows(tree: Tree, table: str, wanted: Sequence[str]) -> Iterator[Row]:
    with tree.open(table) as file:
        yield from rows(file, table, wanted)
