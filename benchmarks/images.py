"""The build's way from image files to shards, beside a bare loop, Ray Data and img2dataset.

    python -m benchmarks.images                 the small size: hundreds of JPEGs, minutes
    python -m benchmarks.images --size full     thousands of JPEGs, and DICOM, plain and compressed
    python -m benchmarks.images --no-compare    the build and the bare loop alone; --kinds jpeg,dicom: these alone

All ways take the same generated files (chest films of 2544 × 3056 px as JPEG and as DICOM) to grey JPEGs of 448 px in
tars of equally many, on all cores, each in a process of its own. Every way runs over few files and over many, and its
rate is the difference of images by the difference of seconds: so what does not grow with the number of images, such as
starting Ray, processes and imports, does not count. Of the build, the stage `shards` counts: from image files to
committed shards, with pairing, maps and tables. Reading and placing reports come before it and have parts of their own,
so few of the studies have a finding, and the encoder costs nothing. What whole runs take is told apart.
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
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import peers
from benchmarks.films import write_films
from benchmarks.images_runs import QUALITY, SIDE
from benchmarks.suite import Figure, Measured, run, side_by_side

if TYPE_CHECKING:
    import argparse

    from benchmarks.films import Kind

HERE = Path(__file__).parent
TITLE: dict[Kind, str] = {"jpeg": "JPEG", "dicom": "DICOM", "dicom-jpeg2000": "DICOM in JPEG 2000"}
WAYS = {"build": "the build", "bare": "a bare loop", "ray-data": "Ray Data", "img2dataset": "img2dataset"}


PEERS = ("ray-data", "img2dataset")
"""Each in an environment of its own, of the same name."""


@dataclass(frozen=True)
class Load:
    """What is measured with: few and many files, of how many films that differ, and in shards of how many."""

    kind: Kind
    few: int
    many: int
    unit: int
    distinct: int
    ways: tuple[str, ...] = ("build", "bare", "ray-data")


ROUNDS = {"small": 1, "full": 3}
ALL = ("build", "bare", *PEERS)
SIZES: dict[str, tuple[Load, ...]] = {
    "small": (Load("jpeg", 240, 720, 30, 12, ALL),),
    "full": (
        Load("jpeg", 1024, 3072, 128, 48, ALL),
        Load("dicom", 512, 1536, 64, 24),
        Load("dicom-jpeg2000", 32, 96, 4, 8),
    ),
}
"""Few files are eight shards: more than a build decodes ahead of its encoder. With fewer, all of them would be decoded
while the encoder starts, and only the further ones of the many would cost time."""


@dataclass
class Runner:
    """Runs the ways over one load; keeps how long whole runs took."""

    load: Load
    work: Path
    folder: Path = field(init=False)
    whole: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.work / "films" / f"{self.load.kind}-{self.load.distinct}"
        write_films(self.folder, self.load.kind, self.load.many, self.load.distinct)

    def rate(self, way: str) -> float:
        """Images a second, beyond what it takes to start."""
        few, many = self._told(way, self.load.few), self._told(way, self.load.many)
        self.whole.setdefault(way, []).append(many["seconds"])
        return (self.load.many - self.load.few) / (many["path"] - few["path"])

    def _told(self, way: str, count: int) -> dict[str, float]:
        out = self.work / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        python = peers.python(way) if way in PEERS else sys.executable
        command = [python, "-m", "benchmarks.images_runs", way, "--images", self.folder]
        command += ["--count", count, "--out", out / "tars", "--unit", self.load.unit]
        # Ray lowers the priority of its workers, which on a machine with other work measures that work.
        quiet = {"RAY_worker_niceness": "0", "NO_ALBUMENTATIONS_UPDATE": "1"}
        env = {**quiet, **os.environ, "PYTHONPATH": str(HERE.parent)}
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False, timeout=1800, env=env, cwd=HERE.parent
        )
        if done.returncode:
            raise SystemExit(f"{way} failed:\n{done.stderr[-3000:]}")
        told: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
        if told["images"] != count:
            raise SystemExit(f"{way} made {told['images']} images of {count}")
        shutil.rmtree(out)
        return told


def measure(told: argparse.Namespace) -> list[Figure]:
    """Every load in turn; then where the time of one image goes."""
    figures = []
    for load in SIZES[told.size]:
        if told.kinds and load.kind not in told.kinds.split(","):
            continue
        ways = [way for way in load.ways if not (way in PEERS and not told.compare)]
        runner = Runner(load, told.work)
        rates = side_by_side({way: partial(runner.rate, way) for way in ways}, told.rounds or ROUNDS[told.size])
        figures += compared(TITLE[load.kind], rates)
        note = f"{load.many} images in shards of {load.unit}, from a cold start to the end"
        for way, seconds in runner.whole.items():
            whole = Measured(tuple(seconds))
            figures.append(whole.figure(f"{TITLE[load.kind]}: whole run, {WAYS[way]}", "s", note=note))
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
    for path in sorted(folder.iterdir())[: min(load.distinct, 24)]:
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
    run("images", measure, __doc__, compare=True, kinds="")
