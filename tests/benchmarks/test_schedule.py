"""The simulated schedule obeys what its parts allow, and `docs/scale.md` says what the results say."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scale import PAGE, SECTIONS, filled
from benchmarks.scale_inputs import WANTED, Assumed, measures
from benchmarks.schedule_sim import Cluster, UnitCosts, simulate

ROOT = Path(__file__).parent.parent.parent
UNIT = UnitCosts(samples=100, decode=4.0, draft=2.0, attend=1.0, write=1.0, submit=0.01, commit=0.02)
WORK = 7.0  # CPU seconds of it, the encoder's apart


def test_a_unit_alone_takes_the_sum_of_its_steps():
    costs = replace(UNIT, read_bytes=50.0, written_bytes=30.0)
    made = simulate(1, costs, Cluster(cpus=1, encoders=1, storage=10.0))
    assert made.seconds == pytest.approx(0.01 + 5 + 4 + 2 + 1 + 1 + 3 + 0.02)
    assert made.commits == (pytest.approx(made.seconds),)


@pytest.mark.parametrize(
    ("what", "cluster", "costs", "rate"),
    [
        ("CPUs", Cluster(4, 4), UNIT, 4 * 100 / WORK),
        ("encoders", Cluster(64, 2), UNIT, 2 * 100 / 1.0),
        ("driver", Cluster(64, 64), replace(UNIT, commit=0.5), 100 / 0.51),
        ("storage", Cluster(64, 64, storage=1e3), replace(UNIT, read_bytes=400.0, written_bytes=100.0), 100 * 2),
    ],
)
def test_the_scarcest_thing_sets_the_rate_and_is_told_to_be_busy(what, cluster, costs, rate):
    made = simulate(2_000, costs, cluster)
    assert made.rate == pytest.approx(rate, rel=0.05)
    assert made.limit == what
    assert made.busy[what] > 0.95


def test_one_task_gets_no_more_of_the_storage_than_its_stream():
    costs = replace(UNIT, read_bytes=100.0)
    wide = simulate(1, costs, Cluster(1, 1, storage=1e6, stream=10.0))
    assert wide.seconds == pytest.approx(simulate(1, UNIT, Cluster(1, 1)).seconds + 10)


def test_an_encoder_on_a_cpu_takes_its_time_from_the_tasks():
    shared = simulate(50, UNIT, Cluster(cpus=2, encoders=1, gpu=False))
    assert shared.seconds >= 50 * (WORK + 1.0) / 2
    assert shared.seconds > simulate(50, UNIT, Cluster(cpus=2, encoders=1)).seconds


@given(
    units=st.integers(1, 40),
    cpus=st.integers(1, 8),
    encoders=st.integers(1, 4),
    steps=st.lists(st.floats(0.01, 5), min_size=6, max_size=6),
    gpu=st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_no_schedule_beats_its_bounds_or_loses_a_unit(units, cpus, encoders, steps, gpu):
    decode, draft, attend, write, submit, commit = steps
    made = simulate(units, UnitCosts(7, decode, draft, attend, write, submit, commit), Cluster(cpus, encoders, gpu=gpu))
    assert len(made.commits) == units
    assert list(made.commits) == sorted(made.commits)
    on_cores = decode + draft + write + (0 if gpu else attend)
    least = max(
        sum(steps), units * on_cores / cpus, units * attend / encoders if gpu else 0.0, units * (submit + commit)
    )
    # Encoders are dealt in turn: with few units, one of them has up to one more than its share.
    assert least * (1 - 1e-9) <= made.seconds <= units * sum(steps) * (1 + 1e-9)
    assert made.samples == 7 * units
    assert all(0 <= share <= 1 + 1e-9 for share in made.busy.values())
    assert made.flights <= max(2 * cpus, cpus + 2 * encoders) + 1e-9


def test_the_page_says_what_the_results_say():
    told = measures()
    assert not told.missing
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, told, Assumed()) == page, "python -m benchmarks.scale --write"


def test_a_result_that_lacks_is_named_and_the_page_stays(tmp_path):
    for part in {wanted.result for parts in WANTED.values() for wanted in parts} - {"images"}:
        figures = [{"what": w.what, "value": 1.0} for parts in WANTED.values() for w in parts if w.result == part]
        (tmp_path / f"{part}.json").write_text(json.dumps({"figures": figures}))
    call = [sys.executable, "-m", "benchmarks.scale", "--write", "--results", str(tmp_path)]
    before = PAGE.read_bytes()
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "images.json: JPEG: one image, decode" in done.stdout
    assert "whole.json" not in done.stdout
    assert PAGE.read_bytes() == before


@pytest.mark.parametrize("name", SECTIONS)
def test_a_page_without_a_section_is_an_error(name):
    marks = "\n".join(f"<!-- begin: {each} -->\n<!-- end: {each} -->" for each in SECTIONS)
    with pytest.raises(ValueError, match=f"no marks for {name}"):
        filled(marks.replace(f"end: {name} ", ""), measures(), Assumed())
