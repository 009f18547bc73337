"""The results that are kept, the tables made from them, and what pages tell of them."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import peers, told
from benchmarks.parts import PARTS
from benchmarks.suite import RESULTS
from benchmarks.table import NOTES, PAGES, README, figures_of, results_of, written

ROOT = Path(__file__).resolve().parents[2]
KEPT = sorted({path.name.split(".")[0] for path in RESULTS.glob("*.json")})
NAMES = [part.name for part in PARTS]


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_tables_are_what_the_results_give(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == written(page), "run `python -m benchmarks.table`"


def test_every_part_is_a_module_and_every_result_and_note_is_of_a_part() -> None:
    assert [name for name in NAMES if find_spec(f"benchmarks.{name}") is None] == []
    assert set(KEPT) <= set(NAMES)
    assert {path.stem for path in NOTES.glob("*.md")} <= set(NAMES)
    assert {group for part in PARTS for group in part.peers} <= set(peers.groups())


def test_the_small_size_of_what_needs_no_data_fits_into_ten_minutes() -> None:
    assert sum(part.seconds for part in PARTS if part.runs("small", openi=False)) <= 600


@pytest.mark.parametrize("part", NAMES)
def test_every_part_has_its_result(part: str) -> None:
    assert (RESULTS / f"{part}.json").is_file(), f"`python -m benchmarks.{part} --json benchmarks/results/{part}.json`"
    for result in results_of(part):
        assert result["part"] == part
        assert result["command"].startswith(f"python -m benchmarks.{part} ")
        assert figures_of(result)


@pytest.mark.parametrize("part", KEPT)
def test_a_missed_target_has_its_reason(part: str) -> None:
    notes = NOTES / f"{part}.md"
    said = notes.read_text(encoding="utf-8") if notes.is_file() else ""
    missed = [figure for figure in figures_of(*results_of(part)) if figure.met is False]
    silent = [figure.what for figure in missed if not figure.note and figure.what not in said]
    assert not silent, f"notes/{part}.md does not tell why these are missed"


@pytest.mark.parametrize("page", [*PAGES, *sorted(NOTES.glob("*.md"))], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_tells_no_figure_that_the_suite_did_not_print(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert told.unknown(text) == []
    if page in PAGES:
        assert told.unmarked(text) == []


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.name)
def test_the_commands_that_pages_name_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    modules = set(re.findall(r"python -m benchmarks\.(\w+)", text))
    scripts = set(re.findall(r"python (benchmarks/\w+\.py)", text))
    assert [name for name in modules if find_spec(f"benchmarks.{name}") is None] == []
    assert [name for name in scripts if not (ROOT / name).is_file()] == []
