"""Who meets whom: over some epochs of the loader, how many donors a host takes from, and how well samples are shuffled.

python -m benchmarks.partners --openi ROOT        builds Open-I with the default settings, ten epochs
python -m benchmarks.partners --dataset DIR       a dataset that `build` made
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.dataset as pads
from rich.console import Console

from benchmarks.suite import Figure, run
from medcutmix_pipeline.loader import MixLoader
from medcutmix_pipeline.pipeline.build import build
from medcutmix_pipeline.pipeline.progress import Reporter
from medcutmix_pipeline.schemas.config import Config

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

SPLIT, BATCH = "train", 64


def plans_of(dataset: Path, split: str) -> dict[str, set[str]]:
    """The donors that each host's plans name."""
    table = pads.dataset(dataset / "plans").to_table(columns=["host_id", "donor_id", "split"]).to_pylist()
    donors = defaultdict(set)
    for row in table:
        if row["split"] == split:
            donors[row["host_id"]].add(row["donor_id"])
    return donors


def meetings(dataset: Path, epochs: int) -> list[Figure]:
    """Who met whom over some epochs in which every matched pair is mixed."""
    allowed = plans_of(dataset, SPLIT)
    loader = MixLoader(dataset, BATCH, split=SPLIT, mix=1.0, image_size=16)
    met, matched, displaced = defaultdict(set), Counter(), []
    place: dict[str, int] = {}
    rows = 0
    for epoch in range(epochs):
        loader.set_epoch(epoch)
        keys = []
        for one in loader:
            keys += one.keys
            for row in one.plan.active.nonzero()[:, 0].tolist():
                met[one.keys[row]].add(one.keys[int(one.plan.donor[row])])
                matched[one.keys[row]] += 1
        rows += len(keys)
        before, place = place, {key: i for i, key in enumerate(keys)}
        displaced += [abs(place[key] - i) / len(keys) for key, i in before.items() if key in place]
    possible = [min(matched[host], len(allowed[host])) for host in met]
    return [
        Figure("hosts with a plan", len(allowed), ""),
        Figure("epochs", epochs, ""),
        Figure("mixed in an epoch, of hosts with a plan", 100 * sum(matched.values()) / epochs / len(allowed), "%"),
        Figure("mixed rows, of all", 100 * sum(matched.values()) / rows, "%"),
        Figure("distinct donors that a host met", float(np.mean([len(donors) for donors in met.values()])), ""),
        Figure("distinct donors that its plans name", float(np.mean([len(allowed[host]) for host in met])), ""),
        Figure("met, of what plans and epochs allow", float(np.sum([len(met[h]) for h in met]) / np.sum(possible)), ""),
        Figure("hosts with a plan that were never mixed", len(allowed.keys() - met.keys()), ""),
        Figure("mean move from epoch to epoch, of a full shuffle's", float(np.mean(displaced)) * 3, "×"),
    ]


def measure(told: argparse.Namespace) -> list[Figure]:
    dataset = told.dataset or told.work / "dataset"
    if told.dataset is None:
        if told.openi is None:
            raise SystemExit("give a finished dataset with --dataset, or the folder of Open-I with --openi")
        config = Config.model_validate({"source": {"kind": "openi", "root": str(told.openi)}})
        with Reporter(Console(stderr=True)) as reporter:
            build(config, dataset, reporter)
    return meetings(dataset, told.epochs)


if __name__ == "__main__":
    run("partners", measure, __doc__, openi=None, dataset=None, epochs=10)
