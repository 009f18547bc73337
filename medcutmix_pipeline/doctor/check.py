"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """What was found: ok; worth a note; or a problem that would stop a build.

    `remedy` says what to do about a note or a problem. Nothing here names a patient or a file of the source.
    """

    group: str
    name: str
    status: Status
    found: str
    remedy: str = ""
