"""Telling how far a build is: bars on a terminal, plain lines elsewhere, and a log of events beside the state."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from medcutmix_pipeline.pipeline.display import Display, LinePace, duration, rate_told
from medcutmix_pipeline.pipeline.machine import Watch
from medcutmix_pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from rich.console import Console

Task = TypeVar("Task")

_TICK = 1.0  # seconds
_LOOK_EVERY = 5.0
_STALLED = 120.0
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


class Reporter:
    """Shows stages on a console and keeps the run log.

    Use as a context manager. The log holds counts and times, nothing of a report and no address.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.timings: dict[str, dict[str, Any]] = {}
        self.busy: Callable[[], str] = str
        self._log: Path | None = None
        self._began, self._began_at = time.monotonic(), time.gmtime()
        self._stages: list[Stage] = []
        self._watch = Watch()
        self._looked = 0.0
        self._pace = LinePace()
        self._left = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True, name="progress")
        self._display = Display(console, lambda: self._stages, self._machine_line)

    def __enter__(self) -> Reporter:
        self._display.start()
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._ticker.join()
        self._display.stop()

    def stage(self, name: str, unit: str, total: int | None = None) -> Stage:
        """Begin a stage that counts `unit`, such as studies."""
        return Stage(self, name, unit, total)

    def say(self, text: str) -> None:
        """One line for the person who waits."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def keep_log(self, path: Path) -> None:
        """From here on, append events to a file."""
        self._log = path

    def log(self, event: str, **facts: Any) -> None:
        """Append an event to the run log."""
        if self._log is not None:
            entry = {"time": _stamp(time.gmtime()), "event": event, **facts}
            with self._log.open("a", encoding="utf-8") as out:
                out.write(json.dumps(entry) + "\n")

    def report(self) -> dict[str, Any]:
        """The run up to now, for `run.json`."""
        self._watch.look()
        return {
            "tool_version": __version__,
            "started": _stamp(self._began_at),
            "seconds": round(time.monotonic() - self._began, 3),
            "stages": self.timings,
            "machine": self._watch.report(),
        }

    def begin(self, stage: Stage) -> None:
        """For stages."""
        self._stages.append(stage)
        self._pace.restart()

    def moved(self) -> None:
        """For stages."""
        if not self._display.live:
            self._tell_if_due()

    def end(self, stage: Stage) -> None:
        """For stages."""
        if not self._display.live:
            self.say(stage.line())
        facts = {"seconds": round(stage.seconds, 3), "done": stage.done, "skipped": stage.skipped}
        facts["rejects"] = stage.rejects
        self.timings[stage.name] = {**facts, "rate": round(stage.rate, 2), "unit": stage.unit}
        self.log("stage", name=stage.name, unit=stage.unit, **facts)

    def _tick(self) -> None:
        """Look at the machine now and then, and tell of a stage also while nothing of it comes through."""
        while not self._left.wait(_TICK):
            if time.monotonic() - self._looked >= _LOOK_EVERY:
                self._watch.look()
                self._looked = time.monotonic()
            if not self._display.live:
                self._tell_if_due()

    def _tell_if_due(self) -> None:
        stage = self._stages[-1] if self._stages else None
        # The last line of a stage is told by `end`.
        if stage and not stage.ended and stage.done != stage.total and self._pace.due():
            machine = self._machine_line()
            self.say(f"{stage.line()} ({machine})" if machine else stage.line())

    def _machine_line(self) -> str:
        use = self._watch.last  # none in the first second: CPU use is told since the look before
        return " · ".join(part for part in (use.line() if use else "", self.busy()) if part)


def _stamp(when: time.struct_time) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", when)
