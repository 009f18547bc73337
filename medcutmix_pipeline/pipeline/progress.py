"""Telling how far a build is: bars on a terminal, plain lines elsewhere, and a log of events beside the state."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.pipeline.display import Display, LinePace
from medcutmix_pipeline.pipeline.failing_at import failing_at
from medcutmix_pipeline.pipeline.machine import Watch
from medcutmix_pipeline.pipeline.stage_progress import Stage
from medcutmix_pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

_TICK = 1.0  # seconds
_LOOK_EVERY = 5.0


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
            with failing_at(self._log), self._log.open("a", encoding="utf-8") as out:
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
