"""Rows of one study brought together, wherever in the table they stand, without holding the table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.sources.tables import Row, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from medcutmix_pipeline.sources.trees import Tree

T = TypeVar("T")


def grouped(read: Callable[[], Iterable[T]], key: Callable[[T], tuple[str, ...]]) -> Iterator[list[T]]:
    """Lists of the rows that share a key, in the order in which each key's last row stands.

    `read` is called twice: once to count each key's rows (64 bits and a count for each key), once to collect them. Only
    groups that have begun and not ended are held, which for a table in order is one.
    """

    def mark(row: T) -> int:
        return keyed_hash(0, "row", *key(row))

    left = Counter(mark(row) for row in read())
    begun: dict[int, list[T]] = {}
    for row in read():
        m = mark(row)
        begun.setdefault(m, []).append(row)
        left[m] -= 1
        if left[m] <= 0:
            del left[m]
            yield begun.pop(m)


def grouped_rows(
    tree: Tree, table: str, wanted: Sequence[str], key: Callable[[Row], tuple[str, ...]]
) -> Iterator[list[Row]]:
    """The rows of a table as `grouped` brings them together, each with the cells of the columns `wanted`."""
    return grouped(lambda: _rows(tree, table, wanted), key)


def check_rows(tree: Tree, table: str, wanted: Sequence[str]) -> None:
    """Raise DataError where a table has no row."""
    if next(_rows(tree, table, wanted), None) is None:
        raise DataError(f"{table} has a header and no rows")


def _rows(tree: Tree, table: str, wanted: Sequence[str]) -> Iterator[Row]:
    with tree.open(table) as file:
        yield from rows(file, table, wanted)
