"""How fast batches come: the loader beside webdataset, litData, mosaicml-streaming and bare decoding.

    python -m benchmarks.loader                 four shards, one round
    python -m benchmarks.loader --size full     sixteen shards, five rounds
    python -m benchmarks.loader --no-peers      without litData and mosaicml-streaming

Shards of 512 grey JPEGs of 448 px as `build` writes them, with plans of generated studies; their grain gives them as
many bytes as radiographs have. Every way runs in a process of its own, in another order in each round. Five epochs in
each process: the first, in which the loader reads records and compares every shard's sha256, is told apart.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.loader_data import SIDE, make_dataset
from benchmarks.suite import HERE, Figure, Measured, run, side_by_side

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

ROUNDS, EPOCHS, BATCH = {"small": 1, "full": 5}, 5, 64
PEERS = {"litdata": "litData, 2 workers", "streaming": "mosaicml-streaming, 2 workers"}
TOLD = {
    "MixLoader": "MixLoader",
    "webdataset": "webdataset, 2 workers",
    "bare": "bare decoding on all cores, images dropped",
    "own": "MixLoader's decoder on all cores, images dropped",
    "undecoded": "MixLoader that decodes nothing: all its other work",
    **PEERS,
}
AT_LEAST = {"webdataset": 2.2, "bare": 0.95, "litdata": 1.0, "streaming": 1.0}
"""What the loader's rate is to be, of each other's."""


def measure(told: argparse.Namespace) -> list[Figure]:
    work = told.work / told.size
    make_dataset(work, told.size)
    pythons: dict[str, Path | str] = {way: sys.executable for way in TOLD if way not in PEERS}
    if told.peers:
        pythons |= {way: peers.python("streams") for way in PEERS}
        as_peers_want_them(work, pythons["litdata"])
    first: dict[str, list[float]] = {way: [] for way in pythons}

    def later(way: str) -> float:
        """Samples a second of the epochs behind the first."""
        rates = measured(pythons[way], way, work)
        first[way].append(rates[0])
        return statistics.median(rates[1:])

    ways = {way: lambda way=way: later(way) for way in pythons}
    rates = side_by_side(ways, told.rounds or ROUNDS[told.size])
    shards = list((work / "dataset" / "shards").iterdir())
    return [*figures(rates, {way: Measured(tuple(first[way])) for way in ways}), *about(shards)]


def figures(later: dict[str, Measured], first: dict[str, Measured]) -> list[Figure]:
    ours, unit = later["MixLoader"], "samples/s"
    others = [way for way in later if way in AT_LEAST]
    return [
        *(ours.over(later[way]).figure(f"MixLoader ÷ {TOLD[way]}", "×", at_least=AT_LEAST[way]) for way in others),
        first["MixLoader"].over(first["webdataset"]).figure("MixLoader ÷ webdataset, first epoch", "×"),
        *(later[way].over(later["webdataset"]).figure(f"{TOLD[way]} ÷ webdataset", "×") for way in ("bare", "own")),
        ours.over(later["own"]).figure(f"MixLoader ÷ {TOLD['own']}", "×"),
        *(rates.figure(TOLD[way], unit) for way, rates in later.items()),
        *(first[way].figure(f"{TOLD[way]}: first epoch", unit) for way in later),
    ]


def about(shards: list[Path]) -> list[Figure]:
    samples, held = 0, 0
    for path in shards:
        for size in jpegs(path):
            samples, held = samples + 1, held + size
    return [
        Figure("images", samples, ""),
        Figure("shards", len(shards), ""),
        Figure(f"bytes a pixel of an image of {SIDE} px", held / samples / SIDE**2, "B"),
    ]


def jpegs(shard: Path) -> list[int]:
    with tarfile.open(shard) as tar:
        return [member.size for member in tar if member.name.endswith(".jpg")]


def as_peers_want_them(work: Path, python: Path | str) -> None:
    """The images in the formats of litData and mosaicml-streaming, made once."""
    if not (work / "streaming" / "index.json").exists():
        command = [python, HERE / "loader_runs.py", "prepare", "--work", work]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(
                f"the images could not be written as litData and streaming want them:\n{done.stderr[-2000:]}"
            )


def measured(python: Path | str, way: str, work: Path) -> list[float]:
    """Samples per second of each epoch."""
    script = [python, HERE / "loader_runs.py", way, "--work", work, "--batch", BATCH, "--epochs", EPOCHS]
    # The peers' environments have not the project, nor may they see it: what they do is all theirs.
    path = "" if way in PEERS else os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(list(map(str, script)), capture_output=True, text=True, check=False, timeout=600, env=env)
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-2000:]}")
    rates: list[float] = json.loads(done.stdout.strip().splitlines()[-1])
    return rates


if __name__ == "__main__":
    run("loader", measure, __doc__, peers=True)
