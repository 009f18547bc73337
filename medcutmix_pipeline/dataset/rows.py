"""The rows of a dataset's table, for people: to go through, to count, to look one up."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from medcutmix_pipeline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
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

    def count_by(self, column: str) -> dict[str, int]:
        """How many rows have each value of a column, most frequent first."""
        values = self.arrow.to_table(columns=[column])[column].cast(pa.string())
        counted = {c["values"]: c["counts"] for c in pc.value_counts(values).to_pylist()}
        return dict(sorted(counted.items(), key=lambda c: (-c[1], c[0])))

    def __repr__(self) -> str:
        return f"<{len(self):,} {self.kind}: {', '.join(self.schema.names)}>"


def files_in(folder: Path, where: str, listed: Collection[str]) -> list[Path]:
    """The files of a table: those that `dataset.json` lists, and where it lists none (an earlier release), all.

    Args:
        folder: of the table.
        where: its dataset, as it was given.
        listed: names of the files.

    Raises:
        DataError: one that is listed is gone, there are none, or they may not be looked for.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix == ".parquet" and path.is_file())
    except FileNotFoundError:
        files = []
    except OSError as why:
        raise DataError(f"cannot read {folder}: {why.strerror}") from None
    if not files:
        raise DataError(f"the {folder.name} of {where} are gone: `medcutmix-pipeline validate` says what else is")
    gone = sorted(set(listed) - {path.name for path in files})
    if gone:
        more = f" and {len(gone) - 1:,} more" if len(gone) > 1 else ""
        raise DataError(
            f"{folder.name}/{gone[0]}{more} of {where}: gone, though dataset.json lists it; "
            "`medcutmix-pipeline validate` says what else is"
        )
    return [path for path in files if path.name in listed] if listed else files


def plain(row: Mapping[str, Any]) -> Row:
    """A row of Arrow's with its maps as dicts."""
    return {name: dict(value) if name.endswith("labels") else value for name, value in row.items()}


@contextlib.contextmanager
def telling_damage(folder: Path | str) -> Iterator[None]:
    """While the block reads a dataset, a file that cannot be read is told as such, without a traceback."""
    try:
        yield
    except BrokenPipeError:  # whoever reads the output has left
        raise
    except (pa.ArrowException, OSError) as why:
        raise DataError(
            f"a table of {folder} cannot be read ({type(why).__name__}): "
            f"`medcutmix-pipeline validate {folder}` says where"
        ) from None
