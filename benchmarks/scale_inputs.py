"""What costs on clusters are reckoned from: figures of the results that are there, and what is assumed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.suite import RESULTS

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Corpus:
    """A corpus to reckon for."""

    name: str
    studies: int
    images: int


# https://physionet.org/content/mimic-cxr/2.1.0/
MIMIC = Corpus("MIMIC-CXR", 227_835, 377_110)
MILLIONS = Corpus("ten million studies", 10_000_000, round(10_000_000 * MIMIC.images / MIMIC.studies))


@dataclass(frozen=True)
class Assumed:
    """What is not measured here, because it belongs to the cluster. Options of the command.

    Attributes:
        gpu_images: images a second that one GPU's encoder looks at; None: as many as the one that was measured.
        cpus_per_gpu: CPUs for each GPU.
        storage, stream: bytes a second of the storage, for all together and for one task.
        file_bytes: mean size of a source image.
    """

    gpu_images: float | None = None
    cpus_per_gpu: int = 16
    storage: float = 20e9
    stream: float = 2.5e8
    file_bytes: float = 1.5e6


@dataclass(frozen=True)
class Wanted:
    """A figure that is reckoned with: of which result, under which words, and what makes it the unit of `Measures`."""

    result: str
    what: str
    scale: float = 1.0


_MS, _KB = 1e-3, 1e3
WANTED: dict[str, tuple[Wanted, ...]] = {
    "list": (Wanted("whole", "listing a study"),),
    "read": (Wanted("whole", "reading the reports of a study, on a core"),),
    "place": (Wanted("whole", "placing a sample"),),
    "decode": tuple(
        Wanted("images", f"JPEG: one image, {step}", _MS) for step in ("read", "decode", "resize", "encode")
    ),
    "draft": (Wanted("schedule", "draft a sample of 512 px, shards of 512", _MS),),
    "attend": (Wanted("schedule", "attend a sample of 512 px, shards of 512", _MS),),
    "gpu": (Wanted("attend.gpu", "inside the build, one encoder, GPU"),),
    "write": (Wanted("schedule", "write a sample of 512 px, shards of 512", _MS),),
    "submit": (Wanted("schedule", "driver: a shard's tasks and outcome, shards of 64", _MS),),
    "commit": (Wanted("schedule", "driver: committing a shard, shards of 64", _MS),),
    "finish": (Wanted("whole", "finishing, for a shard"),),
    "fit": (Wanted("pointing", "phantoms: a fit"),),
    "driver_memory": (Wanted("whole", "most memory of the driver, largest corpus", 1e6),),
    "driver_growth": (Wanted("whole", "more memory of the driver for one more study"),),
    "worker_memory": (Wanted("schedule", "most memory of a worker", 1e6),),
    "dataset_bytes": (Wanted("schedule", "a sample of 448 px in the dataset", _KB),),
}
"""For each measure the figures whose sum it is; those of one measure come from one result."""

MEANING = {
    "list": ("listing a study", "ms", 1e3),
    "read": ("reading a study's report", "core-ms", 1e3),
    "place": ("placing a sample", "µs", 1e6),
    "decode": ("decoding, resizing and encoding an image", "core-ms", 1e3),
    "draft": ("choosing a sample's donors, mixing and reading again", "core-ms", 1e3),
    "attend": ("asking an encoder on a CPU about a sample", "core-ms", 1e3),
    "gpu": ("looking at images, by an encoder on a GPU", "images/s", 1.0),
    "write": ("writing a sample", "core-ms", 1e3),
    "submit": ("the driver's own work for a shard", "ms", 1e3),
    "commit": ("committing a shard, by the driver", "ms", 1e3),
    "finish": ("finishing, for a shard", "ms", 1e3),
    "fit": ("fitting the encoder, once, on two cores", "s", 1.0),
    "driver_memory": ("memory of the driver at 100,000 studies", "MB", 1e-6),
    "driver_growth": ("more of it for one more study", "B", 1.0),
    "worker_memory": ("memory of a worker or encoder", "MB", 1e-6),
    "dataset_bytes": ("a sample in the dataset, all files", "kB", 1e-3),
}
"""How each measure is told: words, unit, and what makes it that unit."""


@dataclass
class Measures:
    """Seconds (of one core, or of the driver) and bytes, by name, with the result that each is from."""

    values: dict[str, float] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> float:
        return self.values[name]


def measures(folder: Path = RESULTS) -> Measures:
    """What the results in a folder tell; figures that they lack are named in `missing`."""
    told = Measures()
    found = {path.stem: _figures(path) for path in sorted(folder.glob("*.json"))}
    for name, parts in WANTED.items():
        lacking = [w for w in parts if w.what not in found.get(w.result, {})]
        if lacking:
            told.missing += [f"{w.result}.json: {w.what}" for w in lacking]
            continue
        told.values[name] = sum(found[w.result][w.what] * w.scale for w in parts)
        told.sources[name] = parts[0].result
    return told


def _figures(path: Path) -> dict[str, float]:
    return {figure["what"]: figure["value"] for figure in json.loads(path.read_text(encoding="utf-8"))["figures"]}
