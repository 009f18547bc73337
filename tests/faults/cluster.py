"""Faults that need a cluster: a node is lost, as when the power fails; a worker outlives its build.

A Ray that a build has started for itself ends with it, SIGKILL or not; one that was there before goes on.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.builds import digests
from tests.faults.bench import OTHER, LostError, again
from tests.faults.on_ray import Rays, completes
from tests.faults.processes import REPOSITORY, VICTIMS, Process, Run, all_gone, descendants, wait_until
from tests.pipeline.test_cluster import free_ports, start_node

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A node that does not answer is given up after a second or two, so that nobody has to wait for half a minute.
_WATCHFUL = {"RAY_health_check_period_ms": "500", "RAY_health_check_timeout_ms": "2000"}
_AWAKE_S = 5.0
"""How long a worker that nobody waits for may go on with its work, before Ray is let to end it."""


@dataclass
class Nodes:
    """A head and more nodes of one CPU each."""

    address: str
    environment: dict[str, str]
    more: list[subprocess.Popen[str]]

    def add(self) -> None:
        """Start one more node."""
        self.more.append(start_node([f"--address={self.address}"], self.environment))

    def lose(self) -> list[Process]:
        """Kill all processes of the node that was started last; returns them."""
        node = self.more.pop()
        lost = descendants(node.pid)
        node.kill()
        for process in lost:
            process.kill()
        node.communicate()
        return lost


@contextmanager
def nodes(more: int, watch: dict[str, str] = _WATCHFUL) -> Iterator[Nodes]:
    """A cluster with a token of its own, ended by ending the processes that were started here."""
    folder = tempfile.mkdtemp(dir="/tmp")  # paths of sockets have to be short
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "PYTHONPATH": path, **watch}
    port, client = free_ports(2)
    arguments = ["--head", f"--port={port}", f"--ray-client-server-port={client}", f"--temp-dir={folder}"]
    head = start_node([*arguments, "--include-dashboard=false"], environment)
    cluster = Nodes(f"127.0.0.1:{port}", environment, [])
    try:
        for _ in range(more):
            cluster.add()
        yield cluster
    finally:
        for node in [*cluster.more, head]:
            node.terminate()
            node.communicate(timeout=120)
        shutil.rmtree(folder, ignore_errors=True)


def lose_a_node(rays: Rays, times: int = 2) -> None:
    """Lose a node in a build over three, which completes nevertheless; again after another node has joined."""
    with nodes(2) as cluster:
        for number in range(times):
            out = rays.bench.begin(rays.bench.folder / f"cluster-{number}", "nothing")
            arguments = [*rays.bench.call(out), "--engine", "ray", "--ray-address", cluster.address]
            run = Run(arguments, out, **cluster.environment)
            wanted = rays.draw.randint(1, rays.pieces - 2)
            wait_until(lambda run=run, wanted=wanted: run.marks() >= wanted or not run.runs)
            with rays.judged("killed at a random moment, on three nodes", "node with all of its processes"):
                cluster.lose()
                completes(rays, run)
            cluster.add()


def outlive(rays: Rays) -> None:
    """A worker sleeps while its driver is killed and another build completes; then it wakes up and goes on.

    The raylet sleeps longer: it would end the worker as soon as it saw that its driver is gone.
    """
    with nodes(0, watch={}) as cluster:
        out = rays.bench.begin(rays.bench.folder / "outlived", "nothing")
        run = Run(
            [*rays.bench.call(out), "--engine", "ray", "--ray-address", cluster.address], out, **cluster.environment
        )
        wanted = rays.draw.randint(0, 3)
        wait_until(lambda: run.marks() >= wanted or not run.runs)
        with rays.judged("worker that outlives its build, on a cluster", "stopped in the middle of its work"):
            sleeper, raylet = (_asleep(VICTIMS[kind], run) for kind in ("worker", "raylet"))
            run.kill("driver", rays.draw)
            run.wait()
            try:
                _wakes_in_vain(rays, out, sleeper)
            finally:
                raylet.send(signal.SIGCONT)
            if not all_gone([sleeper]):
                raise LostError("the worker stays")
            again(rays.bench, rays.server, out)


def _asleep(wanted: Callable[[Process], bool], run: Run) -> Process:
    """Stop a process of this kind in its tracks, waiting for one to come."""
    found: list[Process] = []
    wait_until(lambda: bool(found.extend(filter(wanted, descendants(os.getpid()))) or found) or not run.runs)
    if not found:
        raise LostError("there was nothing to be stopped")
    found[0].send(signal.SIGSTOP)
    return found[0]


def _wakes_in_vain(rays: Rays, out: Path, sleeper: Process) -> None:
    """Raise unless nothing of another build's changes when the worker wakes up."""
    rays.server.run(rays.bench.call(out, **OTHER), rays.bench.folder / "outlived.log")
    before = _everything(out)
    if not sleeper.lives():
        raise LostError("the worker was ended in its sleep, so that nothing was tried")
    sleeper.send(signal.SIGCONT)
    wait_until(lambda: not sleeper.lives(), _AWAKE_S)
    if digests(out) != rays.bench.other or _everything(out) != before:
        raise LostError("the worker has changed what another build made")


def _everything(out: Path) -> dict[str, int]:
    """Every file below, `.build` included, with its time of change."""
    return {str(p.relative_to(out)): p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
