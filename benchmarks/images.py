"""The build's way from image files to shards, beside a bare loop, Ray Data and img2dataset.

    python -m benchmarks.images                 the small size: minutes
    python -m benchmarks.images --size full     thousands of images, compressed DICOM as well
    python -m benchmarks.images --no-compare    the build and the bare loop alone

All ways take the same generated files (chest films of 2544 × 3056 px as JPEG and as DICOM) to grey JPEGs of 448 px in
tars of equally many, on all cores, each in a process of its own. Rates are taken between commits: the slope of images
committed over time, without the first commits and the last, so that neither starting processes nor the time when some
of them have run out of work counts. What whole runs take, from a cold start to the end, is told apart. The build does
all that it does (reports, placing, pairing, tables), but few of the studies have a finding, and its encoder costs
nothing: text and attention have parts of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import peers
from benchmarks.films import write_films
from benchmarks.images_runs import CORES, QUALITY, SIDE
from benchmarks.suite import Figure, Measured, run, side_by_side

if TYPE_CHECKING:
    import argparse

    from benchmarks.films import Kind

HERE = Path(__file__).parent
TITLE: dict[Kind, str] = {"jpeg": "JPEG", "dicom": "DICOM", "dicom-jpeg2000": "DICOM in JPEG 2000"}
WAYS = {"build": "the build", "bare": "a bare loop", "ray-data": "Ray Data", "img2dataset": "img2dataset"}


@dataclass(frozen=True)
class Load:
    """What is measured with: how many files, of how many films that differ, in shards of how many."""

    kind: Kind
    count: int
    distinct: int
    unit: int
    ways: tuple[str, ...]


PEERS = ("ray-data", "img2dataset")
"""Each in an environment of its own, of the same name."""
OURS = ("build", "bare", "ray-data")
# Ten shards each: img2dataset's processes are started anew after five.
SIZES: dict[str, tuple[Load, ...]] = {
    "small": (
        Load("jpeg", 640, 24, 64, (*OURS, "img2dataset")),
        Load("dicom", 160, 8, 16, OURS),
    ),
    "full": (
        Load("jpeg", 2560, 96, 256, (*OURS, "img2dataset")),
        Load("dicom", 960, 24, 96, OURS),
        Load("dicom-jpeg2000", 80, 8, 8, OURS),
    ),
}


@dataclass
class Runner:
    """Runs the ways over one load; keeps how long whole runs took."""

    load: Load
    work: Path
    folder: Path = field(init=False)
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.work / "films" / f"{self.load.kind}-{self.load.distinct}"
        write_films(self.folder, self.load.kind, self.load.count, self.load.distinct)

    def rate(self, way: str) -> float:
        """Images a second, between commits."""
        out = self.work / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        python = sys.executable if way not in PEERS else peers.python(way)
        command = [python, "-m", "benchmarks.images_runs", way, "--images", self.folder]
        command += ["--count", self.load.count, "--out", out / "tars", "--unit", self.load.unit]
        # Ray lowers the priority of its workers, which on a machine with other work measures that work.
        env = {"RAY_worker_niceness": "0", **os.environ, "PYTHONPATH": str(HERE.parent)}
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False, timeout=1800, env=env, cwd=HERE.parent
        )
        if done.returncode:
            raise SystemExit(f"{way} failed:\n{done.stderr[-3000:]}")
        told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        got = sum(count for _, count in told["commits"])
        if got != self.load.count:
            raise SystemExit(f"{way} made {got} images of {self.load.count}")
        self.seconds.setdefault(way, []).append(told["ended"] - told["started"])
        shutil.rmtree(out)
        return slope(told["commits"])


def slope(commits: list[list[float]]) -> float:
    """Images a second: the least-squares slope of images committed over time, without the first and last commits."""
    if len(commits) < 2 * CORES + 4:
        raise SystemExit(f"{len(commits)} commits are too few to take a rate from")
    when, counts = np.array(sorted(commits)).T
    middle = slice(CORES, len(when) - CORES)
    return float(np.polyfit(when[middle] - when[0], np.cumsum(counts)[middle], 1)[0])


def measure(told: argparse.Namespace) -> list[Figure]:
    """Every load in turn; then where the time of one image goes."""
    figures = []
    for load in SIZES[told.size]:
        ways = [way for way in load.ways if not (way in PEERS and not told.compare)]
        runner = Runner(load, told.work)
        rates = side_by_side({way: partial(runner.rate, way) for way in ways}, told.rounds or 3)
        figures += compared(TITLE[load.kind], rates)
        whole = {way: Measured(tuple(seconds)) for way, seconds in runner.seconds.items()}
        note = f"{load.count} images, shards of {load.unit}, from a cold start to the end"
        figures += [
            each.figure(f"{TITLE[load.kind]}: whole run, {WAYS[way]}", "s", note=note) for way, each in whole.items()
        ]
        figures += profile(load, runner.folder)
    return figures


def compared(title: str, rates: dict[str, Measured]) -> list[Figure]:
    """The rate of each way, and the build's beside each of the others."""
    figures = [each.figure(f"{title}: {WAYS[way]}", "images/s") for way, each in rates.items()]
    for way, least in (("bare", 0.92), ("ray-data", 1.0), ("img2dataset", 1.0)):
        if way in rates:
            ratio = rates["build"].over(rates[way])
            figures.append(ratio.figure(f"{title}: the build beside {WAYS[way]}", "×", at_least=least))
    return figures


def profile(load: Load, folder: Path) -> list[Figure]:
    """What each step of one image costs one core, by a loop over some files in this process: milliseconds."""
    from medcutmix_pipeline.schemas.config import IngestConfig
    from medcutmix_pipeline.sources.reading import read_bytes
    from medcutmix_pipeline.stages.ingest import decode, encode, square

    config, times, sizes = IngestConfig(), [], []
    for path in sorted(folder.iterdir())[: load.distinct]:
        marks = [time.perf_counter()]
        data = read_bytes(str(path), config.max_bytes)
        marks.append(time.perf_counter())
        pixels = decode(data, config, at_least=SIDE)
        marks.append(time.perf_counter())
        stored = square(pixels, SIDE, "pad")
        marks.append(time.perf_counter())
        encoded = encode(stored, "jpg", QUALITY)
        marks.append(time.perf_counter())
        times.append(np.diff(marks) * 1000)
        sizes.append((len(data), len(encoded)))
    steps = zip(("read", "decode", "resize", "encode"), np.array(times).T, strict=True)
    figures = [Measured(tuple(each)).figure(f"{TITLE[load.kind]}: one image, {step}", "ms") for step, each in steps]
    for name, each in zip(("file", "stored image"), np.array(sizes).T / 1e3, strict=True):
        figures.append(Measured(tuple(each)).figure(f"{TITLE[load.kind]}: size of a {name}", "kB"))
    return figures


if __name__ == "__main__":
    run("images", measure, __doc__, compare=True)
