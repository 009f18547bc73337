"""Faults in builds on Ray: any of its processes killed at random moments, calls of workers that fail, a node lost."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.bench import Bench, LostError, Tally, again, tells_how_to_go_on
from tests.faults.points import KILL, VARIABLE, Fault, as_json
from tests.faults.processes import REPOSITORY, Process, Run, all_gone, wait_until

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from tests.faults.server import Server

_ENVIRONMENT = {"PYTHONPATH": str(REPOSITORY)}
_ON_RAY = ["--engine", "ray", "--workers", "2"]


@dataclass(frozen=True)
class Rays:
    """What trials on Ray share."""

    bench: Bench
    server: Server
    draw: random.Random
    tally: Tally
    orphans: list[Process] = field(default_factory=list)

    def start(self, name: str, *arguments: object, **environment: str) -> Run:
        """A build into an empty folder."""
        out = self.bench.begin(self.bench.folder / name, "nothing")
        return Run([*self.bench.call(out), *_ON_RAY, *arguments], out, **{**_ENVIRONMENT, **environment})

    @contextmanager
    def judged(self, table: str, *kinds: str) -> Iterator[None]:
        """Count each kind of fault as survived, unless a promise is broken in the block."""
        outcome = "survived"
        try:
            yield
        except LostError as why:
            outcome = "lost"
            self.tally.lost.append(f"{table}, {', '.join(kinds)}: {why}")
        for kind in kinds:
            self.tally.count(table, kind, outcome)

    def moment(self, run: Run) -> None:
        """Wait for a moment of a build that is drawn: so many pieces of work done, and up to a second."""
        wanted = self.draw.randint(0, self.pieces - 1)
        wait_until(lambda: run.marks() >= wanted or not run.runs)
        time.sleep(self.draw.random())

    def adopt(self, run: Run) -> None:
        """Note what a killed run leaves running: Ray's agents look only once a minute whether they are still needed."""
        self.orphans.extend(p for p in run.seen.values() if p.lives())

    def orphans_end(self) -> None:
        """Wait for them to end by themselves, at last."""
        with self.judged("processes that a SIGKILL left running", *("ended by themselves" for _ in self.orphans)):
            if not all_gone(self.orphans):
                raise LostError(f"still there: {[p.command for p in self.orphans if p.lives()]}")

    @property
    def pieces(self) -> int:
        """How many pieces of work a build has."""
        return len(list((self.bench.folder / "nothing" / ".build" / "done").iterdir()))


def kill_what_ends_it(rays: Rays, victim: str, number: int) -> None:
    """Kill the driver or the raylet, and build again."""
    run = rays.start(f"{victim}-{number}")
    rays.moment(run)
    with rays.judged("killed at a random moment, on Ray", victim):
        hit = run.kill(victim, rays.draw)
        code = run.wait()
        rays.adopt(run)
        rays.bench.honest(run.out, "after the kill")
        if hit and code == 0:
            rays.bench.whole(run.out, "though it was killed")
        again(rays.bench, rays.server, run.out)


def kill_what_it_outlives(rays: Rays, victims: Sequence[str], number: int) -> None:
    """Kill workers and encoders, one after the other in one build, which completes nevertheless."""
    run = rays.start(f"outliving-{number}")
    hits = []
    for victim in victims:
        rays.moment(run)
        if run.kill(victim, rays.draw):
            hits.append(victim)
    with rays.judged("killed at a random moment, on Ray", *hits):
        completes(rays, run)


def completes(rays: Rays, run: Run) -> None:
    """Raise unless a run ends well, with the very bytes, and leaves no process."""
    if run.wait() != 0:
        raise LostError(f"the build did not outlive it: {run.told.read_text()[-2000:]}")
    rays.bench.whole(run.out, "in the same run")
    if not run.leaves_nothing():
        raise LostError("processes are left")


def fail_in_a_worker(rays: Rays, point: str, action: str, number: int) -> None:
    """Let one call of a worker fail, or end the worker before it."""
    out = rays.bench.folder / f"point-{number}"
    file = out.with_suffix(".fault")
    file.write_text(as_json(Fault(str(out), str(rays.bench.studies), point, 1, action, once=f"{out}.once")))
    path = os.pathsep.join([str(Path(__file__).parent / "site"), str(REPOSITORY)])
    run = rays.start(out.name, **{VARIABLE: str(file), "PYTHONPATH": path})
    table = "worker killed before a call, on Ray" if action == KILL else "calls of a worker that failed, on Ray"
    with rays.judged(table, point):
        if action == KILL:
            completes(rays, run)
        else:
            tells_how_to_go_on(run.wait(), run.told.read_text())
            rays.bench.honest(run.out, "after the error")
            again(rays.bench, rays.server, run.out)
        if not Path(f"{out}.once").exists():
            raise LostError("the point was not reached")


def interrupt(rays: Rays, number: int) -> None:
    """Ctrl-C at a random moment."""
    run = rays.start(f"interrupted-{number}")
    rays.moment(run)
    with rays.judged("interrupted (Ctrl-C), on Ray", "process group"):
        run.interrupt()
        code = run.wait()
        if code != 130 or "run the same command again" not in run.told.read_text():
            raise LostError(f"exit code {code}: {run.told.read_text()[-2000:]}")
        if not run.leaves_nothing():
            raise LostError("processes are left")
        rays.bench.honest(run.out, "after Ctrl-C")
        again(rays.bench, rays.server, run.out)
