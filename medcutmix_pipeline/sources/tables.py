"""Rows of CSV, TSV, JSON lines and Parquet, one at a time, plain or gzipped, damaged or not.

A damaged row is told as damaged and costs no other row: after a quote that never closes, reading goes on with the next
line instead of taking the rest of the file for one field.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from medcutmix_pipeline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its place (lines of text, rows of Parquet, counted from 1), and its cells without those that are empty.

    `cells` is None where the row cannot be understood.
    """

    place: int
    cells: dict[str, str] | None


class Lines:
    """Lines of text that remembers what it gave since the last mark and can take all but the first of them back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._given: list[str] = []
        self._again: list[str] = []
        self.first = 1

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._lines)
        self._given.append(line)
        return line

    def mark(self) -> None:
        """A record ends here."""
        self.first += len(self._given)
        self._given.clear()

    def take_back(self) -> None:
        """Give all lines since the mark but the first again."""
        self._again.extend(reversed(self._given[1:]))
        del self._given[1:]


def suffix_of(name: str) -> str | None:
    """The format that a file's name tells, by its suffix without `.gz`."""
    stem = name.lower().removesuffix(".gz")
    return next((s for s in SUFFIXES if stem.endswith(s)), None)


def columns(file: IO[bytes], name: str) -> list[str]:
    """The names of a table's columns, in lower case; of JSON lines, the keys of the first object."""
    suffix = suffix_of(name)
    try:
        if suffix == ".parquet":
            return [c.strip().lower() for c in pq.read_schema(file).names]
        first = next(iter(_text(file, name)), "")
        if suffix in (".jsonl", ".ndjson"):
            keys = json.loads(first)
            return [str(k).strip().lower() for k in keys] if isinstance(keys, dict) else []
        return [c.strip().lower() for c in next(_reader([first], suffix), [])]
    except (pa.ArrowException, csv.Error, ValueError, OSError, EOFError):
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
    except (pa.ArrowException, EOFError, gzip.BadGzipFile, UnicodeError):
        raise DataError("the table cannot be read to its end; it is damaged or not what its name says") from None


def _text(file: IO[bytes], name: str) -> IO[str]:
    """Lines of UTF-8; what is not UTF-8 becomes surrogates, which `_clean` finds, so that it costs its row only."""
    plain = gzip.GzipFile(fileobj=file) if name.lower().endswith(".gz") else file
    return io.TextIOWrapper(plain, "utf-8-sig", errors="surrogateescape", newline="")


def _reader(lines: Iterable[str], suffix: str | None) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter="\t" if suffix == ".tsv" else ",", strict=True)


def _delimited(text: IO[str], suffix: str | None, wanted: Sequence[str]) -> Iterator[Row]:
    lines = Lines(text)
    names = [c.strip().lower() for c in next(_reader(lines, suffix), [])]
    lines.mark()
    records = _reader(lines, suffix)
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except csv.Error:
            record = None
        place = lines.first
        if record == []:
            lines.mark()
            continue
        if record is None or len(record) != len(names):
            lines.take_back()
            # The reader may hold half a record, or know that its lines have ended: a new one starts clean.
            records = _reader(lines, suffix)
            record = None
        lines.mark()
        yield Row(place, None if record is None else _clean(dict(zip(names, record, strict=True)), wanted))


def _json_lines(text: IO[str], wanted: Sequence[str]) -> Iterator[Row]:
    for place, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        yield Row(
            place,
            _clean({str(k).strip().lower(): v for k, v in value.items()}, wanted) if isinstance(value, dict) else None,
        )


def _parquet(file: IO[bytes], wanted: Sequence[str]) -> Iterator[Row]:
    table = pq.ParquetFile(file)
    names = [name for name in table.schema_arrow.names if name.strip().lower() in wanted]
    place = 0
    for batch in table.iter_batches(batch_size=_BATCH, columns=names):
        for record in batch.to_pylist():
            place += 1
            yield Row(place, _clean({k.strip().lower(): v for k, v in record.items()}, wanted))


def _clean(cells: dict[str, object], wanted: Sequence[str]) -> dict[str, str] | None:
    """The wanted cells as text, without empty ones; None where one is neither text nor a number, or not UTF-8."""
    clean: dict[str, str] = {}
    for name in wanted:
        value = cells.get(name)
        if value is None or value != value:  # NaN is how tables of numbers leave a cell empty
            continue
        if type(value) is not str:
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                return None
            value = str(value)
        if not value.isprintable() and _broken(value):
            return None
        if value and not value.isspace():
            clean[name] = value
    return clean


def _broken(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return "\0" in text
