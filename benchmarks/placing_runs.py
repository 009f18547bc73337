"""What the part `placing` measures, each in a process of its own: prints a JSON object.

    python -m benchmarks.placing_runs place STUDIES CORPUS POOL
    python -m benchmarks.placing_runs mix SHARDS CORPUS POOL

`place` deals the samples to shards, brings their rows together, and chooses donors in every shard on all cores. `mix`
drafts the plans of some shards whole, with reports mixed and read again. These are the functions that a build calls, in
processes that have loaded what a build's have. When donors are chosen, reports come read, from the pool; and mixing two
of them gives way to an answer that is always the same, and a refusal as often as `mix` finds one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import medcutmix_pipeline.pipeline.build  # noqa: F401  # what a build's driver has loaded
from benchmarks.placing_corpus import CONFIG, parts_of, the_pool
from medcutmix_pipeline.pipeline.corpus import load_corpus
from medcutmix_pipeline.pipeline.distribution import distribute
from medcutmix_pipeline.pipeline.layout import Layout
from medcutmix_pipeline.pipeline.placement import place_corpus
from medcutmix_pipeline.pipeline.work import placed_samples
from medcutmix_pipeline.schemas.records import Mix, Report
from medcutmix_pipeline.stages.pairing import draft
from medcutmix_pipeline.stages.sentences.reader import ReportReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.synchronize import Barrier

REFUSED = 6
"""One mix in so many is refused."""


def memory(kind: str = "VmHWM") -> int:
    """Bytes that this process holds at most (VmHWM) or now (VmRSS)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(kind)).split()[1]) * 1024


def place_and_pair(studies: int, layout: Layout, pool_folder: Path) -> dict[str, Any]:
    placed = place(layout, studies)
    paired = pair(layout, pool_folder)
    return {
        "seconds": {**placed["seconds"], "pair": paired["seconds"]},
        "loaded": max(placed["loaded"], paired["loaded"]),
        "peaks": [memory(), *paired["peaks"]],
        **{name: paired[name] for name in ("samples", "plans", "shards")},
    }


def place(layout: Layout, studies: int) -> dict[str, Any]:
    for path in (layout.work / "placed", layout.work / "placing", layout.scratch):
        shutil.rmtree(path, ignore_errors=True)
    loaded, start = memory("VmRSS"), time.perf_counter()
    corpus = load_corpus(layout, parts_of(studies))
    counted = time.perf_counter()
    placing = place_corpus(layout, corpus, CONFIG, CONFIG.attention.fit.max_images)
    dealt = time.perf_counter()
    distribute(layout, corpus, placing, lambda _: None)
    done = time.perf_counter()
    seconds = {"count": counted - start, "deal": dealt - counted, "distribute": done - dealt}
    return {"seconds": seconds, "loaded": loaded}


class PoolReader:
    """In place of a reader: reports of the pool, as they were read."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self.findings = ReportReader(CONFIG.sentences).findings
        self._reports = {report.text: report for report in reports}

    def read_many(self, texts: Sequence[str]) -> list[Report]:
        return [self._reports[text] for text in texts]


class Answers:
    """In place of mixing two reports."""

    def __init__(self) -> None:
        self._asked = 0
        self._mix = Mix((), "", {})

    def __call__(self, *_: object) -> Mix | str:
        self._asked += 1
        return "refused" if self._asked % REFUSED == 0 else self._mix


_worker: dict[str, Any] = {}


def begin(pool_folder: Path, ready: Barrier) -> None:
    _worker["reader"] = PoolReader(the_pool(pool_folder).reports)
    draft.compose = Answers()
    _worker["loaded"] = memory("VmRSS")
    ready.wait()


def pair_unit(layout: Layout, unit: str) -> tuple[int, int, int, int, int]:
    samples = placed_samples(layout.placed(unit))
    made = draft.draft_plans(samples, CONFIG, _worker["reader"])
    return os.getpid(), memory(), _worker["loaded"], len(samples), len(made.plans)


def pair(layout: Layout, pool_folder: Path) -> dict[str, Any]:
    units = units_of(layout)
    context, processes = multiprocessing.get_context("spawn"), len(os.sched_getaffinity(0))
    ready = context.Barrier(processes + 1)
    with context.Pool(processes, begin, (pool_folder, ready)) as pool:
        ready.wait()
        start = time.perf_counter()
        peaks: dict[int, int] = {}
        loaded = samples = plans = 0
        for process, peak, before, some, more in pool.imap_unordered(partial(pair_unit, layout), units, chunksize=4):
            peaks[process] = max(peak, peaks.get(process, 0))
            loaded, samples, plans = max(loaded, before), samples + some, plans + more
        seconds = time.perf_counter() - start
    found = {"samples": samples, "plans": plans, "shards": len(units), "loaded": loaded}
    return {"seconds": seconds, "peaks": [*peaks.values()], **found}


def mix(shards: int, layout: Layout, pool_folder: Path) -> dict[str, Any]:
    reader = PoolReader(the_pool(pool_folder).reports)
    units = [placed_samples(layout.placed(unit)) for unit in units_of(layout, "train")[: shards + 1]]
    real = ReportReader(CONFIG.sentences)
    real.read_many = reader.read_many  # type: ignore[method-assign]
    draft.draft_plans(units[0], CONFIG, real)  # a worker has seen most sentences before
    start = time.perf_counter()
    made = [draft.draft_plans(samples, CONFIG, real) for samples in units[1:]]
    plans, dropped = sum(len(each.plans) for each in made), sum(each.dropped.total() for each in made)
    return {"seconds": time.perf_counter() - start, "plans": plans, "dropped": dropped}


def units_of(layout: Layout, split: str = "") -> list[str]:
    return sorted(path.stem for path in (layout.work / "placed").glob(f"{split}*.parquet"))


if __name__ == "__main__":
    way, count, folder, pool_there = sys.argv[1:]
    run = {"place": place_and_pair, "mix": mix}[way]
    print(json.dumps(run(int(count), Layout(Path(folder)), Path(pool_there))))
