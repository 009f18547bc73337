"""Tables of any length, row by row: CSV, JSON lines and Parquet; "-" is standard input or output."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.outfile import whole_file
from medcutmix_pipeline.standard import utf8_input, utf8_output

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


def read_rows(path: str, form: Format, columns: list[str]) -> Iterator[Row]:
    """The rows of a table, one by one.

    Raises UsageError where the file or one of `columns` is missing, DataError, with the line, where it is malformed.
    """
    if form == "parquet":
        yield from _parquet_rows(path, columns)
        return
    with _opened(path) as stream:
        rows = _csv_rows(stream, path, columns) if form == "csv" else _json_rows(stream, path, columns)
        try:
            yield from rows
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not UTF-8 text (byte {error.start})") from error


@contextmanager
def _opened(path: str) -> Iterator[TextIO]:
    if path == STANDARD:
        yield utf8_input()
        return
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error


def _csv_rows(stream: TextIO, path: str, columns: list[str]) -> Iterator[Row]:
    csv.field_size_limit(1 << 30)
    rows = csv.DictReader(stream)
    _require(path, columns, list(rows.fieldnames or ()))
    try:
        yield from rows
    except csv.Error as error:
        raise DataError(f"{path}: line {rows.line_num}: not valid CSV ({error})") from error


def _json_rows(stream: TextIO, path: str, columns: list[str]) -> Iterator[Row]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}: line {number}: not valid JSON") from error
        if not isinstance(row, dict):
            raise DataError(f"{path}: line {number}: not a JSON object")
        _require(f"{path}: line {number}", columns, list(row))
        yield row


def _parquet_rows(path: str, columns: list[str]) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as table:
            _require(path, columns, table.schema_arrow.names)
            for batch in table.iter_batches(batch_size=BATCH, columns=columns):
                yield from batch.to_pylist()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or 'no such file'})") from error
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: not a Parquet file") from error


def _require(where: str, columns: list[str], there: list[str]) -> None:
    for column in columns:
        if column not in there:
            # The first line of a table without a header is a patient's, and must not be told.
            told = all(len(name) <= _LONGEST_NAME and not name.rstrip().endswith(".") for name in there)
            names = f"there are {', '.join(there) or 'none'}" if told else "is its first line a header?"
            raise UsageError(f"{where}: no column {column}; {names}")


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
    if form == "csv":
        table = csv.DictWriter(stream, columns, lineterminator="\n")
        table.writeheader()
        return table.writerow

    def write(row: Row) -> None:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write
