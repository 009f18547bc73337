"""Telling how far a build is: bars on a terminal, plain lines elsewhere, and a log of events beside the state."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

_PLAIN_LINE_EVERY = 10.0  # seconds


class Stage:
    """One stage's progress; `total` may be unknown at first."""

    def __init__(self, reporter: Reporter, name: str, unit: str, total: int | None) -> None:
        self._reporter, self.name, self.unit, self.total = reporter, name, unit, total
        self.done, self.rejects, self.skipped = 0, 0, 0
        self.started = time.monotonic()
        self._told = self.started
        self._bar: TaskID | None = reporter.add_bar(self)

    def advance(self, count: int, rejects: int = 0) -> None:
        """Some more inputs are through, of which `rejects` did not get in."""
        self.done += count
        self.rejects += rejects
        self._tell()

    def skip(self, count: int) -> None:
        """Some inputs were already done by an earlier run."""
        self.done += count
        self.skipped += count
        self._tell()

    def reached(self, done: int, total: int) -> None:
        """So many of so many are through."""
        self.done, self.total = done, total
        self._tell()

    def end(self) -> None:
        """The stage is finished; its totals are told and logged."""
        self.total = self.done
        self._reporter.end(self, self._bar, self.seconds)

    @property
    def seconds(self) -> float:
        """Time since the stage began."""
        return time.monotonic() - self.started

    @property
    def rate(self) -> float:
        """Inputs a second, without those that were already done."""
        return (self.done - self.skipped) / max(self.seconds, 1e-9)

    def line(self) -> str:
        """The state of the stage in words."""
        of = f" of {self.total:,}" if self.total and self.total != self.done else ""
        text = f"{self.name}: {self.done:,}{of} {self.unit}"
        if self.done > self.skipped:
            text += f", {_rate(self.rate)}"
        if self.skipped:
            text += f", {self.skipped:,} already done"
        if self.rejects:
            text += f", {self.rejects:,} rejected"
        if self.total and self.total > self.done and self.rate > 0:
            text += f", {(self.total - self.done) / self.rate:,.0f} s left"
        return text

    def _tell(self) -> None:
        now = time.monotonic()
        # The last line is told by `end`.
        due = now - self._told >= _PLAIN_LINE_EVERY and self.done != self.total
        self._reporter.update(self, self._bar, due)
        if due:
            self._told = now


class Reporter:
    """Shows stages on a console and keeps the run log.

    Use as a context manager. The log holds counts and times, nothing of a report and no address.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._log: Path | None = None
        self.timings: dict[str, dict[str, float]] = {}
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Reporter:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stage(self, name: str, unit: str, total: int | None = None) -> Stage:
        """Begin a stage that counts `unit`, such as studies."""
        return Stage(self, name, unit, total)

    def say(self, text: str) -> None:
        """One line for the person who waits."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def keep_log(self, path: Path) -> None:
        """From here on, append events to a file."""
        self._log = path

    def log(self, event: str, **facts: Any) -> None:
        """Append an event to the run log."""
        if self._log is not None:
            entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **facts}
            with self._log.open("a", encoding="utf-8") as out:
                out.write(json.dumps(entry) + "\n")

    def add_bar(self, stage: Stage) -> TaskID:
        """For stages."""
        return self._progress.add_task(stage.name, total=stage.total, note="")

    def update(self, stage: Stage, bar: TaskID | None, due: bool) -> None:
        """For stages."""
        if bar is not None:
            note = f"{stage.unit}, {_rate(stage.rate)}" + (f", {stage.rejects:,} rejected" if stage.rejects else "")
            self._progress.update(bar, completed=stage.done, total=stage.total, note=note)
        if due and not self.console.is_terminal:
            self.say(stage.line())

    def end(self, stage: Stage, bar: TaskID | None, seconds: float) -> None:
        """For stages."""
        self.update(stage, bar, due=False)
        if bar is not None:
            self._progress.update(bar, completed=stage.done, total=stage.done)
        if not self.console.is_terminal:
            self.say(stage.line())
        facts = {"seconds": round(seconds, 3), "done": stage.done, "skipped": stage.skipped, "rejects": stage.rejects}
        self.timings[stage.name] = {**facts, "rate": round(stage.rate, 2)}
        self.log("stage", name=stage.name, unit=stage.unit, **facts)


def _rate(rate: float) -> str:
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
