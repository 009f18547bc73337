"""A node of a cluster is lost in the middle of a build: all of its processes at once, as when the power fails."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.on_ray import Rays, completes
from tests.faults.processes import REPOSITORY, Process, Run, descendants, wait_until
from tests.pipeline.test_cluster import free_ports, start_node

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

# A node that does not answer is given up after a second or two, so that nobody has to wait for half a minute.
_WATCHFUL = {"RAY_health_check_period_ms": "500", "RAY_health_check_timeout_ms": "2000"}


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
def nodes(more: int) -> Iterator[Nodes]:
    """A cluster with a token of its own, ended by ending the processes that were started here."""
    folder = tempfile.mkdtemp(dir="/tmp")  # paths of sockets have to be short
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16), "PYTHONPATH": path, **_WATCHFUL}
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
