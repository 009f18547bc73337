"""Processes and their descendants, read from /proc, and builds on Ray whose processes are killed one by one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Sequence

REPOSITORY = Path(__file__).resolve().parents[2]
_PATIENCE = 300.0  # seconds; a slow machine is no failure
_HELPERS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent", "ray::IDLE", "ray::EncoderActor")


@dataclass(frozen=True)
class Process:
    """A process; `started` tells it from a later one with the same number."""

    pid: int
    parent: int
    started: int
    command: str

    def lives(self) -> bool:
        """Whether it still runs; what only waits for its parent to take note does not."""
        now = _look(self.pid)
        return now is not None and now.started == self.started

    def send(self, number: int) -> None:
        """Send a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send(signal.SIGKILL)


def _look(pid: int) -> Process | None:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    state, parent, *rest = status.rpartition(")")[2].split()
    if state in "ZX":
        return None
    return Process(pid, int(parent), int(rest[17]), command.replace(b"\0", b" ").decode(errors="replace").strip())


def descendants(pid: int) -> list[Process]:
    """All processes below one, itself left out."""
    everyone = [found for p in Path("/proc").iterdir() if p.name.isdigit() and (found := _look(int(p.name)))]
    below, front = [], {pid}
    while front:
        children = [p for p in everyone if p.parent in front]
        below += children
        front = {p.pid for p in children}
    return below


def wait_until(true: Callable[[], bool], patience: float = _PATIENCE) -> bool:
    """Wait for something to become true; whether it did."""
    end = time.monotonic() + patience
    while not (holds := true()) and time.monotonic() < end:
        time.sleep(0.02)
    return holds


def all_gone(processes: Iterable[Process], patience: float = _PATIENCE) -> bool:
    """Whether all of these end."""
    left = list(processes)
    return wait_until(lambda: not any(p.lives() for p in left), patience)


VICTIMS: dict[str, Callable[[Process], bool]] = {
    "worker": lambda p: p.command.startswith("ray::") and not p.command.startswith(_HELPERS),
    "encoder actor": lambda p: p.command.startswith("ray::EncoderActor"),
    "raylet": lambda p: p.command.split(" ")[0].endswith("/raylet"),
}


class Run:
    """A build in a process group of its own, as a shell would start it."""

    def __init__(self, arguments: Sequence[object], out: Path, **environment: str) -> None:
        self.out = out
        self.told = out.with_suffix(".log")
        self._log = self.told.open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "medcutmix_pipeline", *map(str, arguments)],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1", **environment},
            start_new_session=True,
            preexec_fn=_hear_interrupts,
        )
        self.seen: dict[int, Process] = {}

    @property
    def runs(self) -> bool:
        """Whether the driver still runs."""
        return self._process.poll() is None

    def marks(self) -> int:
        """How many pieces of work are marked done."""
        return sum(1 for _ in (self.out / ".build" / "done").glob("*.json"))

    def below(self) -> list[Process]:
        """The processes that it has started and that run now; all ever seen are remembered."""
        now = descendants(self._process.pid)
        self.seen.update({p.pid: p for p in now})
        return now

    def kill(self, victim: str, draw: random.Random) -> bool:
        """Kill one process of a kind, waiting for one to come; False where the build ended before."""
        if victim == "driver":
            self.below()
            self._process.kill()
            return True
        found: list[Process] = []

        def comes() -> bool:
            found[:] = [p for p in self.below() if VICTIMS[victim](p)]
            return bool(found) or not self.runs

        wait_until(comes)
        if not found or not self.runs:
            return False
        draw.choice(found).kill()
        return True

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to the whole process group."""
        self.below()
        os.killpg(self._process.pid, signal.SIGINT)

    def wait(self) -> int:
        """The exit code, negative for a signal; processes that come meanwhile are remembered."""
        while self.runs:
            self.below()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=0.2)
        self._log.close()
        return self._process.returncode

    def leaves_nothing(self) -> bool:
        """Whether every process that was ever seen below it ends."""
        return all_gone(self.seen.values())


def _hear_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs this in its background ignores it
