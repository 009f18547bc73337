"""What docker/ and the page on clusters tell people to run is accepted by what they run it with, and fits together."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys

import click
import pytest
import ray.scripts.scripts
import typer.main
from ray.autoscaler._private.util import prepare_config, validate_config

from medcutmix_pipeline.cli import app
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.version import __version__
from tests.cluster.deployments import DOCKER, DOCS, REPOSITORY, commands, load, stages, steps

PINS = dict(line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().splitlines() if "==" in line)
GROUPS = {"medcutmix-pipeline": typer.main.get_command(app), "ray": ray.scripts.scripts.cli}


@pytest.mark.parametrize(("where", "call"), [pytest.param(w, c, id=f"{w}: {' '.join(c[:3])}") for w, c in commands()])
def test_every_command_and_option_exists(where, call):
    group = GROUPS[call[0]]
    command = group.get_command(click.Context(group), call[1])
    assert command is not None
    if isinstance(command, click.Group):
        return
    known = {name for option in command.params for name in option.opts}
    for word in call[2:]:
        if word == "--":
            break
        if word.startswith("--"):
            assert word.split("=")[0] in known, f"{where}: {word}"


def test_the_builds_among_them_name_settings_and_places_that_a_build_accepts():
    builds = [call for _, call in commands() if call[:2] == ["medcutmix-pipeline", "build"]]
    assert len(builds) >= 4
    for call in builds:
        for setting in (word for before, word in itertools.pairwise(call) if before == "--set"):
            assert _has(Config, setting.split("=")[0].split("."))
        if any(word.startswith("s3://") and before == "--out" for before, word in itertools.pairwise(call)):
            assert "--work" in call


def test_images_hold_the_tested_versions_and_run_as_nobody_in_particular():
    for target in ("cpu", "gpu"):
        installs = [rest for word, rest in steps(f"install-{target}") if word == "RUN" and "pip install" in rest]
        assert installs
        assert all("-c constraints.txt" in rest for rest in installs)
        assert f"COPY --from=install-{target} /opt/venv /opt/venv" in (DOCKER / "Dockerfile").read_text()
        users = [rest for word, rest in steps(target) if word == "USER"]
        assert users == ["1000"]
    copied = {name for word, rest in steps("install-cpu") if word == "COPY" for name in rest.split()[:-1]}
    kept = {line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == kept
    assert all((REPOSITORY / name).exists() for name in copied)
    [python] = re.findall(r"^ARG PYTHON=(\S+)", (DOCKER / "Dockerfile").read_text(), re.M)
    assert tuple(map(int, python.split("."))) >= (3, 11)
    assert stages()["install-cpu"]["arguments"]["TORCH_INDEX"].startswith("https://download.pytorch.org/")


def test_all_files_name_the_same_image_and_ray():
    images = {i for path in DOCKER.iterdir() for i in re.findall(r"medcutmix-pipeline:[\w.-]+", path.read_text())}
    assert images == {f"medcutmix-pipeline:{__version__}", f"medcutmix-pipeline:{__version__}-gpu"}
    [job] = load("kuberay.yaml")
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == PINS["ray"]


def test_in_compose_every_node_sees_the_same_places_and_lets_only_those_with_the_token_in():
    [compose] = load("compose.yaml")
    services = compose["services"]
    assert set(services) == {"head", "worker", "studies", "build"}
    for service in services.values():
        assert service["volumes"] == services["head"]["volumes"]
        assert service["environment"]["RAY_AUTH_MODE"] == "token"
        assert "RAY_AUTH_TOKEN" in service["environment"]
    assert {volume.split(":-")[1].split("}")[0] for volume in services["head"]["volumes"]} == set(compose["volumes"])
    paths = {volume.rpartition(":")[2] for volume in services["head"]["volumes"]}
    build = " ".join(services["build"]["command"])
    for place in re.findall(r"--(?:root|out) (\S+)", build):
        assert any(place.startswith(path) for path in paths)
    assert services["build"]["environment"]["MEDCUTMIX_KEY_FILE"] == f"/run/secrets/{services['build']['secrets'][0]}"
    assert services["build"]["secrets"] == list(compose["secrets"])
    assert services["worker"]["depends_on"]["head"]["condition"] == "service_healthy"
    assert services["head"]["healthcheck"]["test"][1:3] == ["ray", "health-check"]


def test_in_kubernetes_every_pod_has_the_volumes_it_mounts_and_only_the_head_has_the_key():
    [job] = load("kuberay.yaml")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    head = cluster["headGroupSpec"]
    made = set(re.findall(r"kubectl create secret generic (\S+)", (DOCKER / "kuberay.yaml").read_text()))
    named = set()
    for group in (head, *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        [container] = pod["containers"]
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts.keys() == volumes.keys()
        assert ("keys" in mounts) == (group is head)
        assert pod["securityContext"]["runAsUser"] == 1000
        assert container["resources"]["requests"] == container["resources"]["limits"]
        named |= {container["envFrom"][0]["secretRef"]["name"]}
        named |= {volume["secret"]["secretName"] for volume in volumes.values() if "secret" in volume}
        environment = {e["name"]: e["value"] for e in container["env"]}
        assert ("MEDCUTMIX_KEY_FILE" in environment) == (group is head)
        assert "AWS_DEFAULT_REGION" in environment
        if group is head:
            assert environment["MEDCUTMIX_KEY_FILE"].startswith(mounts["keys"])
    assert named == made
    entrypoint = job["spec"]["entrypoint"]
    [work] = re.findall(r"--work (\S+)", entrypoint)
    assert work.startswith("/work/")
    assert entrypoint.endswith("--ray-address auto")


def test_ray_up_accepts_its_cluster():
    [cluster] = load("ray-up.yaml")
    validate_config(prepare_config(cluster))


def test_the_slurm_script_is_bash_and_asks_for_what_it_needs():
    script = DOCKER / "slurm.sh"
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(script, os.X_OK)
    for missing in ("STUDIES", "OUTPUT", "SLURM_JOB_ID"):
        given = {"STUDIES": "/s", "OUTPUT": "/o", "SLURM_JOB_ID": "1", "PATH": os.environ["PATH"]}
        given.pop(missing)
        told = subprocess.run([script], env=given, capture_output=True, text=True, check=False)
        assert told.returncode != 0
        assert missing in told.stderr


@pytest.fixture
def slurm(tmp_path):
    """A folder of programs that stand in for Slurm's on one node, and the environment of a job there."""
    tools = tmp_path / "bin"
    tools.mkdir()

    def program(name, text):
        (tools / name).write_text(f"#!/bin/bash\n{text}\n")
        (tools / name).chmod(0o755)

    program("scontrol", "echo node1")
    program("srun", '[[ "$*" == *hostname* ]] && exec echo 127.0.0.1; while [ "$1" != ray ]; do shift; done; exec "$@"')
    job = {"STUDIES": "/s", "OUTPUT": "/o", "SLURM_JOB_ID": "1", "SLURM_JOB_NODELIST": "node1"}
    return program, {**job, "PATH": f"{tools}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("head", "patience"),
    [
        pytest.param("exit 1", "300", id="it ends at once"),
        pytest.param("exec sleep 300", "0", id="it does not answer in time"),
    ],
)
def test_a_slurm_job_whose_head_does_not_start_ends_and_says_so(slurm, head, patience):
    program, environment = slurm
    program("ray", f'[ "$1" = health-check ] && exit 1; {head}')
    environment["HEAD_PATIENCE"] = patience
    told = subprocess.run(
        [DOCKER / "slurm.sh"], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert told.returncode == 1
    assert "no Ray answers on node1 (127.0.0.1:6379)" in told.stderr


def test_the_page_names_files_that_there_are():
    for name in re.findall(r"docker/[\w.-]+", DOCS.read_text()):
        ignored = f"/{name}" in (REPOSITORY / ".gitignore").read_text().splitlines()  # what people make there
        assert ignored or (REPOSITORY / name).exists(), name


def _has(section, path):
    field = section.model_fields.get(path[0])
    if field is None:
        return False
    return len(path) == 1 or _has(field.annotation, path[1:])


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_the_images_installation_works_in_a_fresh_environment(target, tmp_path):
    """No container engine is at hand: the steps of the image, in a folder in place of its file system."""
    source, venv = tmp_path / "src", tmp_path / "opt" / "venv"
    source.mkdir()
    arguments = stages()[f"install-{target}"]["arguments"]
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")
    for word, rest in steps(f"install-{target}"):
        if word == "COPY":
            *names, to = rest.split()
            for name in names:
                subprocess.run(["cp", "-r", REPOSITORY / name, source / to], check=True)
        elif word == "RUN":
            line = rest.replace("/opt/venv", str(venv)).replace("python -m venv", f"{sys.executable} -m venv")
            # What is an argument of the image may be another here: not every network reaches PyTorch's own index.
            variables = {**os.environ, **arguments, "TORCH_INDEX": index}
            subprocess.run(["bash", "-ec", line], cwd=source, env=variables, check=True)
    bare = {"PATH": f"{venv}/bin:/usr/bin:/bin", "HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}

    def run(*command):
        return subprocess.run(command, cwd=tmp_path, env=bare, capture_output=True, text=True, check=True).stdout

    assert __version__ in run("medcutmix-pipeline", "--version")
    assert PINS["ray"] in run("ray", "--version")
    run("python", "-c", "import s3fs, ray.dashboard.head, ray.job_submission, torch, spacy, pydicom")
    run(f"{venv}/bin/pip", "check")
    frozen = dict(line.split("==") for line in run(f"{venv}/bin/pip", "freeze").splitlines() if "==" in line)
    pins = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in PINS.items()}
    mine = {re.sub(r"[-_.]+", "-", name).lower(): version.split("+")[0] for name, version in frozen.items()}
    assert {name: version for name, version in mine.items() if pins.get(name) != version} == {}
    run("medcutmix-pipeline", "phantom", "studies", "--studies", "40", "--size", "64")
    run(
        "medcutmix-pipeline",
        "build",
        "--source",
        "phantom",
        "--root",
        "studies",
        "--out",
        "dataset",
        "--engine",
        "serial",
        "--set",
        "attention.fit.steps=5",
        "--set",
        "attention.fit.image_size=64",
    )
    assert "is valid" in run("medcutmix-pipeline", "validate", "dataset")
    if target == "gpu" and run("python", "-c", "import torch; print(torch.version.cuda)").strip() == "None":
        pytest.skip("every step works, but pip prefers a torch without CUDA here: its wheels were not tried")
