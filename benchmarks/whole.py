"""Whole builds of generated studies on Ray with two cores: time and memory over the size, and what a resume costs.

python -m benchmarks.whole                 200 and 1,000 studies
python -m benchmarks.whole --size full     2,000, 20,000 and 100,000 studies

Images are small (64 px) and the encoder is fitted in a few steps, so that what grows with the studies shows: listing,
reading reports, placing, pairing, writing, committing, finishing. Pieces of work are a quarter of the default's, so
that the smallest corpus keeps both cores busy. Each build runs in processes of its own; memory is the kernel's own
record of each process's peak. The time of a build is that of its process, start and fit included; the time *of its
studies* leaves out what is the same for every size: the start of the process and of Ray, and the fit.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.suite import Figure, run
from benchmarks.whole_runs import Run, watched
from medcutmix_pipeline.sources.phantom import generate

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

WORKERS = 2
SIZES = {"small": (200, 1_000), "full": (2_000, 20_000, 100_000)}
IMAGE_SIDE = 64
SETTINGS: dict[str, Any] = {
    "ingest": {"studies_per_part": 256},
    "attention": {"fit": {"max_images": 512, "image_size": 32, "steps": 30, "width": 16}},
    "shards": {"samples_per_shard": 128, "image_size": IMAGE_SIDE},
    "engine": {"workers": WORKERS},
}
FIXED = ("start", "gather", "fit")
"""Stages that take as long for every corpus."""


def measure(options: argparse.Namespace) -> list[Figure]:
    sizes = [int(n) for n in options.sizes.split(",")] if options.sizes else SIZES[options.size]
    tables = corpora(options.work, sizes)
    out = options.work / "dataset"
    runs: list[Run] = []
    for studies in sizes:
        shutil.rmtree(out, ignore_errors=True)
        runs.append(watched(settings(options.work, tables[studies]), out))
        print(told(studies, runs[-1]), flush=True)
    finished, last_step = resumed(settings(options.work, tables[sizes[-1]]), out)
    shutil.rmtree(out)
    full = options.size == "full"
    return [
        *growth(list(sizes), runs),
        *memory(list(sizes), runs),
        *resumes(sizes[-1], runs[-1], finished, last_step, full),
        *costs(list(sizes), runs),
    ]


def corpora(work: Path, sizes: tuple[int, ...] | list[int], side: int = IMAGE_SIDE) -> dict[int, Path]:
    """The tables of corpora of these sizes, each the beginning of the next; their files are made once and kept."""
    most = max(sizes)
    folder = work / f"studies-{most}-{side}"
    if not (folder / "truth.csv").is_file() or not (folder / "whole").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        generate(folder, most, seed=0, size=side, workers=WORKERS)
        (folder / "whole").touch()
    lines = (folder / "studies.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    tables = {}
    for studies in sizes:
        names = dict.fromkeys(line.split(",")[2] for line in lines[1:])
        kept = set(list(names)[:studies])
        tables[studies] = folder / f"first-{studies}.csv"
        rows = [line for line in lines[1:] if line.split(",")[2] in kept]
        tables[studies].write_text("".join([lines[0], *rows]), encoding="utf-8")
    return tables


def settings(work: Path, table: Path) -> dict[str, Any]:
    """Settings of a build of the studies in a table, under a key that is no user's."""
    key = work / "pseudonym.key"
    key.write_bytes(b"benchmark" * 8)
    return {**SETTINGS, "source": {"kind": "manifest", "root": str(table)}, "privacy": {"key_file": str(key)}}


def resumed(chosen: dict[str, Any], out: Path) -> tuple[Run, Run]:
    """`build` over a finished dataset, and over one that lacks its last step alone."""
    finished = watched(chosen, out)
    (out / "dataset.json").unlink()
    return finished, watched(chosen, out)


def linear(one: Run) -> float:
    """Seconds of the stages that go over all studies."""
    return sum(seconds for name, seconds in one.stages.items() if name not in FIXED)


