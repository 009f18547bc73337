"""How far one stage of a build is: counts, rate, and the time left."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, TypeVar

from medcutmix_pipeline.pipeline.display import duration, rate_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from medcutmix_pipeline.pipeline.progress import Reporter

Task = TypeVar("Task")

_STALLED = 120.0  # seconds
_MARKS, _MARK_EVERY = 20, 3.0


class Stage:
    """One stage's progress; `total` may be unknown at first."""

    def __init__(self, reporter: Reporter, name: str, unit: str, total: int | None) -> None:
        self._reporter, self.name, self.unit, self.total = reporter, name, unit, total
        self.done, self.rejects, self.skipped = 0, 0, 0
        self.in_flight, self.waiting = 0, 0
        self.started = self.moved = time.monotonic()
        self._ended: float | None = None
        self._marks = deque([(self.started, 0)], maxlen=_MARKS)
        reporter.begin(self)

    def taking(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """The tasks, counted as an engine takes them: those that it has and has not given back are in flight."""
        waiting = list(tasks)
        self.waiting = len(waiting)
        for task in waiting:
            self.waiting -= 1
            self.in_flight += 1
            yield task

    def advance(self, count: int, rejects: int = 0) -> None:
        """Some more inputs are through, of which `rejects` did not get in; with `taking`, those of one task."""
        self.done += count
        self.rejects += rejects
        self.in_flight = max(0, self.in_flight - 1)
        self._move()

    def skip(self, count: int) -> None:
        """Some inputs were already done by an earlier run."""
        self.done += count
        self.skipped += count
        self._move()

    def reached(self, done: int, total: int) -> None:
        """So many of so many are through."""
        if (done, total) != (self.done, self.total):
            self.done, self.total = done, total
            self._move()

    def end(self) -> None:
        """The stage is finished; its totals are told and logged."""
        self.total = self.done
        self._ended = time.monotonic()
        self._reporter.end(self)

    def _move(self) -> None:
        self.moved = time.monotonic()
        if self.moved - self._marks[-1][0] >= _MARK_EVERY:
            self._marks.append((self.moved, self.done - self.skipped))
        self._reporter.moved()

    @property
    def ended(self) -> bool:
        """Whether the stage is finished."""
        return self._ended is not None

    @property
    def seconds(self) -> float:
        """How long the stage has run, or ran."""
        return (self._ended or time.monotonic()) - self.started

    @property
    def rate(self) -> float:
        """Inputs a second over the whole stage, without those that were already done."""
        return (self.done - self.skipped) / max(self.seconds, 1e-9)

    @property
    def left(self) -> float | None:
        """Seconds that the stage will still take at the rate of the last while; None where that cannot be told."""
        since, done = self._marks[0]
        recent = (self.done - self.skipped - done) / max(time.monotonic() - since, 1e-9)
        if not self.total or self.ended or recent <= 0:
            return None
        return (self.total - self.done) / recent

    @property
    def stalled(self) -> float | None:
        """Seconds since something came through, where that is unusually long ago."""
        since = time.monotonic() - self.moved
        return since if not self.ended and since >= _STALLED else None

    def note(self) -> str:
        """What there is to say beside done, total and times."""
        told = [rate_told(self.rate)] if self.done > self.skipped else []
        told += [f"{self.skipped:,} already done"] if self.skipped else []
        told += [f"{self.rejects:,} rejected"] if self.rejects else []
        if not self.ended and (self.in_flight or self.waiting):
            told.append(f"{self.in_flight:,} in flight, {self.waiting:,} waiting")
        if self.stalled:
            told.append(f"nothing came through for {duration(self.stalled)}")
        return ", ".join(told)

    def line(self) -> str:
        """The state of the stage in words."""
        of = f" of {self.total:,}" if self.total and self.total != self.done else ""
        text = ", ".join(part for part in (f"{self.name}: {self.done:,}{of} {self.unit}", self.note()) if part)
        return text if self.left is None else f"{text}, {duration(self.left)} left"
