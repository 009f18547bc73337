"""The command line: every mistake of a user is one clear line and the right exit code, never a traceback."""

import json
import re
import shlex
import shutil

import pytest

from medcutmix_pipeline.version import __version__
from tests.builds import SETTINGS, run_cli
from tests.commands.calls import call, refused


@pytest.fixture
def settings(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text(json.dumps(SETTINGS))
    return file


def one_line(result, code, *told):
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr + result.stdout
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    for words in told:
        assert words in lines[0]


@pytest.mark.parametrize("command", ["", "build", "init", "phantom", "sources", "validate", "inspect"])
def test_help_has_an_example(command):
    result = run_cli(*command.split(), "--help")
    assert result.returncode == 0
    assert "medcutmix-pipeline" in result.stdout.split("Example" if command else "Start with")[1]


def test_a_call_without_arguments_is_answered_with_the_help_alone():
    result = run_cli()
    assert result.returncode == 2
    assert "Start with" in result.stdout
    assert not result.stderr


@pytest.mark.parametrize(
    ("command", "told"), [("sources", "Open-I"), ("inspect {built} --random 1", "0 of the host is kept")]
)
def test_a_terminal_of_few_characters_is_no_error(built, command, told):
    result = run_cli(*command.format(built=built).split(), PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    assert result.stdout.isascii()
    assert told in re.sub(r"\d of the host", "0 of the host", result.stdout)


def test_version():
    assert run_cli("--version").stdout.strip() == f"medcutmix-pipeline {__version__}"


def test_a_dry_run_finds_studies_in_the_home_folder_that_no_shell_has_put_in(studies):
    result = run_cli("build", "--source", "phantom", f"--root=~/{studies.name}", "--dry-run", HOME=str(studies.parent))
    assert result.returncode == 0, result.stderr
    assert "90 studies" in result.stdout


@pytest.mark.parametrize("given", [["--out=~/made"], ["--out", "~/made"]])
def test_a_build_goes_into_the_home_folder_that_no_shell_has_put_in(studies, tmp_path, monkeypatch, given):
    """Else it would go into a folder that is called ~, which nobody dares to delete."""
    (tmp_path / "home" / "made").mkdir(parents=True)
    (tmp_path / "home" / "made" / "mine.txt").touch()
    monkeypatch.chdir(tmp_path)
    call = ("build", "--source", "phantom", "--root", studies, "--dry-run", *given)
    one_line(run_cli(*call, HOME=str(tmp_path / "home")), 2, f"{tmp_path}/home/made is not empty")


def test_sources_are_listed_with_their_layout():
    told = run_cli("sources").stdout
    for kind in ("openi", "mimic-cxr-jpg", "chexpert-plus", "manifest", "phantom"):
        assert kind in told
    assert "ecgen-radiology/" in told


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, ["--source KIND and --root DIR"]),
        (["--source", "openi", "--root", "nowhere"], 2, ["nowhere"]),
        (["--source", "opneni", "--root", "."], 2, ["opneni", "openi"]),
        (["--set", "shards.samples_per_shrd=3"], 2, ["did you mean shards.samples_per_shard?"]),
        (["--set", "seed"], 2, ["section.key=value"]),
        (["--limit", "many"], 2, ["--limit", "(try --help)"]),
        (["--out"], 2, ["'--out' requires an argument (try --help)"]),
        (["--engine", "spark"], 2, ["--engine"]),
        (["missing.yaml"], 2, ["missing.yaml"]),
    ],
)
def test_a_wrong_call_of_build(tmp_path, arguments, code, told):
    one_line(run_cli("build", "--out", tmp_path / "out", *arguments), code, *told)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "s3:/bucket/prefix"], ["s3://BUCKET/PREFIX", "./s3:/bucket/prefix"]),
        (["--out", "file:/folder"], ["a URL has two slashes"]),
        (["--out", "folder", "--work", "scrap"], ["--work goes with a URL as --out"]),
    ],
)
def test_an_output_that_means_something_else_than_it_says(studies, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    for command in ("build --engine serial", "build --dry-run"):
        one_line(run_cli(*command.split(), "--source", "phantom", "--root", studies, *arguments), 2, *told)
    assert not list(tmp_path.iterdir())


def test_a_source_of_another_kind_is_recognised(studies, tmp_path):
    one_line(run_cli("build", "--source", "openi", "--root", studies, "--out", tmp_path / "out"), 2, "phantom")


def test_an_empty_corpus(tmp_path):
    (tmp_path / "studies.csv").write_text("image,report,study_id,patient_id\n")
    call = ("build", "--source", "manifest", "--root", tmp_path, "--out", tmp_path / "out", "--engine", "serial")
    one_line(run_cli(*call), 1, "studies.csv has a header and no rows")


def test_no_matched_pair(studies, tmp_path, settings):
    rows = (studies / "studies.csv").read_text().splitlines()
    for folder in ("images", "reports"):
        shutil.copytree(studies / folder, tmp_path / "one" / folder)
    (tmp_path / "one" / "studies.csv").write_text("\n".join(rows[:2]) + "\n")
    result = run_cli("build", settings, "--source", "manifest", "--root", tmp_path / "one", "--out", tmp_path / "out")
    one_line(result, 1, "no two studies share a finding")
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_an_output_below_a_file(studies, tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    one_line(run_cli("build", "--source", "phantom", "--root", studies, "--out", out), 2, "cannot write to")


def test_a_ray_that_does_not_answer(studies, tmp_path):
    call = ("build", "--source", "phantom", "--root", studies, "--out", tmp_path / "out", "--ray-address")
    one_line(run_cli(*call, "127.0.0.1:9"), 2, "no Ray answers at 127.0.0.1:9", "ray start --head")


@pytest.mark.parametrize("serial", [["--engine", "serial"], ["--set", "engine.kind=serial"]])
def test_a_cluster_that_is_named_is_not_left_out_without_a_word(capsys, studies, tmp_path, serial):
    call_of = ("build", "--source", "phantom", "--root", studies, "--out", tmp_path / "out", *serial)
    refused(call(capsys, *call_of, "--ray-address", "auto"), 2, "--ray-address", "engine.kind=serial")
    assert not (tmp_path / "out").exists()


def test_of_a_cluster_in_a_file_a_call_may_make_one_process(capsys, studies, tmp_path):
    (tmp_path / "build.yaml").write_text("engine: {ray_address: auto}\n")
    call_of = ("build", tmp_path / "build.yaml", "--source", "phantom", "--root", studies, "--engine", "serial")
    assert "engine: serial" in call(capsys, *call_of, "--dry-run").out


def test_a_dry_run_tells_counts_and_writes_nothing(studies, tmp_path):
    call = ("build", "--source", "phantom", "--root", studies, "--out", tmp_path / "out", "--dry-run", "--limit", "20")
    result = run_cli(*call)
    assert result.returncode == 0, result.stderr
    assert "20 studies" in result.stdout
    assert "about 1 shard of" in result.stdout
    assert not (tmp_path / "out").exists()


def test_init_writes_what_build_reads(tmp_path, studies):
    file = tmp_path / "build.yaml"
    assert run_cli("init", file).returncode == 0
    one_line(run_cli("init", file), 2, "exists")
    call = ("build", file, "--source", "phantom", "--root", studies, "--dry-run")
    assert run_cli(*call).returncode == 0


def test_validate_and_inspect_tell_a_dataset(built):
    assert "is valid" in run_cli("validate", built).stdout
    told = run_cli("inspect", built).stdout
    assert "Pleural Effusion" in told
    shown = run_cli("inspect", built, "--random", "2").stdout
    assert shown.count("host's report") == 2
    plan = shown.split("Plan ")[1].split()[0]
    assert f"Plan {plan}" in run_cli("inspect", built, "--plan", plan).stdout


def test_validate_and_inspect_of_what_is_no_dataset(built, tmp_path):
    one_line(run_cli("validate", tmp_path), 2, "holds no dataset")
    one_line(run_cli("inspect", tmp_path), 2, "holds no dataset")
    one_line(run_cli("inspect", built, "--plan", "nothing"), 2, "no plan nothing")
    one_line(run_cli("inspect", built, "--disease", "Gout"), 2, "Gout", "Pleural Effusion")


@pytest.mark.parametrize(
    "words",
    [
        ["validate", "nowhere"],
        ["inspect", "nowhere"],
        ["inspect", "file.csv"],
        ["inspect", "nowhere", "--rejects", "1"],
        ["build", "--source", "manifest", "--root", "nowhere", "--out", "out"],
        ["build", "nowhere.yaml", "--out", "out"],
        ["lookup", "--source", "manifest", "--root", "nowhere", "--name", "s-1", "--out", "-"],
        ["lookup", "--source", "manifest", "--root", "nowhere", "--rejects", "nowhere", "--out", "-"],
        ["label", "nowhere.csv", "--text", "report"],
        ["label", "file.csv", "--text", "report"],
        ["attend", "nowhere.png", "An effusion.", "--encoder", "{built}"],
        ["attend", "nowhere.png", "An effusion.", "--encoder", "./nowhere"],
    ],
)
def test_whatever_a_call_names_that_is_not_there_is_a_mistake_in_the_call(capsys, built, tmp_path, monkeypatch, words):
    (tmp_path / "file.csv").write_text("a\n1\n")
    monkeypatch.chdir(tmp_path)
    refused(call(capsys, *[word.format(built=built) for word in words]), 2)


def test_a_damaged_dataset_fails_validation(built, tmp_path):
    copy = tmp_path / "dataset"
    shutil.copytree(built, copy)
    shard = sorted((copy / "shards").iterdir())[0]
    content = bytearray(shard.read_bytes())
    content[700] ^= 1
    shard.write_bytes(content)
    result = run_cli("validate", copy)
    assert result.returncode == 1
    assert shard.name in result.stdout
    assert "sha256" in result.stdout


def test_a_command_that_is_suggested_can_be_pasted_whatever_the_folder_is_called(tmp_path):
    folder = tmp_path / "my studies (1)"
    told = run_cli("phantom", folder, "--studies", "3").stdout
    assert str(folder) in shlex.split(told.split("build a dataset with: ")[1])
    told = run_cli("init", tmp_path / "my settings.yaml").stdout
    assert str(tmp_path / "my settings.yaml") in shlex.split(told.split("use it with: ")[1])
