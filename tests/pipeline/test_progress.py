"""Progress tells what there is to know, on a terminal and in a log, and `run.json` keeps it."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from datetime import datetime

import pytest
from rich.console import Console

from medcutmix_pipeline.cli import run
from medcutmix_pipeline.pipeline.display import duration, rate_told
from medcutmix_pipeline.pipeline.machine import Gpu, Use, Watch
from medcutmix_pipeline.pipeline.progress import Reporter
from tests.builds import SETTINGS


@pytest.fixture
def settings(tmp_path):
    """The settings of the dataset that is there, but for the quality of its images: its shards are to be made anew."""
    file = tmp_path / "settings.yaml"
    file.write_text(json.dumps({**SETTINGS, "shards": {**SETTINGS["shards"], "quality": 80}}))
    return file


@pytest.fixture
def call(built, studies, settings, tmp_path):
    out = shutil.copytree(built, tmp_path / "dataset")
    return "build", settings, "--source", "phantom", "--root", studies, "--out", out


def reporter():
    return Reporter(Console(file=io.StringIO(), width=200))


def test_a_stage_tells_what_is_through_what_is_in_flight_and_what_waits():
    stage = reporter().stage("shards", "samples", 100)
    stage.skip(20)
    taken = stage.taking(range(8))
    for _ in range(3):
        next(taken)
    assert (stage.in_flight, stage.waiting) == (3, 5)
    stage.advance(10, rejects=2)
    assert (stage.in_flight, stage.waiting) == (2, 5)
    line = stage.line()
    assert line.startswith("shards: 30 of 100 samples, ")
    for words in ("20 already done", "2 rejected", "2 in flight, 5 waiting", " left"):
        assert words in line
    for _ in taken:
        pass
    stage.end()
    assert "in flight" not in stage.line()
    assert " left" not in stage.line()


def test_what_was_already_done_counts_in_no_rate():
    stage = reporter().stage("read", "studies", 1000)
    stage.skip(1000)
    stage.end()
    assert stage.rate == 0
    assert stage.line() == "read: 1,000 studies, 1,000 already done"


def test_time_left_cannot_be_told_before_anything_came_through():
    stage = reporter().stage("fit", "steps", 700)
    assert stage.left is None
    assert stage.line() == "fit: 0 of 700 steps"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59.4, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7620, "2 h 07 min"), (97200, "1 d 3 h")],
)
def test_durations_are_told_as_people_say_them(seconds, told):
    assert duration(seconds) == told


@pytest.mark.parametrize(("rate", "told"), [(1234.5, "1,234/s"), (1.23, "1.2/s"), (0.1, "6.0/min")])
def test_rates_are_told_with_no_more_digits_than_they_have(rate, told):
    assert rate_told(rate) == told


def test_the_use_of_a_machine_is_told_with_each_gpu():
    gpu = Gpu(0.5, 8 * 2**30, 80 * 2**30, "some GPU")
    use = Use(0.97, 3 * 2**30, 16 * 2**30, (gpu, gpu))
    assert use.line() == ("CPU 97% · memory 3.0 of 16.0 GiB · GPU 0 50%, 8.0 of 80.0 GiB · GPU 1 50%, 8.0 of 80.0 GiB")


def test_gpus_are_asked_of_the_driver(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '37, 1024, 81559, NVIDIA H100, 80GB'\necho '[N/A], 0, 81559, NVIDIA H100'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    watch = Watch()
    first, second = watch.look().gpus
    assert (first.busy, first.used, first.name) == (0.37, 2**30, "NVIDIA H100, 80GB")
    assert second.busy == 0
    told = watch.report()
    assert told["gpus"][0] == {
        "name": "NVIDIA H100, 80GB",
        "busy_mean": 0.37,
        "busy_max": 0.37,
        "memory_peak": 2**30,
    }
    tool.write_text("#!/bin/sh\nexit 9\n")  # a driver that is not there
    assert watch.look().gpus == ()


def on_terminal(arguments, columns, **environment):
    """What a command draws on a terminal of so many columns, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "medcutmix_pipeline", *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**clean, "TERM": "xterm-256color", **environment},
    ) as process:
        os.close(theirs)
        drawn = b""
        try:
            while chunk := os.read(ours, 1 << 16):
                drawn += chunk
        except OSError:  # the other side has closed
            pass
        code = process.wait()
    os.close(ours)
    return drawn.decode(), code


COLOUR = re.compile(r"\x1b\[[0-9;]*?(?:3[0-7]|38|4[0-7]|48|9[0-7])(?:;[0-9;]*)?m")


def test_on_a_terminal_stages_are_drawn_in_place_and_fit_it(call):
    drawn, code = on_terminal((*call, "--engine", "serial"), 80, NO_COLOR="1")
    assert code == 0, drawn
    assert not COLOUR.search(drawn)
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")  # the cursor is there again
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    frames = [line for line in re.split(r"[\r\n]+", text) if not line.startswith(("engine", "128 samples"))]
    shown = [line for line in frames if "samples and" not in line]  # the last words wrap where the terminal wraps them
    assert max(map(len, shown)) <= 80
    assert re.search(r"shards +\d+/\d+ samples +.*in flight, \d+ waiting", text)
    assert re.search(r"CPU \d+% · memory [\d.]+ of [\d.]+ GiB", text)
    assert text.count("read ") > 1  # drawn more than once


def test_without_a_terminal_there_are_plain_lines(call, capsys):
    assert run([str(word) for word in call]) == 0
    told, beside = capsys.readouterr()
    assert beside == ""
    assert "\x1b" not in told
    lines = told.splitlines()
    assert list(dict.fromkeys(line.split(":")[0] for line in lines[:-1])) == [
        *("engine", "list", "read", "place", "fit", "shards")
    ]
    assert re.fullmatch(r"shards: [\d,]+ samples, [\d.,]+/(s|min).*", lines[-2])


def test_a_quiet_build_says_nothing(call, capsys):
    assert run([*(str(word) for word in call), "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_run_report_has_time_and_rate_by_stage_and_the_machine_but_not_its_name(built):
    text = (built / "run.json").read_text()
    run = json.loads(text)
    assert run.keys() == {"engine", "tool_version", "started", "seconds", "stages", "machine", "rejects"}
    assert datetime.fromisoformat(run["started"])
    assert list(run["stages"]) == ["list", "read", "place", "gather", "fit", "shards"]
    for stage in run["stages"].values():
        assert stage.keys() == {"seconds", "done", "skipped", "rejects", "rate", "unit"}
        assert stage["rate"] == pytest.approx(stage["done"] / stage["seconds"], rel=0.1)
    assert sum(stage["seconds"] for stage in run["stages"].values()) <= run["seconds"]
    machine = run["machine"]
    assert 0 <= machine["cpu_mean"] <= machine["cpu_max"] <= 1
    assert 0 < machine["memory_peak"] <= machine["memory"]
    assert os.uname().nodename not in text
    assert str(built) not in text
