"""The clusters of docker/, run on this machine: their very commands, with its addresses and folders."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.builds import digests
from tests.cluster.deployments import DOCKER, REPOSITORY, load

pytestmark = pytest.mark.slow

SMALL = {
    "attention.fit.image_size": 64, "attention.fit.steps": 12, "attention.fit.batch": 16, "attention.fit.width": 16,
    "attention.fit.networks": 1, "attention.fit.threads": 1, "shards.samples_per_shard": 40, "shards.image_size": 96,
    "splits.train": 0.7, "splits.validate": 0.3, "ingest.studies_per_part": 32,
}  # fmt: skip
SETTINGS = " ".join(f"--set {name}={value}" for name, value in SMALL.items())


@pytest.fixture
def tools(tmp_path):
    """A folder of programs that comes first on the path: this Python's, and what stands in for those of a cluster."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = Path(sys.executable).parent

    def program(name, text):
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)

    # Whatever calls a build here gets small settings.
    program(
        "medcutmix-pipeline", f'exec {sys.executable} -m medcutmix_pipeline "$@" $([ "$1" = build ] && echo {SETTINGS})'
    )
    program("ray", f'exec {scripts}/ray "$@"')
    return folder, program


@pytest.fixture
def environment(tools):
    """A token of this cluster's own, and a folder for it whose path is short, as sockets want it."""
    folder = tempfile.mkdtemp(dir="/tmp")
    yield {
        **os.environ,
        "PATH": f"{tools[0]}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPOSITORY),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(16),
        "RAY_TMPDIR": folder,
        "RAY_object_store_memory": "100000000",
    }
    shutil.rmtree(folder, ignore_errors=True)


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def run(command, environment, **options):
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False, **options)


def test_the_commands_of_compose_build_the_bytes_of_one_process(studies, built, environment, tmp_path):
    [compose] = load("compose.yaml")
    port = free_port()
    told = {"head:6379": f"127.0.0.1:{port}", "localhost:6379": f"127.0.0.1:{port}", "--port=6379": f"--port={port}"}
    told |= {
        "/data/studies": str(studies),
        "/work": str(tmp_path / "work"),
        "--dashboard-host=0.0.0.0": "--include-dashboard=false",
    }
    told |= {"--ray-address auto": f"--ray-address 127.0.0.1:{port}"}

    def here(command):
        text = command if isinstance(command, str) else shlex.join(command)
        for theirs, ours in told.items():
            text = text.replace(theirs, ours)
        return text

    services = compose["services"]
    nodes = []

    def start(service):
        command = ["bash", "-c", f"exec {here(services[service]['command'])}"]
        nodes.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT))

    try:
        start("head")
        health = [here(word) for word in services["head"]["healthcheck"]["test"][1:]]
        for _ in range(60):
            if run(health, environment).returncode == 0:
                break
            time.sleep(1)
        start("worker")
        # In a container the node from which the build is driven ends with it; here it is told to.
        node, build = here(services["build"]["command"][2]).split(" && exec ")
        nodes.append(subprocess.Popen([*shlex.split(node), "--block"], env=environment, stdout=subprocess.DEVNULL))
        for _ in range(60):
            if run(["ray", "status", f"--address=127.0.0.1:{port}"], environment).stdout.count("node_") >= 3:
                break
            time.sleep(1)
        result = run(["bash", "-c", f"exec {build}"], environment)
        assert result.returncode == 0, result.stdout + result.stderr
    finally:
        for node in reversed(nodes):
            node.send_signal(signal.SIGTERM)
            node.wait(timeout=60)
    assert digests(tmp_path / "work" / "dataset") == digests(built)


def test_the_slurm_script_builds_the_bytes_of_one_process_and_leaves_nothing_running(
    studies, built, tools, environment, tmp_path
):
    _, program = tools
    program("scontrol", 'printf "%s\\n" node1 node2')
    # What follows the options and the node's name is what Slurm would run there.
    program(
        "srun", 'while [ "$1" != -w ]; do shift; done; shift 2; [ "$1" = hostname ] && exec echo 127.0.0.1; exec "$@"'
    )
    environment |= {
        "SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NODELIST": "node[1-2]", "SLURM_CPUS_PER_TASK": "1",
        "STUDIES": str(studies), "OUTPUT": str(tmp_path / "dataset"), "SOURCE": "phantom", "PORT": str(free_port()),
    }  # fmt: skip
    try:
        result = run([DOCKER / "slurm.sh"], environment, start_new_session=True)
    finally:
        shutil.rmtree(f"/tmp/medcutmix-{os.getpid()}", ignore_errors=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 CPUs" in result.stdout
    assert digests(tmp_path / "dataset") == digests(built)
    assert not [
        line
        for line in run(["ps", "-eo", "args"], environment).stdout.splitlines()
        if f"medcutmix-{os.getpid()}" in line
    ]
