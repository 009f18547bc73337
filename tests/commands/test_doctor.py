"""`doctor` says what would stop a build, and how to mend it; and leaves everything as it was."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

from medcutmix_pipeline.doctor import installed as packages
from medcutmix_pipeline.pipeline.survey import survey
from medcutmix_pipeline.schemas.config import Config
from tests.builds import SETTINGS, merged
from tests.commands.calls import call

SERIAL = ("--set", "engine.kind=serial")
CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"


def by_name(told):
    return {check["name"]: check for check in told["checks"]}


def test_the_tested_versions_are_those_that_setup_installs():
    lines = re.findall(r"^(\S+)==(\S+)$", CONSTRAINTS.read_text(), re.M)
    pinned = {name.lower().replace("_", "-"): version for name, version in lines}
    tested = packages.tested_versions()
    assert {name: pinned[name] for name in tested} == tested
    needed = {check.name for check in packages.installed()} - {"medcutmix-pipeline", "python-gdcm"}
    assert needed <= tested.keys()


def test_all_is_well_where_it_is_and_nothing_is_changed(capsys, studies, tmp_path):
    said = call(
        capsys, "doctor", "--source", "phantom", "--root", studies, "--out", tmp_path / "a" / "b", *SERIAL, "--json"
    )
    assert said.code == 0, said
    told = said.json
    assert told["ready"] is True
    checks = by_name(told)
    assert {check["status"] for check in told["checks"]} <= {"ok", "note"}
    assert "90 studies" in checks["source"]["found"]
    assert "can be written" in checks["output"]["found"]
    assert not list(tmp_path.iterdir())


def test_a_dataset_that_is_there_is_recognised(capsys, built):
    before = sorted(built.rglob("*"))
    found = by_name(call(capsys, "doctor", "--out", built, *SERIAL, "--json").json)["output"]
    assert "holds a dataset" in found["found"]
    assert sorted(built.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (
            ["--source", "openi", "--root", "nowhere", "--out", "{tmp}", "--set", "privacy.key_file={tmp}/file"],
            {"source": "nowhere", "output": "holds no dataset of ours", "pseudonym key": "32"},
        ),
        (
            ["--source", "phantom", "--root", "{tmp}", "--out", "{tmp}/file/out", "--set", "attention.device=cuda:77"],
            {"source": "{tmp}", "output": "cannot write", "GPU": "cuda:77"},
        ),
        (
            [
                *("--out", "s3://bucket/prefix", "--set", "engine.kind=ray"),
                *("--set", "engine.ray_address=127.0.0.1:9", "--set", "attention.encoder=./no-model"),
                *("--set", "sentences.lexicon=nowhere.toml"),
            ],
            {"output": "--work", "Ray": "127.0.0.1:9", "encoder": "no-model", "language": "nowhere.toml"},
        ),
        (["--source", "openi", "--root", "long" * 100], {"source": "File name too long"}),
        (["--out", "ftp://host/x", "--work", "{tmp}/work"], {"output": "ftp:// is no place for a dataset"}),
    ],
)
def test_what_would_stop_a_build_is_a_problem_with_a_remedy(capsys, tmp_path, options, wanted):
    (tmp_path / "file").write_text("short")
    here = [option.replace("{tmp}", str(tmp_path)) for option in options]
    said = call(capsys, "doctor", *SERIAL, *here, "--json")
    assert said.code == 1
    assert said.json["ready"] is False
    problems = {check["name"]: check for check in said.json["checks"] if check["status"] == "problem"}
    assert problems.keys() == wanted.keys()
    for name, words in wanted.items():
        assert words.replace("{tmp}", str(tmp_path)) in problems[name]["found"]
        assert problems[name]["remedy"]
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file"]


def test_the_text_marks_problems_and_says_what_to_do(capsys, tmp_path):
    said = call(capsys, "doctor", *SERIAL, "--source", "openi", "--root", tmp_path / "gone")
    assert said.code == 1
    assert re.search(r"✗ +source +there is no folder", said.out)
    assert "→ `medcutmix-pipeline sources`" in said.out
    assert "1 problem would stop a build." in said.out


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("a.png,Clear.,S1,P1\nb.png,Clear.,S2,P2\n", "2 of 2 images tried cannot be used: image-missing 2"),
        ("a.png,Clear.,S1,\nb.png,Clear.,S2,P2\n", "2 of 2 images tried cannot be used: image-missing 1, patient-"),
        (",Clear.,S1,P1\n", "manifest: 1 studies, 0 images"),
    ],
)
def test_images_that_the_listing_shows_to_be_of_no_use_are_not_taken_for_usable(capsys, tmp_path, rows, found):
    table = tmp_path / "studies.csv"
    table.write_text("image,report,study_id,patient_id\n" + rows)
    said = call(capsys, "doctor", "--source", "manifest", "--root", table, *SERIAL, "--json")
    source = by_name(said.json)["source"]
    assert (said.code, source["status"]) == (1, "problem")
    assert found in source["found"]


def test_a_package_that_is_missing_or_too_old_is_a_problem(monkeypatch):
    real = importlib.metadata.version
    versions = {"spacy": "3.7.1"}

    def version(name):
        if name == "scispacy":
            raise importlib.metadata.PackageNotFoundError(name)
        return versions.get(name) or real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    problems = {check.name: check for check in packages.installed() if check.status == "problem"}
    assert problems.keys() == {"scispacy", "spacy"}
    assert problems["scispacy"].found == "not installed"
    assert problems["spacy"].found.startswith("3.7.1, but ")
    assert all("pip install" in check.remedy for check in problems.values())


def test_a_key_that_is_not_there_yet_is_not_made(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("MEDCUTMIX_KEY_FILE")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    found = by_name(call(capsys, "doctor", *SERIAL, "--json").json)["pseudonym key"]
    assert found["status"] == "ok"
    assert "will be made" in found["found"]
    assert not (tmp_path / "config").exists()


def test_the_disk_that_is_told_is_enough_and_not_five_times_too_much(built, studies):
    config = Config.model_validate(merged(SETTINGS, source={"kind": "phantom", "root": str(studies)}))
    taken = sum(path.stat().st_size for path in built.rglob("*") if path.is_file() and "encoder" not in path.parts)
    assert taken < survey(config).disk(config) < 5 * taken