def growth(sizes: list[int], runs: list[Run]) -> list[Figure]:
    """Time over the size."""
    each = [linear(one) / studies for studies, one in zip(sizes, runs, strict=True)]
    figures = [
        Figure(f"{studies:,} studies: time of the build", one.seconds, "s", note=breakdown(one))
        for studies, one in zip(sizes, runs, strict=True)
    ]
    figures += [
        Figure(f"{studies:,} studies: time of a study, over that at {sizes[0]:,}", per / each[0], "×", at_most=1.1)
        for studies, per in zip(sizes[1:], each[1:], strict=True)
    ]
    if len(sizes) > 2:
        steps = [
            (linear(b) - linear(a)) / (m - n) for n, m, a, b in zip(sizes, sizes[1:], runs, runs[1:], strict=False)
        ]
        what = f"one more study beyond {sizes[1]:,}, over one between {sizes[0]:,} and {sizes[1]:,}: time"
        figures.append(Figure(what, steps[1] / steps[0], "×", at_most=1.1))
    return figures


def memory(sizes: list[int], runs: list[Run]) -> list[Figure]:
    """Peaks of the driver and of any other process."""
    figures = []
    for what, peaks in (("driver", [r.driver for r in runs]), ("any other process", [r.worker for r in runs])):
        figures.append(Figure(f"{sizes[0]:,} studies: most memory of the {what}", peaks[0] / 1e6, "MB"))
        figures += [
            Figure(f"{studies:,} studies: the same, over that at {sizes[0]:,}", peak / peaks[0], "×", at_most=1.1)
            for studies, peak in zip(sizes[1:], peaks[1:], strict=True)
        ]
    return [replace(f, what=f.what.replace("the any", "any")) for f in figures]


def resumes(studies: int, whole: Run, finished: Run, last_step: Run, full: bool) -> list[Figure]:
    """What `build` costs again; the target is of the full size, where starting counts for little."""
    target = {"at_most": 0.05} if full else {}
    return [
        Figure(
            f"{studies:,} studies: {what}, over the build", r.seconds / whole.seconds, "×", note=breakdown(r), **target
        )
        for what, r in (("`build` again over all done", finished), ("`build` again, last step undone", last_step))
    ]


def costs(sizes: list[int], runs: list[Run]) -> list[Figure]:
    """What a build of millions is reckoned from (benchmarks/scale_inputs.py)."""
    one, studies = runs[-1], sizes[-1]
    shards, samples = one.told["shards"], one.told["samples"]
    grown = (one.driver - runs[-2].driver) / (studies - sizes[-2])
    return [
        Figure("samples of a study", samples / studies, "samples"),
        Figure("plans of a sample", one.told["plans"] / samples, "plans"),
        Figure("core-seconds of a study, all processes", one.cpu / studies, "s"),
        Figure("listing a study", one.stages["list"] / studies, "s"),
        Figure("reading the reports of a study, on a core", one.stages["read"] * WORKERS / studies, "s"),
        Figure("placing a sample", one.stages["place"] / samples, "s"),
        Figure("the driver's own work for a shard", one.driver_cpu["shards"] / shards, "s"),
        Figure("finishing, for a shard", one.stages["finish"] / shards, "s"),
        Figure("most memory of the driver, largest corpus", one.driver / 1e6, "MB"),
        Figure("more memory of the driver for one more study", max(0.0, grown), "B"),
        Figure("a sample of 64 px in the dataset", one.told["bytes"] / samples, "B"),
    ]


def told(studies: int, one: Run) -> str:
    """Some lines on a run."""
    peaks = ", ".join(f"{name} {peak / 1e6:.0f} MB" for name, peak in one.driver_peaks.items())
    busy = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in one.driver_cpu.items())
    return (
        f"{studies:,} studies: {one.seconds:.1f} s ({breakdown(one)})\n  the driver on a CPU: {busy}\n"
        f"  its peak so far: {peaks}\n  any other process at most {one.worker / 1e6:.0f} MB; {one.told}"
    )


def breakdown(one: Run) -> str:
    """Seconds of each stage."""
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in one.stages.items())


if __name__ == "__main__":
    run("whole", measure, __doc__, sizes="")
