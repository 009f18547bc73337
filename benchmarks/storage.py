"""What plans add to shards, beside images alone and beside records that hold copies of their donors.

    python -m benchmarks.storage                 the small size: one shard
    python -m benchmarks.storage --size full     eight shards

Generated studies are built as ever, their pictures brought to 448 px with a film's grain first, so that images have as
many bytes as real ones. Then each shard is written once more in two other layouts, with the same images and reports:
without plans and maps, and with a copy of each donor's image and map in the record of every host that names it.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from rich.console import Console

from benchmarks.films import grained
from benchmarks.suite import Figure, run
from medcutmix_pipeline.pipeline.build import build
from medcutmix_pipeline.pipeline.progress import Reporter
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.sources.phantom import generate
from medcutmix_pipeline.stages.shards.tar import npy_bytes, read_tar, write_tar

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

SIDE, DRAWN = 448, 128
WHY = "an image of so few bytes leaves plans 1 kB a sample, which one map of the fitted encoder takes alone"
STUDIES = {"small": 360, "full": 2900}

Sample = tuple[str, dict[str, bytes]]
"""A sample of a shard: its key, and its members by suffix."""


def make_dataset(work: Path, studies: int) -> Path:
    """A dataset of generated studies with the default settings; only its encoder is fitted in few steps."""
    out = work / f"dataset-{studies}"
    if (out / "dataset.json").exists():
        return out
    source = work / "studies"
    shutil.rmtree(source, ignore_errors=True)
    generate(source, studies, seed=11, size=DRAWN)
    with (source / "studies.csv").open(newline="") as file:
        pictures = [source / row["image"] for row in csv.DictReader(file)]
    for number, path in enumerate(pictures):
        with Image.open(path) as drawn:
            enlarged = drawn.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        Image.fromarray(grained(np.asarray(enlarged), number)).save(path, compress_level=1)
    config = Config.model_validate(
        {
            "source": {"kind": "phantom", "root": str(source)},
            "attention": {"fit": {"steps": 20, "max_images": 256}},
            "shards": {"image_size": SIDE},
        }
    )
    with Reporter(Console(stderr=True)) as reporter:
        build(config, out, reporter)
    shutil.rmtree(source)
    return out


def images_alone(shard: list[Sample]) -> list[Sample]:
    """The shard as it would be without plans: image, report, and the record without maps and plans."""
    return [
        (key, {"jpg": files["jpg"], "txt": files["txt"], "json": _record(files, maps=[], plans=[])})
        for key, files in shard
    ]


def at_most(shard: list[Sample], most: int) -> list[Sample]:
    """The shard with the first plans of each host, and the maps that those need."""
    plans = [json.loads(files["json"])["plans"][:most] for _, files in shard]
    needed: list[set[int]] = [{plan["host_map"] for plan in own} for own in plans]
    for plan in (plan for own in plans for plan in own):
        needed[plan["donor"]].add(plan["donor_map"])
    places = [{old: new for new, old in enumerate(sorted(own))} for own in needed]
    trimmed = []
    for place, (key, files), own in zip(places, shard, plans, strict=True):
        moved = [
            plan | {"host_map": place[plan["host_map"]], "donor_map": places[plan["donor"]][plan["donor_map"]]}
            for plan in own
        ]
        maps = json.loads(files["json"])["maps"]
        kept = {"jpg": files["jpg"], "txt": files["txt"]}
        kept["json"] = _record(files, maps=[maps[old] for old in place], plans=moved)
        if place:
            kept["attn.npy"] = npy_bytes(_maps(files)[list(place)])
        trimmed.append((key, kept))
    return trimmed


def embedded(shard: list[Sample]) -> list[Sample]:
    """The shard in which each record holds its donors: each donor's image once, and the map that each plan names."""
    made = []
    for key, files in shard:
        plans = json.loads(files["json"])["plans"]
        own = sorted({plan["host_map"] for plan in plans})
        donors = sorted({plan["donor"] for plan in plans})
        members = {"jpg": files["jpg"], "txt": files["txt"], "json": files["json"]}
        maps = [_maps(files)[own]] if own else []
        maps += [_maps(shard[plan["donor"]][1])[[plan["donor_map"]]] for plan in plans]
        if maps:
            members["attn.npy"] = npy_bytes(np.concatenate(maps))
        for number, donor in enumerate(donors):
            members[f"donor{number}.jpg"] = shard[donor][1]["jpg"]
        made.append((key, members))
    return made


