"""Rows of CSV, TSV, JSON lines and Parquet, one at a time, plain or gzipped, damaged or not.

A damaged row is told as damaged and costs no other row: after a quote that never closes, reading goes on with the next
line instead of taking the rest of the file for one field.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import IO, TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.sources.cells import DamagedRowError, clean
from medcutmix_pipeline.sources.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

DAMAGE = (pa.ArrowException, EOFError, UnicodeError, zlib.error)
"""What damaged tables raise, beside errors of the system without a number."""

_BATCH = 4096
_FIRST = 1000
"""Objects of JSON lines whose keys count as the columns."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its place (lines of text, rows of Parquet, counted from 1), and its cells without those that are empty.

    `cells` is None where the row cannot be understood; `problem` then says why, without a word of the row's own.
    """

    place: int
    cells: dict[str, str] | None
    problem: str = ""


def suffix_of(name: str) -> str | None:
    """The format that a file's name tells, by its suffix without `.gz`."""
    stem = name.lower().removesuffix(".gz")
    return next((s for s in SUFFIXES if stem.endswith(s)), None)


def told_damage(row: Row, name: str) -> str:
    """Which row of the table cannot be understood, and why."""
    what = "row" if suffix_of(name) == ".parquet" else "line"
    return f"{what} {row.place}: {row.problem or 'a cell that is needed is empty'}"


def columns(file: IO[bytes], name: str) -> list[str]:
    """The names of a table's columns, in lower case; of JSON lines, the keys of the first objects.

    A name stands in it as often as the table, or one object, has it.
    """
    suffix = suffix_of(name)
    try:
        if suffix == ".parquet":
            return [_name(c) for c in pq.read_schema(file).names]
        if suffix in (".jsonl", ".ndjson"):
            return _keys(_text(file, name))
        return _header(_reader(_text(file, name), suffix))
    except (*DAMAGE, csv.Error, ValueError, OSError):
        return []


def rows(file: IO[bytes], name: str, wanted: Sequence[str]) -> Iterator[Row]:
    """Every row with the cells of the columns `wanted`.

    Raises:
        DataError: the file as a whole cannot be read (a broken gzip stream or Parquet footer).
    """
    suffix = suffix_of(name)
    try:
        if suffix == ".parquet":
            yield from _parquet(file, wanted)
        elif suffix in (".jsonl", ".ndjson"):
            yield from _json_lines(_text(file, name), wanted)
        else:
            yield from _delimited(_text(file, name), suffix, wanted)
    except (*DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the storage's, and not Arrow's or gzip's
            raise
        raise DataError(f"{name} cannot be read to its end; it is damaged or not what its name says") from None


def unpacked(file: IO[bytes], name: str) -> IO[bytes]:
    """The bytes of a table, of a `.gz` those that are packed in it."""
    return cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if name.lower().endswith(".gz") else file


def _text(file: IO[bytes], name: str) -> IO[str]:
    """Lines of UTF-8; what is not UTF-8 becomes surrogates, which `clean` finds, so that it costs its row only."""
    return io.TextIOWrapper(unpacked(file, name), "utf-8-sig", errors="surrogateescape", newline="")


def _reader(lines: Iterable[str], suffix: str | None) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter="\t" if suffix == ".tsv" else ",", strict=True)


def _name(column: object) -> str:
    return str(column).strip().lower()


def _header(records: Iterator[list[str]]) -> list[str]:
    """The names in the first record that is not blank."""
    return next((names for names in ([_name(c) for c in record] for record in records) if any(names)), [])


def _keys(lines: Iterable[str]) -> list[str]:
    """All keys of the first objects, since an object may leave a key out where it has no value."""
    keys = Counter[str]()
    with suppress(*DAMAGE, OSError):  # damage further down is told when the rows are read
        for line in islice((line for line in lines if line.strip()), _FIRST):
            keys |= Counter(map(_name, _object(line) or ()))
    return list(keys.elements())


def _row(place: int, cells: Mapping[str, object], wanted: Sequence[str]) -> Row:
    try:
        return Row(place, clean(cells, wanted))
    except DamagedRowError as why:
        return Row(place, None, str(why))


def _object(line: str) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _not_csv(error: csv.Error) -> str:
    if "field limit" in str(error):
        return f"a cell has more than {csv.field_size_limit():,} characters; is a quotation mark not closed?"
    return "a quotation mark is not closed, or stands within a cell"


def _delimited(text: IO[str], suffix: str | None, wanted: Sequence[str]) -> Iterator[Row]:
    lines = Lines(text)
    names = _header(_reader(lines, suffix))
    lines.mark()
    records = _reader(lines, suffix)
    while True:
        try:
            record, problem = next(records), ""
        except StopIteration:
            return
        except csv.Error as error:
            record, problem = None, _not_csv(error)
        place = lines.first
        if record is not None and not any(map(str.strip, record)):  # spreadsheets write rows of commas below the last
            lines.mark()
            continue
        if record is not None and len(record) != len(names):
            problem = f"{len(record)} cells where the header has {len(names)}"
        if problem:
            lines.take_back()
            # The reader may hold half a record, or know that its lines have ended: a new one starts clean.
            records = _reader(lines, suffix)
        lines.mark()
        yield Row(place, None, problem) if problem else _row(place, dict(zip(names, record or (), strict=True)), wanted)


def _json_lines(text: IO[str], wanted: Sequence[str]) -> Iterator[Row]:
    for place, line in enumerate(text, start=1):
        if line.strip():
            value = _object(line)
            if value is None:
                yield Row(place, None, "not a JSON object")
            else:
                yield _row(place, {_name(k): v for k, v in value.items()}, wanted)


def _parquet(file: IO[bytes], wanted: Sequence[str]) -> Iterator[Row]:
    table = pq.ParquetFile(file)
    names = [name for name in table.schema_arrow.names if _name(name) in wanted]
    place = 0
    for batch in table.iter_batches(batch_size=_BATCH, columns=names):
        for record in batch.to_pylist():
            place += 1
            row = _row(place, {_name(k): v for k, v in record.items()}, wanted)
            if row.cells != {}:  # a spreadsheet's blank rows, here as well
                yield row
