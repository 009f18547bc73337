"""The soak: builds that are killed, starved and lied to, until every promise about crashes has been tried.

`python -m tests.faults` (or `make soak`) prints what was tried and what survived, and ends with 1 where anything was
lost. `--seed` draws other moments; `--points N` takes only so many fault points, `--kills N` so many kills on Ray; with
0 that part is left out.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.pipeline.secrets import KEY_VARIABLE
from tests.faults import cluster, on_ray, serial
from tests.faults.bench import Tally, set_up
from tests.faults.points import KILL
from tests.faults.server import served

if TYPE_CHECKING:
    from tests.faults.bench import Bench
    from tests.faults.server import Server

_WORKER_POINTS = (
    ("create scratch/part.parquet", KILL),
    ("rename scratch/encoder/model.safetensors", KILL),
    ("fsync scratch/unit.tar", KILL),
    ("fsync scratch/part.parquet", "EIO"),
    ("read source/images/*.png", "EIO"),
    ("create scratch/unit.parquet", "ENOSPC"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill builds, fill their disk, let their calls fail; build again.")
    parser.add_argument("--seed", type=int, default=1, help="draws moments and orders (default 1)")
    parser.add_argument("--points", type=int, help="so many fault points only (default all)")
    parser.add_argument("--kills", type=int, default=2, help="rounds of kills on Ray (default 2)")
    parser.add_argument("--jobs", type=int, default=2, help="builds in one process at a time (default 2)")
    asked = parser.parse_args()
    tally, draw, began = Tally(), random.Random(asked.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, ExitStack() as stack:
        os.environ[KEY_VARIABLE] = str(Path(folder) / "pseudonym.key")  # not that of the person who runs this
        Path(os.environ[KEY_VARIABLE]).write_bytes(bytes(range(32)))
        server = stack.enter_context(served())
        bench = set_up(Path(folder).resolve(), server)
        chosen = serial.trials(bench, draw)[: asked.points]
        _say(f"{len(chosen)} faults at {len({t.point for t in chosen})} points")
        serial.run(bench, chosen, tally, asked.jobs)
        if chosen:
            _say("disks that run full")
            serial.disk_full(bench, 8, draw, tally)
        if asked.kills:
            _on_ray(bench, server, draw, tally, asked.kills)
    return _verdict(tally, asked.seed, time.monotonic() - began)


def _on_ray(bench: Bench, server: Server, draw: random.Random, tally: Tally, kills: int) -> None:
    rays = on_ray.Rays(bench, server, draw, tally)
    for number in range(kills):
        _say(f"kills on Ray, {number + 1} of {kills}")
        on_ray.kill_what_it_outlives(rays, ["worker", "worker", "encoder actor"], 2 * number)
        on_ray.kill_what_it_outlives(rays, ["worker", "encoder actor", "encoder actor"], 2 * number + 1)
        for victim in ("driver", "raylet"):
            on_ray.kill_what_ends_it(rays, victim, number)
    for number, (point, action) in enumerate(_WORKER_POINTS[: 2 * kills]):
        _say(f"{action} in a worker: {point}")
        on_ray.fail_in_a_worker(rays, point, action, number)
    _say("Ctrl-C")
    on_ray.interrupt(rays, 0)
    _say("a worker outlives its build, and a node is lost")
    cluster.outlive(rays)
    cluster.lose_a_node(rays)
    rays.orphans_end()


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def _verdict(tally: Tally, seed: int, seconds: float) -> int:
    print(f"\nsurvived / tried, seed {seed}, {seconds / 60:.1f} minutes, {len(tally.points)} fault points reached")
    for table in tally.tried:
        print(f"{table}:")
        print("\n".join(tally.lines(table)))
    for what in tally.lost:
        print(f"LOST: {what}")
    killed = {t: n for t in tally.tried if "killed" in t or "node" in t for n in [sum(tally.tried[t].values())]}
    print(f"{sum(killed.values())} kills in all; {'nothing' if not tally.lost else len(tally.lost)} lost")
    return bool(tally.lost)


if __name__ == "__main__":
    sys.exit(main())
