"""Faults in a build in one process: SIGKILL and failing calls at each point that it reaches, and a full disk."""

from __future__ import annotations

import queue
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.bench import Bench, LostError, Start, Tally, disturbed, ended
from tests.faults.points import KILL, Fault
from tests.faults.server import Server, served

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

ERRORS = {"fsync": "EIO", "rename": "EIO", "read": "EIO", "create": "ENOSPC", "write": "ENOSPC"}
"""Which error the calls of each kind are given."""


@dataclass(frozen=True)
class Trial:
    """One fault in one build."""

    start: Start
    point: str
    nth: int
    action: str

    @property
    def operation(self) -> str:
        """The kind of call."""
        return self.point.partition(" ")[0]


def trials(bench: Bench, draw: random.Random) -> list[Trial]:
    """A SIGKILL at every point, then an error where calls can fail; at which time, and over what, is drawn."""
    points = sorted(set().union(*(start.reached for start in bench.starts)))
    made = []
    for point in points:
        actions = [KILL, *([ERRORS[operation]] if (operation := point.partition(" ")[0]) in ERRORS else [])]
        for action in actions:
            start = draw.choice([s for s in bench.starts if s.reached[point]])
            made.append(Trial(start, point, draw.randint(1, start.reached[point]), action))
    draw.shuffle(made)
    return sorted(made, key=lambda trial: trial.action != KILL)


def run(bench: Bench, chosen: Iterable[Trial], tally: Tally, jobs: int) -> None:
    """Carry out trials, some at a time."""
    with ExitStack() as stack:
        servers: queue.Queue[Server] = queue.Queue()
        for _ in range(jobs):
            servers.put(stack.enter_context(served()))

        def one(numbered: tuple[int, Trial]) -> None:
            number, trial = numbered
            server = servers.get()
            try:
                _one(bench, server, trial, bench.folder / f"trial-{number}", tally)
            finally:
                servers.put(server)

        with ThreadPoolExecutor(jobs) as threads:
            list(threads.map(one, enumerate(chosen)))


def _one(bench: Bench, server: Server, trial: Trial, out: Path, tally: Tally) -> None:
    fault = Fault(str(out), str(bench.studies), trial.point, trial.nth, trial.action)
    table = "driver killed before a call" if trial.action == KILL else "calls that failed"
    try:
        hit = disturbed(bench, server, out, trial.start.name, fault=vars(fault))
    except LostError as why:
        tally.lost.append(f"{trial.action} at {trial.point} ({trial.nth}), over {trial.start.name}: {why}")
        tally.count(table, trial.operation, "lost")
        return
    tally.count(table, trial.operation, "survived" if hit else "made up for")
    tally.points.add(trial.point)
    shutil.rmtree(out)


def disk_full(bench: Bench, tries: int, draw: random.Random, tally: Tally) -> None:
    """Let the disk run full after more and more of the build; where none can be mounted, limit the size of files."""
    need = sum(p.stat().st_blocks * 512 for p in (bench.folder / bench.starts[0].name).rglob("*"))
    mounted = bench.folder / "disk"
    mounted.mkdir()
    table, prefix = "disk full", ["unshare", "-rm", "sh", "-c", _MOUNT, "sh", str(mounted)]
    if not _can_mount():
        table, prefix = "file size limited, since nothing can be mounted here", []
    with served(prefix) as server:
        for number in range(tries):
            share = (number + draw.random()) / tries
            try:
                fill = _on_small_disk if prefix else _with_small_files
                hit = fill(bench, server, mounted, int(share * need))
            except LostError as why:
                tally.lost.append(f"{table} at {share:.0%} of the build: {why}")
                tally.count(table, "build", "lost")
            else:
                tally.count(table, "build", "survived" if hit else "made up for")


_MOUNT = 'mount -t tmpfs -o size=64m none "$1" && shift && exec "$@"'


def _can_mount() -> bool:
    try:
        tried = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _on_small_disk(bench: Bench, server: Server, mounted: Path, room: int) -> bool:
    disk = Path(f"/proc/{server.pid}/root{mounted}")  # nobody else sees what the server has mounted
    shutil.rmtree(disk / "full", ignore_errors=True)
    filler, free = disk / "filler", shutil.disk_usage(disk).free
    with filler.open("wb") as out:
        for _ in range(max(0, free - room) // 4096):
            out.write(bytes(4096))
    return ended(bench, server, disk / "full", mounted / "full", mend=filler.unlink)


def _with_small_files(bench: Bench, server: Server, mounted: Path, most: int) -> bool:
    return disturbed(bench, server, mounted / "small", bench.starts[0].name, largest_file=most // 20)
