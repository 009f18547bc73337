"""What the cells of a table of reports hold: a report's text, and its identifier."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any


def report_of(value: Any) -> str:
    """The text of a report; empty where the cell is, which a table of numbers tells by NaN.

    Raises:
        ValueError: it is neither text nor a number, or not UTF-8. Its words repeat nothing of the cell.
    """
    if value is None or _is_nan(value):
        return ""
    if not isinstance(value, str | bytes | int | float | Decimal):
        raise ValueError("neither text nor a number")
    return _utf8(value)


def identifier_of(value: Any) -> str | int | float | None:
    """A report's identifier as it can be written to any table: dates and the like as text, whole numbers as they are.

    Raises:
        ValueError: it is not UTF-8 text. Its words repeat nothing of the cell.
    """
    if value is None or isinstance(value, int | float):
        return None if _is_nan(value) else value
    return _utf8(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _utf8(value: Any) -> str:
    """As text; some programs write text to Parquet as bytes."""
    try:
        text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
        text.encode("utf-8")
    except UnicodeError:
        raise ValueError("not UTF-8 text; save the table as UTF-8") from None
    return text
