"""Who meets whom: over some epochs of the loader, how many donors a host takes from, and how well samples are shuffled.

python benchmarks/partners.py DATASET                 a dataset that `build` made, ten epochs
python benchmarks/partners.py DATASET --epochs 20 --json out.json
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow.dataset as pads

from medcutmix_pipeline.loader import MixLoader


def plans_of(dataset: Path, split: str) -> dict[str, set[str]]:
    """The donors that each host's plans name."""
    table = pads.dataset(dataset / "plans").to_table(columns=["host_id", "donor_id", "split"]).to_pylist()
    donors = defaultdict(set)
    for row in table:
        if row["split"] == split:
            donors[row["host_id"]].add(row["donor_id"])
    return donors


def measure(dataset: Path, split: str, batch: int, epochs: int, pool_shards: int) -> dict[str, float]:
    allowed = plans_of(dataset, split)
    loader = MixLoader(dataset, batch, split=split, mix=1.0, image_size=16, pool_shards=pool_shards)
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
    return {
        "hosts with a plan": len(allowed),
        "mixed in an epoch, of hosts with a plan": sum(matched.values()) / epochs / len(allowed),
        "mixed rows, of all": sum(matched.values()) / rows,
        "epochs in which a host was mixed": float(np.mean([matched[host] for host in met])),
        "distinct donors that a host met": float(np.mean([len(donors) for donors in met.values()])),
        "distinct donors that its plans name": float(np.mean([len(allowed[host]) for host in met])),
        "met, of what epochs and plans allow": float(np.sum([len(met[h]) for h in met]) / np.sum(possible)),
        "hosts with a plan that were never mixed": len(allowed.keys() - met.keys()),
        "mean move from epoch to epoch, of a full shuffle's": float(np.mean(displaced)) * 3,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="How many donors a host meets over the epochs.")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pool-shards", type=int, default=4)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    figures = measure(asked.dataset, asked.split, asked.batch, asked.epochs, asked.pool_shards)
    for name, value in figures.items():
        print(f"{name:55} {value:.3f}" if isinstance(value, float) else f"{name:55} {value}")
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
