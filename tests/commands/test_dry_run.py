"""`build --dry-run` says what a build would make, fails where a build would, and writes nothing."""

from __future__ import annotations

import os
import shutil

import pytest

from medcutmix_pipeline.pipeline.lock import exclusive
from tests.commands.calls import call, refused

DRY = ("build", "--engine", "serial", "--dry-run")


def write_table(folder, rows):
    folder.mkdir()
    (folder / "studies.csv").write_text("image,report,study_id,patient_id\n" + rows)
    return folder


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["sentences.lexicon=nolex.toml"], "nolex.toml"),
        (["privacy.key_file=nokey"], "cannot read the pseudonym key nokey"),
        (["plans.min_map_area=0.95"], "min_map_area=0.95 must be less than max_map_area=0.9"),
        (["pairing.exclude=[Edma]"], "did you mean Edema?"),
        (["attention.encoder=./no-model"], "no-model"),
    ],
)
def test_settings_that_no_build_takes_are_refused_as_by_a_build(capsys, studies, tmp_path, settings, told):
    options = [word for setting in settings for word in ("--set", setting)]
    named = ("--source", "phantom", "--root", studies, "--out", tmp_path / "out")
    for command in (DRY, DRY[:-1]):
        refused(call(capsys, *command, *named, *options), 2, told)
    assert not (tmp_path / "out").exists()


def test_an_output_that_no_build_takes_is_refused(capsys, studies, tmp_path):
    (tmp_path / "precious").write_text("mine")
    said = call(capsys, *DRY, "--source", "phantom", "--root", studies, "--out", tmp_path)
    refused(said, 2, "holds no dataset of ours")


def test_an_output_or_a_key_that_may_not_be_written_is_refused_as_by_a_build(capsys, studies, tmp_path, monkeypatch):
    named = ("--source", "phantom", "--root", studies)
    (tmp_path / "file").write_text("")
    for command in (DRY, DRY[:-1]):
        out = tmp_path / "file" / "out"
        refused(call(capsys, *command, *named, "--out", out), 2, f"error: cannot write to {out}: Not a directory")
    monkeypatch.delenv("MEDCUTMIX_KEY_FILE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    for command in (DRY, DRY[:-1]):
        refused(call(capsys, *command, *named, "--out", tmp_path / "out"), 2, "error: cannot make a pseudonym key at ")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_output_in_which_a_build_is_running_is_refused(capsys, studies, tmp_path):
    out = tmp_path / "out"
    named = ("--source", "phantom", "--root", studies, "--out", out)
    with exclusive(out / ".build" / "lock"):
        refused(call(capsys, *DRY, *named), 2, f"a build into {out} is already running (process {os.getpid()} on ")
        told = call(capsys, "doctor", *named, "--set", "engine.kind=serial", "--json").json
    assert [check["name"] for check in told["checks"] if "is already running" in check["found"]] == ["output"]
    assert call(capsys, *DRY, *named).code == 0


@pytest.mark.parametrize(
    ("rows", "counted", "told"),
    [
        ("a.png,Clear.,S1,P1\nb.png,Clear.,S2,P2\n", "0 of 2 images tried", "image-missing 2"),
        (",Clear.,S1,P1\n", "1 studies, 0 images", "1 studies, 0 images"),
    ],
)
def test_a_source_at_which_a_build_would_stop_is_told_and_fails(capsys, tmp_path, rows, counted, told):
    root = write_table(tmp_path / "studies", rows)
    said = call(capsys, *DRY, "--source", "manifest", "--root", root)
    assert said.code == 1
    assert counted in said.out
    assert said.err.startswith("error: a build would stop: ")
    assert said.err.count("\n") == 1
    assert told in said.err


def test_a_dataset_that_a_build_would_replace_is_told(capsys, built, studies, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(built, out)

    def output(*named):
        said = call(capsys, *DRY, *named, "--out", out)
        assert said.code == 0, said
        [line] = [line for line in said.out.splitlines() if line.startswith("output: ")]
        return line

    assert "only what has changed would be done" in output("--source", "phantom", "--root", studies)
    shorter = output("--source", "phantom", "--root", studies, "--limit", 40)
    assert "90 studies" in shorter
    assert "would replace what is no longer listed so" in shorter
    pictures = sorted((studies / "images").iterdir())[:3]
    table = write_table(tmp_path / "table", "".join(f"{p.name},No edema.,{p.stem},{p.stem}\n" for p in pictures))
    for picture in pictures:
        shutil.copy(picture, table)
    assert "replace it by one of another source" in output("--source", "manifest", "--root", table)
    assert (out / "dataset.json").read_bytes() == (built / "dataset.json").read_bytes()
