"""What a newcomer meets: help that fits the terminal, examples that parse, completion, and silence if asked for."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from medcutmix_pipeline.cli import app
from tests.builds import run_cli
from tests.commands.calls import call

COMMANDS = ("attend", "build", "doctor", "init", "inspect", "label", "lookup", "phantom", "sources", "validate")


def test_every_command_there_is_is_looked_at_here(capsys):
    assert set(typer.main.get_command(app).commands) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("width", [80, 120])
def test_help_fits_the_terminal_and_says_what_it_means(capsys, monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    said = call(capsys, name, "--help")
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= width
    assert "{" not in said.out
    assert "<bool>" not in said.out
    assert "[[" not in said.out
    told, _, examples = said.out.partition("Example")
    assert f"Usage: medcutmix-pipeline {name}" in told
    assert f"medcutmix-pipeline {name}" in examples


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_calls_that_the_command_takes(name):
    group = typer.main.get_command(app)
    command = group.get_command(group.make_context("medcutmix-pipeline", [name], resilient_parsing=True), name)
    lines = command.epilog.replace(r"\[", "[").splitlines()
    calls = [line.strip() for line in lines if "medcutmix-pipeline" in line]
    assert calls
    for line in calls:
        words = shlex.split(re.split(r" [|&]", line)[0])
        assert words[:2] == ["medcutmix-pipeline", name]
        command.make_context(name, words[2:])


def completed(*words):
    told = run_cli(
        _MEDCUTMIX_PIPELINE_COMPLETE="complete_bash",
        COMP_WORDS=shlex.join(["medcutmix-pipeline", *words]),
        COMP_CWORD=str(len(words)),
    )
    assert told.stderr == ""
    return told.stdout.split("\n")


def test_completion_knows_commands_kinds_and_settings():
    assert completed("in")[:2] == ["init", "inspect"]
    assert "mimic-cxr-jpg" in completed("build", "--source", "m")
    assert "shards.image_size=" in completed("build", "--set", "shards.im")


def test_quiet_says_nothing_where_nothing_is_wrong(capsys, tmp_path, built):
    assert call(capsys, "phantom", tmp_path / "studies", "--studies", 2, "--size", 64, "--quiet").out == ""
    assert call(capsys, "init", tmp_path / "build.yaml", "-q").out == ""
    said = call(capsys, "validate", built, "--quiet")
    assert (said.code, said.out, said.err) == (0, "", "")


def test_validation_as_json_says_what_does_not_hold(capsys, built, tmp_path):
    assert call(capsys, "validate", built, "--json").json["valid"] is True
    said = call(capsys, "validate", tmp_path, "--json")
    assert said.code == 2
    assert said.out == ""
    assert "holds no dataset" in said.err
