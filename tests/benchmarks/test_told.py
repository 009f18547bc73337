"""Figures in pages are looked up in the results, as they are written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks import table, told

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = [
    {"what": "rate", "value": 1935.6, "unit": "samples/s", "low": 1836.2, "high": 2035.0},
    {"what": "beside webdataset", "value": 1.4968, "unit": "×", "note": "why"},
    {"what": "share", "value": 0.8948, "unit": ""},
]


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = {"processor": "P", "cores": 2, "memory GiB": 8, "system": "S", "python": "3", "versions": {"torch": "2"}}
    result = {"part": "loader", "command": "C", "seconds": 3, "load before": 0.1, "machine": machine}
    (tmp_path / "loader.json").write_text(json.dumps({**result, "figures": FIGURES}))
    monkeypatch.setattr(table, "RESULTS", tmp_path)
    monkeypatch.setattr(table, "NOTES", tmp_path)


@pytest.mark.parametrize(
    "text", ["1,936 samples a second (1,836 to 2,035)", "1.50 of it", "**1.497**", "89 %", "a share of .895", "1.5"]
)
def test_a_value_may_be_rounded(text: str) -> None:
    assert told.unknown(f"<!-- figures of loader -->\n{text}\n") == []


@pytest.mark.parametrize(
    ("text", "number"), [("1,937 samples", "1,937"), ("1.51 ×", "1.51"), ("90 %", "90"), ("89 of them", "89")]
)
def test_a_value_that_no_result_has_is_found(text: str, number: str) -> None:
    assert told.unknown(f"<!-- figures of loader -->\n{text}\n") == [f"{number} (loader)"]


def test_settings_are_named_and_only_the_block_below_the_mark_counts() -> None:
    mark = "<!-- figures of loader; set: 64, 448 -->"
    page = f"At 7 px.\n\n{mark}\nBatch 64 at 448 px, `--rounds 9`: 1.50.\n\nOf 7 images.\n"
    assert told.unknown(page) == []
    assert told.unknown(page.replace("; set: 64, 448", "")) == ["64 (loader)", "448 (loader)"]


@pytest.mark.parametrize(
    "text", ["1,936 samples/s", "3,000 reports a second", "is 1.50 × as fast", "80 images per second"]
)
def test_a_rate_without_a_mark_is_found(text: str) -> None:
    assert told.unmarked(f"# Page\n\nIt is {text} here.\n") != []
    assert told.unmarked(f"# Page\n\n<!-- figures of loader -->\nIt is {text} here.\n") == []
    assert told.unmarked(f"# Page\n\n```text\n{text}\n```\n") == []


def test_sizes_are_no_rates() -> None:
    assert told.unmarked("`layer3` is 19 × 19, at 8 images of 2 × 3 px, 1,000 studies\n") == []


def test_a_page_gets_the_lines_that_it_asks_for() -> None:
    page = "a\n<!-- results of loader: beside, share -->\nold\n<!-- end of results -->\nb\n"
    made = table.results_written(page)
    assert "| beside webdataset | 1.5 × |  |  | why |" in made
    assert "old" not in made
    assert "| rate |" not in made
    assert made.startswith("a\n")
    assert made.endswith("b\n")
    assert table.results_written(made) == made


def test_a_table_may_have_a_row_for_each_thing(tmp_path: Path) -> None:
    named = [
        ("Edema: hit", 0.9764, 0.88),
        ("Edema: area", 0.13, None),
        ("Fracture: hit", 0.07, None),
        ("a fit", 7, None),
    ]
    figures = [{"what": what, "value": value, "unit": "", "low": low, "high": low} for what, value, low in named]
    (tmp_path / "pointing.json").write_text(json.dumps({"figures": figures}))
    made = table.results_written("<!-- results of pointing by row: hit, area -->\n<!-- end of results -->\n")
    assert [line for line in made.splitlines() if line.startswith("|")] == [
        "| | hit | area |",
        "|---|---|---|",
        "| Edema | 0.976 (0.88–0.88) | 0.13 |",
    ]


def test_a_part_is_told_with_notes_command_machine_and_versions(tmp_path: Path) -> None:
    (tmp_path / "loader.md").write_text("Decoding is most of it.\n")
    made = table.parts_written("<!-- parts -->\n<!-- end of parts -->\n")
    for said in (
        "### Loader",
        "Decoding is most of it.",
        "`C`, 3 s, load 0.1 before. P, 2 cores, 8 GiB",
        "torch 2",
        "| rate |",
    ):
        assert said in made
    assert made.count("Not measured yet.") == len(table.PARTS) - 1
