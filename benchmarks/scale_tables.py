"""The tables of docs/scale.md, as functions of what is measured and what is assumed."""

from __future__ import annotations

import math

from benchmarks.scale_inputs import MEANING, MILLIONS, MIMIC, Assumed, Corpus, Measures
from benchmarks.schedule_sim import Cluster, Schedule, UnitCosts, simulate
from benchmarks.suite import number

UNIT = 512
GPUS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_UNITS_EACH = 8
"""A simulated build has at least so many units for each that is in flight, or all of the corpus's."""
_HOUR = 3600.0


def inputs(told: Measures, _: Assumed) -> str:
    """What is reckoned from."""
    rows = ["| what | measured | from |", "|---|---:|---|"]
    for name, (words, unit, scale) in MEANING.items():
        if name in told.values:
            rows.append(f"| {words} | {number(told[name] * scale)} {unit} | `{told.sources[name]}.json` |")
    return "\n".join(rows)


def assumptions(_: Measures, assumed: Assumed) -> str:
    """What is assumed of the cluster, with the option that changes it."""
    return "\n".join(
        [
            "| assumed, not measured | | option |",
            "|---|---:|---|",
            f"| CPUs for each GPU | {assumed.cpus_per_gpu} | `--cpus-per-gpu` |",
            f"| the storage, all together | {number(assumed.storage / 1e9)} GB/s | `--storage` |",
            f"| the storage, one task | {number(assumed.stream / 1e9)} GB/s | `--stream` |",
            f"| a source image | {number(assumed.file_bytes / 1e6)} MB | `--file-bytes` |",
        ]
    )


def gpu_images(told: Measures, assumed: Assumed) -> float:
    """Images a second that one GPU's encoder looks at."""
    return told["gpu"] if assumed.gpu_images is None else assumed.gpu_images


def unit_costs(told: Measures, assumed: Assumed) -> UnitCosts:
    """The costs of a shard whose encoder is on a GPU."""
    return UnitCosts(
        UNIT,
        decode=UNIT * told["decode"],
        draft=UNIT * told["draft"],
        attend=UNIT / gpu_images(told, assumed),
        write=UNIT * told["write"],
        submit=told["submit"],
        commit=told["commit"],
        read_bytes=UNIT * assumed.file_bytes,
        written_bytes=UNIT * told["dataset_bytes"],
    )


def ceilings(told: Measures, assumed: Assumed) -> str:
    """How many samples a second each thing allows, alone."""
    unit = unit_costs(told, assumed)
    core = (unit.decode + unit.draft + unit.write) / UNIT
    moved = (unit.read_bytes + unit.written_bytes) / UNIT
    seen = gpu_images(told, assumed)
    rows = [
        "| what | allows | because |",
        "|---|---:|---|",
        f"| one CPU | {number(1 / core)} samples/s | {number(core * 1e3)} core-ms a sample |",
        f"| one GPU | {number(seen)} samples/s | as {'measured' if assumed.gpu_images is None else 'assumed'}; "
        f"{number(seen * core)} CPUs keep it busy |",
        f"| the storage | {number(assumed.storage / moved)} samples/s | {number(moved / 1e6)} MB a sample, there and "
        "back |",
        f"| the driver | {number(UNIT / (unit.submit + unit.commit))} samples/s | "
        f"{number((unit.submit + unit.commit) * 1e3)} ms a shard of {UNIT} |",
    ]
    return "\n".join(rows)


def costs(told: Measures, assumed: Assumed) -> str:
    """What the two corpora cost."""
    lines: dict[str, list[str]] = {}
    for corpus in (MIMIC, MILLIONS):
        for name, value in cost(corpus, told, assumed).items():
            lines.setdefault(name, []).append(value)
    head = [f"| | {MIMIC.name} | {MILLIONS.name} |", "|---|---:|---:|"]
    return "\n".join([*head, *(f"| {name} | {' | '.join(values)} |" for name, values in lines.items())])


