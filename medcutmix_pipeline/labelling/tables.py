"""Tables of any length, row by row: CSV, JSON lines and Parquet; "-" is standard input or output."""

from __future__ import annotations

import csv
import io
import json
import sys
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, TextIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.outfile import whole_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Format = Literal["csv", "jsonl", "parquet"]
Row = dict[str, Any]

STANDARD = "-"
BATCH = 1024
_LONGEST_NAME = 40  # of a column; what is longer is a report
_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def format_of(path: str, given: str | None = None) -> Format:
    """The format of a table: `given`, or what its ending says; CSV for standard input and output.

    Raises UsageError for an ending or a name that is not known, and for Parquet on standard input or output.
    """
    if given is not None and given not in _ENDINGS.values():
        raise UsageError(f"format {given}: not known; csv, jsonl or parquet")
    if path == STANDARD:
        if given == "parquet":
            raise UsageError("parquet needs a file; standard input and output are csv or jsonl")
        return cast("Format", given or "csv")
    found = given or _ENDINGS.get(Path(path).suffix.lower())
    if found is None:
        raise UsageError(f"{path}: the ending says no format; use .csv, .jsonl or .parquet, or name the format")
    return cast("Format", found)


def read_rows(path: str, form: Format, columns: list[str]) -> Iterator[tuple[str, Row]]:
    """The rows of a table, one by one, each with its place ("line 7", "row 7"), counted from 1.

    Raises UsageError where the file or one of `columns` is missing, or one is there twice; DataError, with the place,
    where the table is malformed. Text that is not UTF-8 has surrogates, for `cells` to find: it costs its cell only.
    """
    if form == "parquet":
        yield from _parquet_rows(path, columns)
        return
    with _opened(path) as stream:
        yield from _csv_rows(stream, path, columns) if form == "csv" else _json_rows(stream, path, columns)


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
        with Path(path).open("rb") as file:
            yield _text(file)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error


def _text(file: IO[bytes]) -> io.TextIOWrapper:
    return io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")


def _csv_rows(stream: TextIO, path: str, columns: list[str]) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(1 << 30)
    records = csv.reader(stream, strict=True)
    names: list[str] = []
    while True:
        place = f"line {records.line_num + 1}"
        try:
            record = next(records)
        except StopIteration:
            break
        except csv.Error as error:
            why = "a quotation mark is not closed, or stands within a cell"
            raise DataError(f"{path}: {place}: not valid CSV: {why}") from error
        if not any(map(str.strip, record)):  # spreadsheets write rows of commas behind the last one
            continue
        if not names:
            names = record
            _require(path, columns, names)
        elif len(record) != len(names):
            told = f"{len(record)} cells where the header has {len(names)}"
            raise DataError(f"{path}: {place}: {told}; a cell with a comma or several lines needs quotation marks")
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


def _require(where: str, columns: list[str], there: list[str]) -> None:
    for column in columns:
        if there.count(column) > 1:
            raise UsageError(f"{where}: the column {column} stands there {there.count(column)} times; rename one")
        if column not in there:
            # The first line of a table without a header is a patient's, and must not be told.
            told = all(len(name) <= _LONGEST_NAME and not name.rstrip().endswith(".") for name in there)
            names = f"there are {', '.join(there) or 'none'}" if told else "is its first line a header?"
            raise UsageError(f"{where}: no column {column}; {names}")


@contextmanager
def row_writer(path: str, form: Format, columns: list[str]) -> Iterator[Callable[[Row], None]]:
    """A function that writes one row. The file appears under its name only when all rows are written."""
    if path == STANDARD:
        yield _line_writer(sys.stdout, form, columns)
        sys.stdout.flush()
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
    if form == "csv":
        table = csv.DictWriter(stream, columns, lineterminator="\n")
        table.writeheader()
        return table.writerow

    def write(row: Row) -> None:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write
