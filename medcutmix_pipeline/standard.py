"""Standard input and output as files are read and written: in UTF-8, whatever the terminal's own encoding is."""

from __future__ import annotations

import io
import sys
from typing import TextIO


def utf8_input() -> TextIO:
    """Standard input, without a byte-order mark; reading what is not UTF-8 raises UnicodeDecodeError."""
    if isinstance(sys.stdin, io.TextIOWrapper):  # a test or a notebook may have put something else there
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="strict", newline="")
    return sys.stdin


def utf8_output() -> TextIO:
    """Standard output."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


def show_all_characters() -> None:
    """What a terminal's encoding does not have, such as λ in Latin-1, is told by its number, as on standard error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
