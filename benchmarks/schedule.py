"""What the stages of a build cost, and whether the simulated schedule tells how a real build goes.

python -m benchmarks.schedule                 160 studies
python -m benchmarks.schedule --size full     1,600 studies

Two builds of one process each run at once, so that both cores are as busy as in a build on Ray, and every stage is
timed in them, call by call, in seconds of CPU. From these times the schedule of a build on Ray with two CPUs is
simulated (benchmarks/schedule_sim.py), and that build is made: both give samples a second, between their first and
last commit.
`python -m benchmarks.scale` reckons from the result what builds cost on clusters.
"""

from __future__ import annotations

import shutil
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.schedule_sim import Cluster, UnitCosts, simulate
from benchmarks.suite import Figure, Measured, run
from benchmarks.whole import corpora
from benchmarks.whole_runs import Run, watched

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

CORES = 2
SIDE = 512
STUDIES = {"small": 160, "full": 1_600}
UNIT = {"small": 16, "full": 64}
ROUNDS = {"small": 1, "full": 2}
DEFAULT_UNIT = 512
_FITTED_ON, _STEPS = 64, 30
STAGES = {
    "decode": "ingest_rows",
    "draft": "draft_unit",
    "attend": "attend_unit",
    "write": "write_unit",
}
"""Stages of a unit, and the functions that are timed for them."""


@dataclass(frozen=True)
class Costs:
    """Seconds a sample of each stage, and of the driver a shard: its own work, and a commit as far as it waits."""

    stages: dict[str, float]
    driver: float
    commit: float

    def unit(self, samples: int) -> UnitCosts:
        """The costs of a shard of so many samples."""
        each = {name: seconds * samples for name, seconds in self.stages.items()}
        return UnitCosts(samples, **each, submit=self.driver, commit=self.commit)


def measure(options: argparse.Namespace) -> list[Figure]:
    studies, unit = STUDIES[options.size], UNIT[options.size]
    table = corpora(options.work, (studies,), SIDE)[studies]
    ratios, simulated, measured = [], [], []
    for _ in range(options.rounds or ROUNDS[options.size]):
        alone = timed_alone(options.work, table, unit)
        real = built(options.work, table, unit, "ray")
        costs = costs_of(alone, real)
        schedule = simulate(real.told["shards"], costs.unit(round(real.told["samples"] / real.told["shards"])), TWO)
        simulated.append(rate(schedule.commits, schedule.samples))
        measured.append(rate(commits(options.work / "ray"), real.told["samples"]))
        ratios.append(simulated[-1] / measured[-1])
        shutil.rmtree(options.work / "ray")
    figures = [
        Measured(tuple(measured)).figure("a build on two CPUs, between commits", "samples/s"),
        Measured(tuple(simulated)).figure("the same, simulated from the times of its stages", "samples/s"),
        Measured(tuple(ratios)).figure("simulated over measured", "×"),
        *told(costs, f"shards of {unit}"),
        *driver_told(costs, f"shards of {unit}"),
        Figure("most memory of a worker", real.worker / 1e6, "MB"),
        Figure("a sample of 448 px in the dataset", real.told["bytes"] / real.told["samples"] / 1e3, "kB"),
    ]
    if options.size == "full":
        large = timed_alone(options.work, table, DEFAULT_UNIT)
        figures += told(costs_of(large, real), f"shards of {DEFAULT_UNIT}")
    return figures


TWO = Cluster(cpus=CORES, encoders=1, gpu=False)


def timed_alone(work: Path, table: Path, unit: int) -> list[Run]:
    """As many serial builds at once as there are cores."""
    with ThreadPoolExecutor(CORES) as pool:
        return list(pool.map(lambda n: built(work, table, unit, f"serial-{n}"), range(CORES)))


def built(work: Path, table: Path, unit: int, engine: str) -> Run:
    """One build; what a serial one made is removed."""
    out = work / engine
    shutil.rmtree(out, ignore_errors=True)
    one = watched(settings(work, table, unit, engine.partition("-")[0]), out)
    if engine != "ray":
        shutil.rmtree(out)
    return one


def settings(work: Path, table: Path, unit: int, engine: str) -> dict[str, Any]:
    """The default's, but for a short fit and the size of shards."""
    key = work / "pseudonym.key"
    key.write_bytes(b"benchmark" * 8)
    return {
        "source": {"kind": "manifest", "root": str(table)},
        "privacy": {"key_file": str(key)},
        "attention": {"fit": {"max_images": _FITTED_ON, "steps": _STEPS}},
        "shards": {"samples_per_shard": unit},
        "engine": {"kind": engine, "workers": CORES},
    }


def costs_of(alone: list[Run], real: Run) -> Costs:
    """The means over the serial builds; of the driver, its CPU in the build on Ray, and waiting in commits."""
    stages = {}
    for name, function in STAGES.items():
        # Before the fit, the images to fit on are decoded once more.
        more = _FITTED_ON if name == "decode" else 0
        stages[name] = statistics.mean(one.told["calls"][function][1] / (one.told["samples"] + more) for one in alone)
    wall, cpu, calls = real.told["calls"]["commit"]
    shards = real.told["shards"]
    # All commits are alike: those of parts and of the encoder are counted as those of shards.
    own = max(0.0, real.driver_cpu["shards"] - cpu * shards / calls)
    return Costs(stages, own / shards, wall / calls)


def commits(out: Path) -> list[float]:
    """When each shard was marked done, seconds."""
    names = [path.stem for path in (out / "shards").glob("*.tar")]
    return [(out / ".build" / "done" / f"{name}.json").stat().st_mtime for name in names]


def rate(ends: tuple[float, ...] | list[float], samples: int) -> float:
    """Samples a second: the slope of shards committed over time, without the first and the last of each core."""
    when = np.sort(np.array(ends))
    middle = slice(CORES, len(when) - CORES)
    per_shard = samples / len(when)
    return float(np.polyfit(when[middle] - when[0], np.arange(len(when))[middle], 1)[0] * per_shard)


def told(costs: Costs, where: str) -> list[Figure]:
    """The costs of the stages as lines of the table."""
    return [
        Figure(f"{name} a sample of {SIDE} px, {where}", seconds * 1e3, "ms") for name, seconds in costs.stages.items()
    ]


def driver_told(costs: Costs, where: str) -> list[Figure]:
    """The costs of the driver as lines of the table."""
    return [
        Figure(f"driver: a shard's tasks and outcome, {where}", costs.driver * 1e3, "ms"),
        Figure(f"driver: committing a shard, {where}", costs.commit * 1e3, "ms"),
    ]


if __name__ == "__main__":
    run("schedule", measure, __doc__)
