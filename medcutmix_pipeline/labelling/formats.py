"""What a table's format is: by its name, or as it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

from medcutmix_pipeline.errors import UsageError

Format = Literal["csv", "tsv", "jsonl", "parquet"]
Row = dict[str, Any]

STANDARD = "-"
BATCH = 1024
SEPARATORS: dict[Format, str] = {"csv": ",", "tsv": "\t"}

_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def is_packed(path: str) -> bool:
    """Whether a table's name says that it is packed."""
    return path.lower().endswith(".gz")


def format_of(path: str, given: str | None = None, packed: bool = False) -> Format:
    """The format of a table: `given`, or what its ending says; CSV for standard input and output.

    Args:
        packed: it may end in `.gz` besides.

    Raises:
        UsageError: an ending or a name that is not known, Parquet on standard input or output, or packed Parquet.
    """
    if given is not None and given not in _ENDINGS.values():
        raise UsageError(f"format {given}: not known; csv, tsv, jsonl or parquet")
    if path == STANDARD:
        if given == "parquet":
            raise UsageError("parquet needs a file; standard input and output are csv, tsv or jsonl")
        return cast("Format", given or "csv")
    gz = packed and is_packed(path)
    found = given or _ENDINGS.get(Path(path[: -len(".gz")] if gz else path).suffix.lower())
    if found is None or (gz and found == "parquet"):
        known = ".csv, .tsv, .jsonl (also .gz) or .parquet" if packed else ".csv, .tsv, .jsonl or .parquet"
        raise UsageError(f"{path}: the ending says no format; use {known}, or name the format")
    return cast("Format", found)
