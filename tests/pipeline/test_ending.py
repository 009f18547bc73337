"""A build that is killed goes on to the same bytes; one that is asked to end says how to go on."""

import json
import signal
import subprocess
import sys

import pytest

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.errors import DataError
from tests.builds import SETTINGS, digests, merged, run_build


def build_with_signal(studies, out, settings, stage: str, number: signal.Signals) -> subprocess.CompletedProcess[str]:
    """Run `build` in a process that sends itself a signal when a stage first moves on."""
    script = f"""
import os, signal, sys
from medcutmix_pipeline.pipeline.stage_progress import Stage
from medcutmix_pipeline.cli import run

move = Stage._move

def move_and_die(stage):
    move(stage)
    if stage.name == {stage!r} and stage.done > stage.skipped:
        os.kill(os.getpid(), {int(number)})

Stage._move = move_and_die
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs tests in its background ignores it
sys.exit(run(sys.argv[1:]))
"""
    file = out.with_suffix(".yaml")
    file.write_text(json.dumps(settings))
    command = ["build", str(file), "--source", "phantom", "--root", str(studies), "--out", str(out)]
    return subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("engine", "stage"),
    [
        ("serial", "fit"),
        # Dying at any flush of these is tried in test_resume.py, without a process for each; on Ray, a worker and an
        # encoder die in tests/faults.
        *(
            pytest.param(*c, marks=pytest.mark.slow)
            for c in [("serial", "read"), ("serial", "shards"), ("ray", "read"), ("ray", "shards")]
        ),
    ],
)
def test_a_build_killed_in_the_middle_goes_on_to_the_same_bytes(studies, built, tmp_path, engine, stage):
    out = tmp_path / "out"
    settings = merged(SETTINGS, engine={"kind": engine, "workers": 2})
    assert build_with_signal(studies, out, settings, stage, signal.SIGKILL).returncode == -signal.SIGKILL
    assert not (out / "dataset.json").exists()
    with pytest.raises(DataError, match="unfinished"):
        Dataset(out)
    _, told = run_build(studies, out)
    assert "already done" in told
    assert digests(out) == digests(built)


@pytest.mark.parametrize(
    ("engine", "number"),
    [
        ("serial", signal.SIGINT),
        ("serial", signal.SIGTERM),
        ("serial", signal.SIGHUP),
        ("ray", signal.SIGINT),
        *(pytest.param("ray", number, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGHUP)),
    ],
)
def test_ctrl_c_a_schedulers_end_or_a_terminals_says_how_to_go_on_and_leaves_no_dataset(
    studies, tmp_path, engine, number
):
    out = tmp_path / "out"
    settings = merged(SETTINGS, engine={"kind": engine, "workers": 2})
    ended = build_with_signal(studies, out, settings, "read", number)
    assert ended.returncode == 130, ended.stderr
    assert ended.stderr.strip() == "interrupted; run the same command again to go on where it stopped"
    assert "Traceback" not in ended.stdout
    assert not (out / "dataset.json").exists()


def test_under_nohup_the_end_of_the_terminal_does_not_end_a_build(studies, built, tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a process that is started inherits
    try:
        ended = build_with_signal(studies, tmp_path / "out", SETTINGS, "read", signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ended.returncode == 0, ended.stderr
    assert digests(tmp_path / "out") == digests(built)
