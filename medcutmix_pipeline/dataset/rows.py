"""The rows of a dataset's table, for people: to go through, to count, to look one up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as pads

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

Row = dict[str, Any]


class Rows:
    """One of a dataset's tables. Streams from disk: only what is asked for is held in memory.

    Example:
        >>> for plan in dataset.plans:
        ...     print(plan["disease"], plan["lambda"])
        >>> len(dataset.samples)
        >>> dataset.samples["p-5f0c-frontal"]["labels"]
        >>> frame = dataset.plans.to_table(["disease", "map_area"]).to_pandas()
    """

    def __init__(self, kind: str, files: Sequence[Path], schema: pa.Schema) -> None:
        self.kind = kind
        self.schema = schema
        self.arrow: pads.Dataset = pads.dataset([str(file) for file in files], schema=schema, format="parquet")

    def __len__(self) -> int:
        count: int = self.arrow.count_rows()
        return count

    def __iter__(self) -> Iterator[Row]:
        """Each row as a dict, in the order of the files; labels are dicts, too."""
        for batch in self.arrow.to_batches():
            yield from map(plain, batch.to_pylist())

    def __getitem__(self, identifier: str) -> Row:
        """The row with this id, which is the table's first column.

        Raises:
            KeyError: there is none.
        """
        rows = self.where(self.schema.names[0], [identifier])
        if not rows:
            raise KeyError(identifier)
        return rows[0]

    def where(self, column: str, values: Sequence[str]) -> list[Row]:
        """The rows in which a column of text has one of some values, in the order of the files."""
        field = pads.field(column)
        if pa.types.is_dictionary(self.schema.field(column).type):
            field = field.cast(pa.string())
        condition = field.isin(pa.array(values, pa.string()))
        return [plain(row) for row in self.arrow.to_table(filter=condition).to_pylist()]

    def to_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The whole table, or some of its columns, in memory."""
        return self.arrow.to_table(columns=None if columns is None else list(columns))

    def __repr__(self) -> str:
        return f"<{len(self):,} {self.kind}: {', '.join(self.schema.names)}>"


def plain(row: Mapping[str, Any]) -> Row:
    """A row of Arrow's with its maps as dicts."""
    return {name: dict(value) if name.endswith("labels") else value for name, value in row.items()}
