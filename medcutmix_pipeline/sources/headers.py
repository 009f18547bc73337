"""Why a table's header has none of the columns that it should have, in words for who wrote the table."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress
from difflib import get_close_matches
from typing import IO, TYPE_CHECKING

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.sources.tables import DAMAGE, suffix_of, unpacked

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "bars"}

_LONGEST_NAME = 60

_START = 1 << 16
"""Bytes in which a header is looked for."""


def misread(file: IO[bytes], name: str, known: Sequence[str]) -> str:
    """Why no column may be known that should be: another form, encoding or separator than the name says; else empty."""
    suffix = suffix_of(name)
    if suffix == ".parquet":
        return ""
    with suppress(*DAMAGE, OSError):
        raw = unpacked(file, name).read(_START)
        if suffix in (".jsonl", ".ndjson"):
            return "JSON lines have an object in each line, and no list around them" if raw.lstrip()[:1] == b"[" else ""
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "it is UTF-16 text; save it as UTF-8"
        lines = raw.decode("utf-8-sig", "replace").lower().splitlines()
        header = next((line for line in lines if line.strip()), "")
        own = "\t" if suffix == ".tsv" else ","
        for separator, called in _SEPARATORS.items():
            cells = {cell.strip(' "') for cell in header.split(separator)}
            if separator != own and cells & set(known):
                return f"its columns are separated by {called}, and {suffix} means {_SEPARATORS[own]}"
    return ""


def told_columns(found: Sequence[str]) -> str:
    """What a header has, unless it has what no name has: an open quotation mark took patients' rows for names."""
    if not all(len(name) <= _LONGEST_NAME and name.isprintable() for name in found):
        return "is a quotation mark in its header not closed?"
    return f"it has {', '.join(found)}"


def check_once(found: Sequence[str], known: Sequence[str], name: str) -> None:
    """Raise DataError where a column that counts is there more than once: which of them is meant, nobody can say."""
    twice = sorted({column for column in found if column in known and found.count(column) > 1})
    if twice:
        raise DataError(f"{name} has the column {', '.join(twice)} more than once")


def nearly(found: Sequence[str], known: Sequence[str]) -> str:
    """Which columns are called nearly as they should be; empty unless there are two.

    One word alone may be a patient's, in a table without a header; and only plain words are looked at, for the same
    reason.
    """
    words = [name for name in found if re.fullmatch("[a-z]+([_ ][a-z]+)?", name)]
    near = {name: get_close_matches(name, known, 1, 0.7) for name in words}
    told = [f"{close[0]} for {name}" for name, close in near.items() if close]
    return f"write {', '.join(told)}" if len(told) > 1 else ""
