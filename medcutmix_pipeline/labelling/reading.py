"""Tables of reports of any length, read row by row."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.labelling.formats import BATCH, SEPARATORS, STANDARD, Format, Row, is_packed
from medcutmix_pipeline.sources.tables import DAMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_NAME = 40  # of a column; what is longer is a report


def read_rows(path: str, form: Format, columns: list[str]) -> Iterator[tuple[str, Row]]:
    """The rows of a table, one by one, each with its place ("line 7", "row 7"), counted from 1.

    Raises UsageError where the file or one of `columns` is missing, or one is there twice; DataError, with the place,
    where the table is malformed. Text that is not UTF-8 has surrogates, for `cells` to find: it costs its cell only.
    """
    if form == "parquet":
        yield from _parquet_rows(path, columns)
        return
    with _opened(path) as stream:
        try:
            if form == "jsonl":
                yield from _json_rows(stream, path, columns)
            else:
                yield from _delimited_rows(stream, SEPARATORS[form], path, columns)
        except (*DAMAGE, gzip.BadGzipFile) as error:
            raise DataError(f"{path}: damaged, and cannot be read to its end") from error


@contextmanager
def _opened(path: str) -> Iterator[TextIO]:
    if path == STANDARD:
        raw = getattr(sys.stdin, "buffer", None)  # none where somebody put something else in its place
        if raw is None:
            yield sys.stdin
            return
        stream = _text(raw)
        yield stream
        stream.detach()  # else it would close standard input, which is not ours
        return
    try:
        with gzip.open(path, "rb") if is_packed(path) else Path(path).open("rb") as file:
            yield _text(cast("IO[bytes]", file))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error


def _text(file: IO[bytes]) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")


def _delimited_rows(stream: TextIO, separator: str, path: str, columns: list[str]) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(1 << 30)
    records = csv.reader(stream, delimiter=separator, strict=True)
    names: list[str] = []
    while True:
        place = f"line {records.line_num + 1}"
        try:
            record = next(records)
        except StopIteration:
            break
        except csv.Error as error:
            why = "a quotation mark is not closed, or stands within a cell"
            raise DataError(f"{path}: {place}: {why}") from error
        if not any(map(str.strip, record)):
            if not record or not names:
                continue
            record = [""] * len(names)  # an empty report: others count such rows, and rows may go by their numbers
        if not names:
            names = record
            _require(path, columns, names)
        elif len(record) != len(names):
            told = f"{len(record)} cells where the header has {len(names)}"
            raise DataError(f"{path}: {place}: {told}; a cell with a separator or several lines needs quotation marks")
        else:
            yield place, dict(zip(names, record, strict=True))
    if not names:
        _require(path, columns, names)


def _json_rows(stream: TextIO, path: str, columns: list[str]) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number}: not valid JSON") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number}: not a JSON object")
        _require(f"{path}: line {number}", columns, list(row))
        yield f"line {number}", row


def _parquet_rows(path: str, columns: list[str]) -> Iterator[tuple[str, Row]]:
    try:
        with pq.ParquetFile(path) as table:
            _require(path, columns, table.schema_arrow.names)
            batches = table.iter_batches(batch_size=BATCH, columns=columns)
            rows = chain.from_iterable(batch.to_pylist() for batch in batches)
            yield from ((f"row {number}", row) for number, row in enumerate(rows, 1))
    except OSError as error:
        if Path(path).is_file() and error.errno is None:  # Arrow's own, of what stands in it
            raise DataError(f"{path}: damaged, and cannot be read to its end") from error
        why = "it is a folder; name one file" if Path(path).is_dir() else error.strerror or "no such file"
        raise UsageError(f"{path}: cannot be read ({why})") from error
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a Parquet file") from error
    except DAMAGE as error:
        raise DataError(f"{path}: damaged, or its text is not UTF-8") from error


def _require(where: str, columns: list[str], there: list[str]) -> None:
    for column in columns:
        if there.count(column) > 1:
            raise UsageError(f"{where}: the column {column} stands there {there.count(column)} times; rename one")
        if column not in there:
            # The first line of a table without a header is a patient's, and must not be told; nor must the rows that
            # an open quotation mark took for a name.
            told = all(len(n) <= _LONGEST_NAME and n.isprintable() and not n.rstrip().endswith(".") for n in there)
            names = f"there are {', '.join(there) or 'none'}" if told else "is its first line a header?"
            raise UsageError(f"{where}: no column {column}; {names}")
