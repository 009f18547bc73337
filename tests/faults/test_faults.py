"""A small draw of the soak (`make soak`): whatever ends a build, building again gives the undisturbed bytes."""

import random

import pytest

from tests.faults import on_ray, serial
from tests.faults.bench import Tally, disturbed, set_up
from tests.faults.cluster import lose_a_node
from tests.faults.points import KILL, Fault
from tests.faults.server import served
from tests.pipeline import fitted_once

SEED = 8


@pytest.fixture(scope="module")
def server(built):
    """It knows an encoder that was really fitted, once for all of these builds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(fitted_once.FOLDER, str(built / "encoder"))
        with served() as running:
            yield running


@pytest.fixture(scope="module")
def bench(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    return set_up(folder, server, studies=24, attention={"encoder": fitted_once.NAME})


@pytest.fixture
def rays(bench, server):
    return on_ray.Rays(bench, server, random.Random(SEED), Tally())


def test_a_build_reaches_every_step_of_a_commit(bench):
    """What the soak kills it at; a step that is not reached would not be tried."""
    reached = set().union(*(start.reached for start in bench.starts))
    files = ("candidates/part", "sentences/part", "shards/unit", "plans/unit", "samples/unit", "pixel/unit")
    for kind in ("tar", "parquet"):
        assert {f"rename {f}.{kind}" for f in files if (kind == "tar") == f.startswith(("shards", "pixel"))} <= reached
    for mark in ("part", "unit", "unit.pixel"):
        assert {f"{call} done/{mark}.json" for call in ("remove", "rename")} <= reached
        assert {f"{call} scratch/{mark}.json" for call in ("create", "write", "fsync")} <= reached
    for call in ("remove", "rename", "fsync"):
        assert f"{call} {'.' if call == 'fsync' else 'dataset.json'}" in reached


def test_a_fault_at_any_call_costs_time_only(bench, server):
    drawn = serial.trials(bench, random.Random(SEED))
    kills = [t for t in drawn if t.action == KILL][:4]
    failing = [next(t for t in drawn if t.action != KILL and t.operation == o) for o in ("fsync", "rename", "read")]
    for trial in kills + failing:
        out = bench.folder / "trial"
        fault = Fault(str(out), str(bench.studies), trial.point, trial.nth, trial.action)
        disturbed(bench, server, out, trial.start.name, fault=vars(fault))


def test_where_files_cannot_grow_any_more_the_build_says_so_and_goes_on_later(bench, server):
    assert disturbed(bench, server, bench.folder / "small", "nothing", largest_file=20_000)


def test_a_worker_and_an_encoder_that_are_killed_cost_time_only(rays):
    on_ray.kill_what_it_outlives(rays, ["worker", "encoder actor"], 0)
    assert rays.tally.lost == []


@pytest.mark.slow
def test_a_node_that_is_lost_costs_time_only(rays):
    lose_a_node(rays, times=1)
    assert rays.tally.lost == []
