"""What the parts of the suite share: order of the ways, ratios, targets, and the result that is kept."""

from __future__ import annotations

import itertools
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from benchmarks.suite import Figure, Measured, number, run, shown, side_by_side, table

if TYPE_CHECKING:
    from pathlib import Path


def orders(names: str, rounds: int) -> list[str]:
    """The order of the ways in each round."""
    called: list[str] = []
    side_by_side({name: lambda name=name: called.append(name) or 1.0 for name in names}, rounds)
    return ["".join(called[i : i + len(names)]) for i in range(0, len(called), len(names))]


def test_every_way_runs_once_in_every_round() -> None:
    rounds = orders("abc", 12)
    assert len(rounds) == 12
    assert {"".join(sorted(order)) for order in rounds} == {"abc"}


def test_no_way_always_has_the_same_place_or_the_same_way_before_it() -> None:
    rounds = orders("abc", 6)
    for place in range(3):
        assert Counter(order[place] for order in rounds) == Counter("aabbcc")
    before = Counter(pair for order in rounds for pair in itertools.pairwise(order))
    assert all(before[x, y] == before[y, x] > 0 for x, y in ("ab", "bc", "ac"))


def test_the_values_of_a_way_stay_with_it_in_the_order_of_the_rounds() -> None:
    ticks = iter(range(100))
    measured = side_by_side({"a": lambda: next(ticks), "b": lambda: next(ticks)}, 2)
    assert measured == {"a": Measured((0, 3)), "b": Measured((1, 2))}


def test_a_ratio_is_of_the_same_round() -> None:
    ours, others = Measured((10.0, 100.0, 30.0)), Measured((5.0, 50.0, 10.0))
    assert ours.over(others).values == (2.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="shorter"):
        ours.over(Measured((1.0,)))


def test_a_figure_is_the_median_with_the_spread() -> None:
    figure = Measured((3.0, 1.0, 8.0)).figure("rate", "images/s", at_least=2)
    assert (figure.value, figure.low, figure.high) == (3.0, 1.0, 8.0)


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [
        (0.95, {"at_least": 0.95}, True),
        (0.9499, {"at_least": 0.95}, False),
        (1.03, {"at_most": 1.03}, True),
        (1.0301, {"at_most": 1.03}, False),
        (7, {}, None),
    ],
)
def test_a_target_is_met_by_the_value_itself_and_not_as_it_is_written(
    value: float, target: dict[str, float], met: bool | None
) -> None:
    assert Figure("x", value, "", **target).met is met


def test_a_value_that_misses_its_target_never_reads_like_it() -> None:
    missed = Figure("x", 0.9496, "×", at_least=0.95)
    assert number(missed.value) == "0.95"
    assert shown(missed) == "0.9496"
    assert "| 0.9496 × |" in table([missed])


def test_the_table_tells_value_spread_target_and_whether_it_is_met() -> None:
    lines = table([Figure("rate", 2345.6, "samples/s", 2300, 2400, at_least=2000, note="idle")]).splitlines()
    assert lines[-1] == "| rate | 2,346 samples/s | 2,300–2,400 | ≥ 2,000 | met; idle |"


def test_a_part_keeps_command_machine_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept" / "loader.json"
    said = ["--size", "full", "--no-compare", "--studies", "7", "--openi", str(tmp_path), "--json", str(kept)]
    monkeypatch.setattr(sys, "argv", ["x", *said, "--work", str(tmp_path / "work")])
    figure = Figure("rate", 1.0, "×", at_least=2)
    run("loader", lambda told: [figure] if told.studies == 7 else [], "", studies=5, openi=None, compare=True)
    result = json.loads(kept.read_text(encoding="utf-8"))
    assert result["command"] == "python -m benchmarks.loader --size full --studies 7 --openi ROOT --no-compare"
    assert str(tmp_path) not in kept.read_text(encoding="utf-8")
    assert result["machine"]["cores"] >= 1
    assert "litdata" in result["machine"]["peers"]
    assert [(one["what"], one["met"]) for one in result["figures"]] == [("rate", False)]
