"""A Ray that runs already gives the bytes of one process, by every way to name it, and runs on afterwards."""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.builds import SETTINGS, digests, merged, run_build, run_cli
from tests.pipeline import fitted_once, manifests

REPOSITORY = Path(__file__).resolve().parents[2]
CHANGES = {
    "source": {"kind": "manifest"},
    "attention": {"encoder": fitted_once.NAME},
    "shards": {"samples_per_shard": 12, "image_size": 40},
    "ingest": {"studies_per_part": 10},
}


@dataclass(frozen=True)
class Cluster:
    """A cluster of this test's own: its addresses, and what a process needs in its environment to be let in."""

    address: str
    client: str
    environment: dict[str, str]
    head: subprocess.Popen


@pytest.fixture(scope="module")
def encoder(built):
    """An encoder that was really fitted, once for all of these builds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(fitted_once.FOLDER, str(built / "encoder"))
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus") / "studies"
    manifests.write_corpus(root)
    return root


@pytest.fixture(scope="module")
def reference(corpus, encoder, tmp_path_factory):
    """What one process makes of the corpus, beside a lexicon of the user's own."""
    out = tmp_path_factory.mktemp("reference") / "out"
    lexicon = out.with_name("own.toml")
    lexicon.write_text('[[findings]]\nname = "Intact Thorax"\nterms = ["bony thorax"]\n')
    run_build(corpus, out, sentences={"lexicon": str(lexicon)}, **CHANGES)
    return out


@pytest.fixture(autouse=True)
def beside_the_lexicon(reference, monkeypatch):
    """Builds name the lexicon by a relative path; workers of a cluster run elsewhere."""
    monkeypatch.chdir(reference.parent)


@pytest.fixture(scope="module")
def cluster(encoder):
    """A cluster of two nodes, with a token of its own; ended by ending the processes that were started here."""
    folder = tempfile.mkdtemp(dir="/tmp")  # paths of sockets have to be short
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(16),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]),
    }
    port, client = free_ports(2)
    nodes = []
    try:
        head = ["--head", f"--port={port}", f"--ray-client-server-port={client}", f"--temp-dir={folder}"]
        nodes.append(start_node([*head, "--include-dashboard=false"], environment))
        nodes.append(start_node([f"--address=127.0.0.1:{port}"], environment))
        yield Cluster(f"127.0.0.1:{port}", f"ray://127.0.0.1:{client}", environment, nodes[0])
    finally:
        for node in reversed(nodes):
            node.terminate()
            node.communicate(timeout=60)
        shutil.rmtree(folder)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


def start_node(arguments, environment, within=()):
    """A node of one CPU that lives as long as its process."""
    command = [*within, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", *arguments]
    command += ["--object-store-memory=100000000", "--disable-usage-stats"]
    node = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        cwd=REPOSITORY,
    )
    told = []
    for line in node.stdout:
        told.append(line)
        if "Ray runtime started" in line:
            return node
    node.wait()
    pytest.fail("no Ray could be started here: " + "".join(told[-5:]))


def build(corpus, out, *arguments, **environment):
    settings = out.with_suffix(".yaml")
    settings.write_text(
        json.dumps(merged(SETTINGS, **CHANGES, engine={"kind": "ray"}, sentences={"lexicon": "own.toml"}))
    )
    call = ("build", settings, "--root", corpus, "--out", out, *arguments)
    return run_cli(*call, **{"PYTHONPATH": str(REPOSITORY), **environment})


WAYS = {
    "host and port": lambda cluster: (cluster.address, {}),
    "auto": lambda cluster: ("auto", {"RAY_ADDRESS": cluster.address}),
    "Ray client": lambda cluster: (cluster.client, {}),
}


# Ray's own client server hangs at a fork about once in some twenty starts, and a second try costs half a minute: these
# are among the slow extras.
@pytest.mark.parametrize(
    "way", ["host and port", *(pytest.param(way, marks=pytest.mark.slow) for way in ("auto", "Ray client"))]
)
def test_a_cluster_gives_the_bytes_of_one_process_and_runs_on(corpus, reference, cluster, tmp_path, way):
    address, variables = WAYS[way](cluster)
    result = build(corpus, tmp_path / "out", "--ray-address", address, **cluster.environment, **variables)
    assert result.returncode == 0, result.stderr
    assert f"Ray at {address}: 2 CPUs" in result.stdout
    assert digests(tmp_path / "out") == digests(reference)
    assert cluster.head.poll() is None


@pytest.mark.slow
def test_without_an_address_the_build_has_a_ray_of_its_own(corpus, reference, cluster, tmp_path):
    out = tmp_path / "out"
    result = build(corpus, out, "--workers", "1", RAY_ADDRESS=cluster.address, **cluster.environment)
    assert result.returncode == 0, result.stderr
    assert "a local Ray: 1 CPUs" in result.stdout
    assert digests(out) == digests(reference)


@pytest.mark.slow
def test_a_cluster_that_runs_another_release_is_a_mistake(corpus, cluster, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(REPOSITORY / "medcutmix_pipeline", other / "medcutmix_pipeline")
    version = other / "medcutmix_pipeline" / "version.py"
    version.write_text(version.read_text().replace('__version__ = "', '__version__ = "99.'))
    variables = {**cluster.environment, "PYTHONPATH": f"{other}{os.pathsep}{REPOSITORY}"}
    call = ("--set", "attention.encoder=fit", "--ray-address", cluster.client)
    settings = tmp_path / "out.yaml"
    settings.write_text(
        json.dumps(merged(SETTINGS, **CHANGES, engine={"kind": "ray"}, sentences={"lexicon": "own.toml"}))
    )
    # `-P` keeps the working directory, and with it this release, out of the way.
    command = [sys.executable, "-P", "-m", "medcutmix_pipeline", "build", settings, "--root", corpus]
    result = subprocess.run(
        [*map(str, command), "--out", str(tmp_path / "out"), *call],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "500", **variables},
        check=False,
        timeout=300,
    )
    assert result.returncode == 2, result.stderr
    assert "another medcutmix-pipeline" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_ray_that_the_process_has_joined_before_is_used_and_left_running(corpus, reference, tmp_path, monkeypatch):
    import ray

    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        _, told = run_build(
            corpus, tmp_path / "out", engine={"kind": "ray"}, sentences={"lexicon": "own.toml"}, **CHANGES
        )
        assert ray.is_initialized()
    finally:
        ray.shutdown()
    assert "the Ray of this process: 1 CPUs" in told
    assert digests(tmp_path / "out") == digests(reference)
