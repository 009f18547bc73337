"""Reports with what is cut and what is put in, as runs of text: for the terminal, for pictures and for plots alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Mark = Literal["", "cut", "insert"]
Runs = list[tuple[str, Mark]]

_CONTROLS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """The text without control characters: in a report of unknown origin they could command a terminal."""
    return text.translate(_CONTROLS)


def cuts(plan: Mapping[str, Any]) -> Runs:
    """The host's report; what is cut is marked. `plan` is a row of the plans table."""
    return _runs(plan, "cut")


def inserts(plan: Mapping[str, Any]) -> Runs:
    """The mixed report; what is put in is marked. `plan` is a row of the plans table."""
    return _runs(plan, "insert")


def _runs(plan: Mapping[str, Any], mark: Mark) -> Runs:
    runs: Runs = []
    text, position = plan["host_text"], 0
    for edit in plan["edits"]:
        runs.append((text[position : edit["start"]], ""))
        runs.append((text[edit["start"] : edit["end"]] if mark == "cut" else edit["text"], mark))
        position = edit["end"]
    runs.append((text[position:], ""))
    return [(printable(run), kind) for run, kind in runs if run]