def _record(files: dict[str, bytes], **changed: Any) -> bytes:
    return json.dumps(json.loads(files["json"]) | changed, ensure_ascii=False, separators=(",", ":")).encode()


def _maps(files: dict[str, bytes]) -> np.ndarray:
    maps: np.ndarray = np.load(io.BytesIO(files["attn.npy"]), allow_pickle=False)
    return maps


def size(shard: list[Sample]) -> int:
    """Bytes of the shard as a tar, which is written."""
    out = io.BytesIO()
    write_tar(out, shard)
    return len(out.getbuffer())


def measure(told: argparse.Namespace) -> list[Figure]:
    """Sizes over all shards of the dataset, as built and with two plans a host."""
    out = make_dataset(told.work, STUDIES[told.size])
    tars = sorted((out / "shards").glob("*.tar"))
    built = [read_tar(path) for path in tars]
    as_built, images = sum(path.stat().st_size for path in tars), _sum(size, map(images_alone, built))
    two = [at_most(shard, 2) for shard in built]
    of_two, copies = _sum(size, two), _sum(size, map(embedded, two))
    hosts = [len(json.loads(files["json"])["plans"]) for shard in built for _, files in shard]
    mean = sum(hosts) / len(hosts)
    with_plan = sum(n > 0 for n in hosts) / len(hosts)
    return [
        Figure("A stored image (448 px, quality 90)", _mean_bytes(built, "jpg") / 1e3, "kB"),
        Figure("Samples that host a plan", 100 * with_plan, "%", note=f"{len(hosts)} samples, {len(tars)} shards"),
        Figure(
            "Shards as built, beside images alone: plans add",
            100 * (as_built / images - 1),
            "%",
            at_most=3,
            note=f"{mean:.1f} plans a sample; {WHY}",
        ),
        Figure(
            "Two plans a host, beside images alone: plans add", 100 * (of_two / images - 1), "%", at_most=3, note=WHY
        ),
        Figure(
            "Two plans a host, beside records that hold their donors",
            of_two / copies,
            "×",
            at_most=0.55,
            note="of all samples, those without a plan as well",
        ),
        *breakdown(built),
        Figure(
            "Tables of plans, beside the shards",
            100 * _tables(out) / as_built,
            "%",
            note="`plans/`, for looking and searching: trainers do not read them",
        ),
    ]


def breakdown(built: list[list[Sample]]) -> list[Figure]:
    """What a sample's plans are made of, in bytes of the tar, over all samples."""
    samples = sum(map(len, built))
    plans = _mean_bytes(built, "json") - _mean_bytes([images_alone(shard) for shard in built], "json")
    maps = _mean_bytes(built, "attn.npy")
    added = (_sum(size, built) - _sum(size, map(images_alone, built))) / samples
    return [
        Figure("A sample's plans: records", plans, "bytes"),
        Figure("A sample's plans: maps", maps, "bytes"),
        Figure("A sample's plans: headers and padding of the tar", added - plans - maps, "bytes"),
    ]


def _mean_bytes(shards: list[list[Sample]], suffix: str) -> float:
    return sum(len(files.get(suffix, b"")) for shard in shards for _, files in shard) / sum(map(len, shards))


def _sum(of: Callable[[Any], int], items: Any) -> int:
    return sum(of(item) for item in items)


def _tables(out: Path) -> int:
    return sum(path.stat().st_size for path in (out / "plans").glob("*.parquet"))


if __name__ == "__main__":
    run("storage", measure, __doc__)
