"""Placing and pairing on synthetic corpora of up to ten million studies: time, and memory of every process.

    python -m benchmarks.placing                 50,000 and 100,000 studies
    python -m benchmarks.placing --size full     100,000, 1,000,000 and 10,000,000; takes 20 GB of disk

Placing counts the findings, deals the samples to shards and brings the rows of every shard together. Pairing chooses
the donors in every shard, down to each plan's name and λ. Reading reports, mixing them and all of the images are left
out, as they are work within a shard; what mixing costs is told beside.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.placing_corpus import make_corpus
from benchmarks.suite import Figure, Measured, run, side_by_side
from medcutmix_pipeline.pipeline.machine import cpus

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

SIZES = {"small": (50_000, 100_000), "full": (100_000, 1_000_000, 10_000_000)}
ROUNDS = {"small": 1, "full": 3}
MIXED = {"small": 2, "full": 8}
"""Shards of which the plans are drafted whole."""
MILLION = 1_000_000
ONCE = 10 * MILLION
"""A corpus of this size is measured once: it takes as long as ten rounds of the next smaller one."""


@dataclass
class Corpus:
    """A corpus of some size, and what its runs told."""

    studies: int
    folder: Path
    pool: Path
    told: list[dict[str, Any]] = field(default_factory=list)

    def measure(self) -> float:
        """Place and pair once; seconds."""
        self.told.append(child("place", self.studies, self.folder, self.pool))
        return float(sum(self.told[-1]["seconds"].values()))

    @property
    def peak(self) -> Measured:
        """The most that any process held, in GB, by rounds."""
        return Measured(tuple(max(told["peaks"]) / 1e9 for told in self.told))

    @property
    def together(self) -> Measured:
        """The sum of what each process held at most, in GB, by rounds."""
        return Measured(tuple(sum(told["peaks"]) / 1e9 for told in self.told))

    @property
    def note(self) -> str:
        """Where the time went and what the processes had loaded beforehand, in words."""
        last = self.told[-1]
        steps = {name: median(told["seconds"][name] for told in self.told) for name in last["seconds"]}
        loaded = max(told["loaded"] for told in self.told) / 1e9
        spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in steps.items())
        return (
            f"{spent}; {last['samples']:,} samples, {last['shards']:,} shards, {last['plans']:,} plans; "
            f"of the memory, {loaded:.2f} GB is what a process had loaded before"
        )


def measure(options: argparse.Namespace) -> list[Figure]:
    pool = options.work / "pool"
    corpora = [Corpus(n, options.work / f"{n}", pool) for n in SIZES[options.size]]
    for corpus in corpora:
        make_corpus(corpus.folder, pool, corpus.studies, cpus())
    rounds = options.rounds or ROUNDS[options.size]
    often = {str(corpus.studies): corpus.measure for corpus in corpora if corpus.studies < ONCE}
    seconds = side_by_side(often, rounds)
    seconds |= {str(c.studies): Measured((c.measure(),)) for c in corpora if c.studies >= ONCE}
    mixed = child("mix", MIXED[options.size], corpora[0].folder, pool)
    figures = [figure for corpus in corpora for figure in of_size(corpus, seconds[str(corpus.studies)])]
    figures += growth(corpora, seconds)
    figures.append(mixing(mixed))
    clean_up(corpora)
    return figures


def of_size(corpus: Corpus, seconds: Measured) -> list[Figure]:
    """Time and memory for one corpus."""
    million = corpus.studies == MILLION
    name = f"{corpus.studies:,} studies"
    return [
        seconds.figure(f"{name}: place and pair", "s", at_most=60 if million else None, note=corpus.note),
        corpus.peak.figure(f"{name}: peak memory of any process", "GB", at_most=1.5 if million else None),
        corpus.together.figure(f"{name}: peak memory of all processes together", "GB"),
    ]


def growth(corpora: list[Corpus], seconds: dict[str, Measured]) -> list[Figure]:
    """How time and memory grow from each corpus to the next."""
    figures = []
    for small, large in pairwise(corpora):
        times = large.studies / small.studies
        longer = seconds[str(large.studies)].median / seconds[str(small.studies)].median
        figures.append(Figure(f"{times:.0f} × the studies ({large.studies:,}): time", longer, "×", at_most=1.1 * times))
        flat = 1.2 if small.studies >= MILLION else None
        more = large.peak.median / small.peak.median
        what = f"{times:.0f} × the studies ({large.studies:,}): peak memory of any process"
        figures.append(Figure(what, more, "×", at_most=flat))
    return figures


def mixing(told: dict[str, Any]) -> Figure:
    """What pairing leaves out."""
    mixes = told["plans"] + told["dropped"]
    note = f"not in the times above: reports are mixed and read again; {told['plans'] / mixes:.0%} become plans"
    return Figure("mixes drafted whole on one core", mixes / told["seconds"], "mixes/s", note=note)


def child(way: str, count: int, folder: Path, pool: Path) -> dict[str, Any]:
    """What a run in a process of its own told."""
    command = [sys.executable, "-m", "benchmarks.placing_runs", way, str(count), str(folder), str(pool)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def clean_up(corpora: list[Corpus]) -> None:
    """Corpora are kept, those of many gigabytes and what was placed are not."""
    for corpus in corpora:
        shutil.rmtree(corpus.folder / ".build" / "work" / "placed", ignore_errors=True)
        if corpus.studies >= MILLION:
            shutil.rmtree(corpus.folder)


if __name__ == "__main__":
    run("placing", measure, __doc__)