def cost(corpus: Corpus, told: Measures, assumed: Assumed) -> dict[str, str]:
    """One column of the table of costs."""
    studies, images, shards = corpus.studies, corpus.images, math.ceil(corpus.images / UNIT)
    core = {
        "reading reports": studies * told["read"],
        "images": images * told["decode"],
        "pairing and mixing": images * told["draft"],
        "writing": images * told["write"],
    }
    on_cpu = images * told["attend"]
    driver = {
        "listing": studies * told["list"],
        "placing": images * told["place"],
        "the driver's work for shards": shards * (told["submit"] + told["commit"]),
        "finishing": shards * told["finish"],
    }
    memory = told["driver_memory"] + told["driver_growth"] * max(0, studies - 100_000)
    return {
        "studies": f"{studies:,}",
        "images": f"{images:,}",
        "shards of 512": f"{shards:,}",
        **{f"core-hours: {name}": number(seconds / _HOUR) for name, seconds in core.items()},
        "**core-hours, encoder on GPUs**": f"**{number(sum(core.values()) / _HOUR)}**",
        "GPU-hours": number(images / gpu_images(told, assumed) / _HOUR),
        "core-hours more where the encoder runs on CPUs": number(on_cpu / _HOUR),
        **{f"minutes, one after the other: {name}": number(seconds / 60) for name, seconds in driver.items()},
        "minutes, one after the other: fitting the encoder": number(told["fit"] / 60),
        "memory of the driver": f"{number(memory / 1e9)} GB",
        "memory for each CPU": f"{number(told['worker_memory'] / 1e9)} GB",
        "read from the storage": f"{number(images * assumed.file_bytes / 1e12)} TB",
        "the dataset": f"{number(images * told['dataset_bytes'] / 1e12)} TB",
    }


def serial_seconds(corpus: Corpus, told: Measures) -> float:
    """Seconds of a build in which one process works, however many there are; its work for shards is in the schedule."""
    shards = math.ceil(corpus.images / UNIT)
    return corpus.studies * told["list"] + corpus.images * told["place"] + shards * told["finish"] + told["fit"]


def schedules(corpus: Corpus, told: Measures, assumed: Assumed) -> dict[int, Schedule]:
    """The shards of a corpus made on clusters of different sizes."""
    costs_of_unit = unit_costs(told, assumed)
    units = math.ceil(corpus.images / UNIT)
    made = {}
    for gpus in GPUS:
        cluster = Cluster(assumed.cpus_per_gpu * gpus, gpus, True, assumed.storage, assumed.stream)
        made[gpus] = simulate(min(units, _UNITS_EACH * cluster.window), costs_of_unit, cluster)
    return made


def schedule(corpus: Corpus, told: Measures, assumed: Assumed) -> str:
    """A build over the number of GPUs: how fast, what is busy, and how long all of it takes."""
    rows = [
        "| GPUs | CPUs | samples/s | of ideal | CPUs busy | GPUs | storage | driver | shards | all | one process |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    alone = serial_seconds(corpus, told)
    made = schedules(corpus, told, assumed)
    for gpus, one in made.items():
        busy = " | ".join(f"{one.busy[name]:.0%}" for name in ("CPUs", "encoders", "storage", "driver"))
        shards = corpus.images / one.rate
        whole = alone + corpus.studies * told["read"] / (assumed.cpus_per_gpu * gpus) + shards
        ideal = one.rate / (gpus * made[1].rate)
        rows.append(
            f"| {gpus} | {gpus * assumed.cpus_per_gpu:,} | {number(one.rate)} | {ideal:.0%} | {busy} | {hours(shards)} "
            f"| {hours(whole)} | {alone / whole:.0%} |"
        )
    return "\n".join([*rows, "", verdict(corpus, made, alone)])


def verdict(corpus: Corpus, made: dict[int, Schedule], alone: float) -> str:
    """Where it stops, and what is busiest there, in words."""
    good = [gpus for gpus, one in made.items() if one.rate >= 0.8 * gpus * made[1].rate]
    last = max(good)
    first = f"With 1 GPU, {_NAMES[made[1].limit]} are busiest." if made[1].limit != "storage" else ""
    if last == GPUS[-1]:
        stop = f"Making shards keeps four fifths of the ideal rate up to {last} GPUs."
    else:
        why = _reason(made[GPUS[GPUS.index(last) + 1]])
        stop = f"Making shards keeps four fifths of the ideal rate up to {last} GPUs; beyond, {why}."
    halves = next((g for g, one in made.items() if alone >= corpus.images / one.rate), None)
    amdahl = (
        f" From {halves} GPUs on, what one process does takes longer than the shards: more GPUs save little."
        if halves
        else ""
    )
    return f"{first} {stop}{amdahl}".strip()


_NAMES = {"CPUs": "the CPUs", "encoders": "the GPUs", "driver": "the driver", "storage": "the storage"}


def _reason(one: Schedule) -> str:
    if one.busy[one.limit] < 0.8:
        return "there are too few shards to keep all of it busy from beginning to end"
    verb = "are" if one.limit in ("CPUs", "encoders") else "is"
    return f"{_NAMES[one.limit]} {verb} busy {one.busy[one.limit]:.0%} of the time"


def hours(seconds: float) -> str:
    """A duration as a table tells it."""
    return f"{number(seconds / _HOUR)} h" if seconds >= _HOUR else f"{number(seconds / 60)} min"
