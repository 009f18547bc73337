"""The suite runs its parts in processes of their own, and peers have environments of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import pytest

from benchmarks import __main__ as suite
from benchmarks import peers
from benchmarks.parts import Part

if TYPE_CHECKING:
    from pathlib import Path

PART = """
from benchmarks.suite import Figure, run
def measure(told):
    {body}
    return [Figure("a thing", 1.0, "x", at_least=2)]
if __name__ == "__main__":
    run("{name}", measure, "", {more})
"""


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `benchmarks` with three parts: one that misses its target, one that fails, one that wants Open-I."""
    package = tmp_path / "benchmarks"
    package.mkdir()
    for name in ("suite", "machine", "parts", "peers"):
        (package / f"{name}.py").symlink_to(suite.HERE / f"{name}.py")
    (package / "requirements").symlink_to(suite.HERE / "requirements")
    (package / "__init__.py").touch()
    for name, body, more in (("misses", "", ""), ("fails", "raise SystemExit('no')", ""), ("reads", "", "openi=None")):
        (package / f"{name}.py").write_text(PART.format(name=name, body=body or "pass", more=more))
    registered = (Part("fails", "Fails", 9), Part("misses", "Misses", 9), Part("reads", "Reads", 9, openi="needed"))
    monkeypatch.setattr(suite, "PARTS", registered)
    monkeypatch.setattr(suite, "HERE", package)
    return tmp_path


def ran(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *map(str, arguments)])
    return suite.main()


def test_the_suite_goes_on_after_a_part_that_fails_and_ends_with_1(
    parts: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ran(monkeypatch, "--work", parts / "work", "--json-folder", parts / "kept") == 1
    said = capfd.readouterr().out
    assert re.search(r"fails +\d+ s +FAILED", said)
    assert re.search(r"misses +\d+ s +1 figures, 0 of 1 targets met", said)
    assert "| a thing | 1 x |" in said
    assert [path.name for path in (parts / "kept").iterdir()] == ["misses.json"]


def test_a_missed_target_is_no_failure(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ran(monkeypatch, "misses", "--work", parts / "work") == 0


def test_parts_that_need_data_run_where_it_is_given(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(monkeypatch, "--openi", parts, "--work", parts / "work", "--json-folder", parts / "kept")
    result = json.loads((parts / "kept" / "reads.json").read_text(encoding="utf-8"))
    assert result["command"] == "python -m benchmarks.reads --size small --openi ROOT"


def test_a_part_that_is_not_there_is_told(
    parts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        ran(monkeypatch, "nothing")
    assert "there is no part nothing" in capsys.readouterr().err


def test_a_part_that_takes_too_long_is_given_up(
    parts: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (parts / "benchmarks" / "fails.py").write_text(PART.format(name="fails", body="input()", more=""))
    monkeypatch.setattr(suite, "PARTS", (Part("fails", "Hangs", 0),))
    assert ran(monkeypatch, "--work", parts / "work") == 1
    assert "fails was given up after 0 s" in capfd.readouterr().out


def test_what_a_part_has_started_ends_with_it() -> None:
    starts = "import subprocess; child = subprocess.Popen(['sleep', '600']); print(flush=True); child.wait()"
    running = subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE, start_new_session=True)
    running.stdout.readline()
    suite.stop(running)
    assert running.poll() is not None
    running.communicate(timeout=60)  # ends at once: the child held the pipe open as long as it lived


def test_everything_that_peers_bring_along_is_pinned() -> None:
    assert peers.groups()
    for group in peers.groups():
        lines = (peers.REQUIREMENTS / f"{group}.txt").read_text(encoding="utf-8").splitlines()
        pins = [line for line in lines if line and not line.startswith("#")]
        assert all(re.fullmatch(r"[\w.\[\]-]+==[\w.+!]+", line) for line in pins), group
        assert len(pins) > len(peers.versions(group)) > 0


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pins whose environments are made quickly: with the pip that is there, instead of one of their own."""
    folder = tmp_path / "pins"
    folder.mkdir()
    monkeypatch.setattr(peers, "REQUIREMENTS", folder)
    monkeypatch.setattr(peers, "FOLDER", tmp_path / "made")
    create = venv.create
    monkeypatch.setattr(venv, "create", lambda folder, with_pip: create(folder, system_site_packages=with_pip))
    return folder


@pytest.mark.parametrize("name", ["spacy", "scispacy", "thinc", "numpy"])
def test_negspacy_reads_on_the_versions_that_the_project_reads_on(name: str) -> None:
    pin = re.compile(rf"^{name}==.*$", re.M)
    language = (peers.REQUIREMENTS / "language.txt").read_text(encoding="utf-8")
    constraints = (suite.HERE.parent / "constraints.txt").read_text(encoding="utf-8")
    assert pin.findall(language) == pin.findall(constraints) != []


def test_an_environment_is_made_once_for_its_pins(pins: Path) -> None:
    (pins / "mine.txt").write_text("# nothing\n")
    python = peers.python("mine")
    stamp = python.parents[1] / "pins.sha256"
    made = stamp.stat().st_mtime_ns
    assert peers.python("mine") == python
    assert stamp.stat().st_mtime_ns == made
    (pins / "mine.txt").write_text("# still nothing\n")
    peers.python("mine")
    assert stamp.stat().st_mtime_ns > made


def test_peers_that_cannot_be_installed_are_told_in_one_line(pins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pins / "mine.txt").write_text("no-such-package-of-ours==1.0\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(SystemExit, match=r"^the peers mine cannot be installed: .*no-such-package-of-ours"):
        peers.python("mine")
