"""A node that cannot do the work is told by its name before anything is done, and what to do about it."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import tempfile
from hashlib import sha256
from pathlib import Path

import pytest

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.pipeline.reach import Reached, judge, look, sight, wanted
from medcutmix_pipeline.schemas.config import Config
from tests.builds import SETTINGS, digests, merged, run_cli
from tests.cluster.s3 import S3
from tests.pipeline.test_cluster import free_ports, start_node

SIGN = ".build/sign"


@pytest.fixture
def place(studies, tmp_path):
    """A working folder with the sign in it."""
    out = tmp_path / "out"
    (out / ".build").mkdir(parents=True)
    (out / SIGN).touch()
    return out


def wish(studies, place, **changes):
    return wanted(Config.model_validate({"source": {"kind": "phantom", "root": str(studies)}, **changes}), place, SIGN)


def test_a_node_that_sees_all_is_content(studies, place):
    asked = wish(studies, place)
    assert judge({"10.0.0.1": look(asked), "10.0.0.2": look(asked)}, asked, must_share=True)


def test_a_source_that_is_named_from_here_is_looked_for_there_and_not_where_the_node_runs(
    studies, place, tmp_path, monkeypatch
):
    monkeypatch.chdir(studies.parent)
    asked = wish(studies.name, place)
    monkeypatch.chdir(tmp_path)
    assert judge({"10.0.0.1": look(asked)}, asked, must_share=True)


def test_a_node_without_the_studies_is_named(studies, place, tmp_path, monkeypatch):
    asked = wish(studies, place)
    hidden = studies.rename(studies.with_name("hidden"))
    try:
        absent = look(asked)
        studies.mkdir()
        empty = look(asked)
        studies.rmdir()
    finally:
        hidden.rename(studies)
    for problem, words in ((absent, "No such file"), (empty, "sees another content")):
        with pytest.raises(UsageError, match=rf"^the node 10\.0\.0\.2 .*{words}.*same path on every node"):
            judge({"10.0.0.1": look(asked), "10.0.0.2": problem}, asked, must_share=True)


def test_names_in_the_source_are_not_told_to_tell_it_from_another(studies):
    assert "phantom" not in sight(str(studies))
    assert sight(str(studies)) != sight(str(studies / "images"))


def test_a_node_that_does_not_share_the_output_is_named_where_it_has_to(studies, place):
    asked = wish(studies, place)
    (place / SIGN).unlink()
    told = {"10.0.0.1": Reached(asked.release, True), "10.0.0.2": look(asked)}
    with pytest.raises(UsageError, match=r"the node 10\.0\.0\.2 cannot write to the output .*s3://"):
        judge(told, asked, must_share=True)
    assert judge(told, asked, must_share=False) is False
    (place / SIGN).touch()
    assert judge({"10.0.0.2": look(asked)}, asked, must_share=True)


def test_a_node_without_a_file_that_the_settings_name_is_named(studies, place, tmp_path):
    lexicon = tmp_path / "own.toml"
    asked = wish(studies, place, sentences={"lexicon": str(lexicon)})
    with pytest.raises(UsageError, match=r"10\.0\.0\.2 cannot read .*own\.toml, which sentences\.lexicon names"):
        judge({"10.0.0.2": look(asked)}, asked, must_share=True)


def test_many_nodes_are_counted_and_other_releases_told(studies, place):
    asked = wish(studies, place)
    told = {f"10.0.0.{n}": Reached("0.0.9", True) for n in range(1, 7)}
    with pytest.raises(UsageError, match=r"the nodes 10\.0\.0\.1, 10\.0\.0\.2, 10\.0\.0\.3 and 3 more have another"):
        judge(told, asked, must_share=True)


@pytest.fixture
def cluster():
    """The head of a cluster, how to add a node that sees an empty folder in the place of another, and how to join."""
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this kernel lets nobody make namespaces, so that no node can be given other mounts")
    folder = tempfile.mkdtemp(dir="/tmp")  # paths of sockets have to be short
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    [port] = free_ports(1)
    head = ["--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false"]
    nodes = []

    def without(hidden):
        script = f'mount -t tmpfs none "{hidden}" && exec "$@"'
        within = ["unshare", "-rm", "bash", "-c", script, "bash"]
        nodes.append(start_node([f"--address=127.0.0.1:{port}"], environment, within))
        return nodes[-1]

    try:
        nodes.append(start_node(head, environment))
        yield f"127.0.0.1:{port}", environment, without
    finally:
        for node in reversed(nodes):
            end(node)
        shutil.rmtree(folder, ignore_errors=True)


def end(node):
    node.terminate()
    node.communicate(timeout=60)


@pytest.mark.slow
def test_a_real_node_that_mounts_nothing_stops_the_build_before_it_begins(studies, cluster, tmp_path):
    address, environment, without = cluster
    out = tmp_path / "shared" / "dataset"
    out.parent.mkdir()
    for hidden, words in ((studies, "sees another content in the source"), (out.parent, "cannot write to the output")):
        node = without(hidden)
        call = ("--source", "phantom", "--root", studies, "--out", out, "--ray-address", address)
        result = run_cli("build", *call, **environment)
        assert result.returncode == 2, result.stdout + result.stderr
        assert words in result.stderr
        assert not (out / "shards").exists()
        end(node)


@pytest.mark.slow
def test_into_an_object_store_nodes_that_share_nothing_make_the_bytes_of_one_process(studies, built, cluster, tmp_path):
    address, environment, without = cluster
    work = tmp_path / "driver" / "work"
    work.parent.mkdir()
    without(work.parent)
    settings = tmp_path / "settings.yaml"
    settings.write_text(json.dumps(merged(SETTINGS, engine={"kind": "ray"})))
    server = S3()
    try:
        bucket = server.bucket("apart")
        call = ("--source", "phantom", "--root", studies, "--out", f"s3://{bucket}", "--work", work)
        result = run_cli("build", settings, *call, "--ray-address", address, **environment, **server.environment())
        assert result.returncode == 0, result.stdout + result.stderr
        assert "files travel" in result.stdout
        objects = server.objects(bucket)
    finally:
        server.close()
    made = {n: sha256(c).hexdigest() for n, c in objects.items() if not n.startswith(".build/") and n != "run.json"}
    assert made == digests(built)
    assert not list(Path(tempfile.gettempdir()).glob("medcutmix-pipeline-work-*"))
