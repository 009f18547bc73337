"""Tables of labels of any length, written row by row."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from medcutmix_pipeline.labelling.formats import BATCH, SEPARATORS, STANDARD, Format, Row
from medcutmix_pipeline.outfile import whole_file
from medcutmix_pipeline.standard import utf8_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def row_writer(path: str, form: Format, columns: list[str]) -> Iterator[Callable[[Row], None]]:
    """A function that writes one row. The file appears under its name only when all rows are written."""
    if path == STANDARD:
        out = utf8_output()
        yield _line_writer(out, form, columns)
        out.flush()
        return
    with whole_file(path) as part, _writer_to(part, form, columns) as write:
        yield write


@contextmanager
def _writer_to(part: Path, form: Format, columns: list[str]) -> Iterator[Callable[[Row], None]]:
    if form != "parquet":
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield _line_writer(stream, form, columns)
        return
    schema = pa.schema([(column, pa.string()) for column in columns])
    held: list[Row] = []
    with pq.ParquetWriter(part, schema) as table:

        def write(row: Row) -> None:
            held.append({k: None if v is None else str(v) for k, v in row.items()})
            if len(held) >= BATCH:
                table.write_table(pa.Table.from_pylist(held, schema))
                held.clear()

        yield write
        if held:
            table.write_table(pa.Table.from_pylist(held, schema))


def _line_writer(stream: TextIO, form: Format, columns: list[str]) -> Callable[[Row], None]:
    if form in SEPARATORS:
        table = csv.DictWriter(stream, columns, delimiter=SEPARATORS[form], lineterminator="\n")
        table.writeheader()
        return table.writerow

    def write(row: Row) -> None:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write
