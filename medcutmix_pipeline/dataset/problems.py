"""What `validate` finds wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Problem:
    """A broken promise: the file or key where it shows, and what is wrong."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def expect(truth: bool, where: str, what: str) -> Iterator[Problem]:
    """A problem where something that should hold does not."""
    if not truth:
        yield Problem(where, what)
