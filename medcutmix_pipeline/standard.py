"""Standard output as files are written: in UTF-8, whatever the terminal's own encoding is."""

from __future__ import annotations

import io
import sys
from typing import TextIO


def utf8_output() -> TextIO:
    """Standard output."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


def show_all_characters() -> None:
    """What a terminal's encoding does not have, such as λ in Latin-1, is told by its number, as on standard error."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
