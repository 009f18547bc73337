"""The cells of a table as text, whatever type the table's format gives them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_IDENTIFIER = "_id"
"""How the columns end that hold identifiers."""

_NONE = frozenset({"na", "n/a", "<na>", "nan", "none", "null"})
"""What programs write where an identifier is missing: taken for one, it would make strangers one patient."""

_WHOLE = re.compile(r"\s*(-?\d+)\.0+\s*")
"""A whole number as programs write it to a table of text in whose column some cells are empty."""


class DamagedRowError(ValueError):
    """A row that cannot be understood. Its message says what is wrong, and has nothing of what the row says."""


def clean(cells: Mapping[str, object], wanted: Sequence[str]) -> dict[str, str]:
    """The wanted cells as text, without empty ones.

    Whole numbers are written without a point, so that 7 and 7.0 are one identifier, in text as well. In columns of
    identifiers, words for nothing are empty cells.

    Raises:
        DamagedRowError: a cell is neither text nor a number, is not UTF-8, or has a zero byte.
    """
    texts: dict[str, str] = {}
    for name in wanted:
        value = cells.get(name)
        if value is None or value != value:  # NaN is how tables of numbers leave a cell empty
            continue
        if type(value) is not str:
            if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
                raise DamagedRowError(f"{name} is neither text nor a number")
            value = value if isinstance(value, str) else _digits(value)
        if not value.isprintable():
            _check_text(value)
        if name.endswith(_IDENTIFIER):
            value = _identifier(value)
        if value and not value.isspace():
            texts[name] = value
    return texts


def _identifier(text: str) -> str:
    if text.strip().lower() in _NONE:
        return ""
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _digits(number: float | Decimal) -> str:
    if number % 1 == 0:
        return str(int(number))
    return f"{number.normalize():f}" if isinstance(number, Decimal) else str(number)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise DamagedRowError("not UTF-8 text; save the table as UTF-8") from None
    if "\0" in text:
        raise DamagedRowError("a zero byte in the text")
