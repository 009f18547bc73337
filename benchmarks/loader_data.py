"""The dataset that `benchmarks/loader.py` reads: generated studies, with images as heavy as real ones."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from rich.console import Console

from medcutmix_pipeline.pipeline.build import build
from medcutmix_pipeline.pipeline.progress import Reporter
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.sources.phantom import generate
from medcutmix_pipeline.stages.ingest.squares import encode
from medcutmix_pipeline.stages.shards.tar import read_tar, write_tar

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES, SIDE, QUALITY = 512, 448, 90
GRAIN = 2.0
"""Standard deviation of the noise, in grey levels: it gives images of 0.16 bytes a pixel, 32 kB.

So heavy are radiographs of 448 px as `build` writes them by default. Decoded, squared and encoded by the build's own
functions, a film of 1955 × 1841 px gives 0.139 bytes a pixel at 448 px and 0.175 at 256, one of 1024 × 1024 gives 0.150
and 0.187, one of 440 × 440 gives 0.109; 300 images of Open-I, of which the measurer had 256 px only, give 0.202 there
(0.156 to 0.258 for nine in ten), of which four fifths remain at 448 px, as in those films. Few films, then: they agree
within a quarter.
"""
STUDIES = {"small": 1500, "full": 5600}
SETTINGS = {
    "splits": {"train": 0.98, "validate": 0.02},
    "attention": {"fit": {"image_size": 64, "steps": 20, "batch": 16, "width": 16}},
    "shards": {"samples_per_shard": SAMPLES, "image_size": 96},
    "engine": {"kind": "serial"},
}


def make_dataset(work: Path, size: str) -> None:
    """Small generated studies are built as ever; then their images are enlarged and given a film's grain."""
    pins = json.dumps([SIDE, QUALITY, GRAIN, STUDIES[size], SETTINGS])
    stamp = work / "made"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == pins:
        return
    shutil.rmtree(work, ignore_errors=True)
    small, dataset = work / "small", work / "dataset"
    generate(small / "studies", STUDIES[size], seed=7, size=96)
    config = {**SETTINGS, "source": {"kind": "phantom", "root": str(small / "studies")}}
    with Reporter(Console(stderr=True)) as reporter:
        build(Config.model_validate(config), small / "dataset", reporter)
    manifest = json.loads((small / "dataset" / "dataset.json").read_text(encoding="utf-8"))
    (dataset / "shards").mkdir(parents=True)
    shards = [shard for shard in manifest["shards"] if shard["split"] == "train"]
    for number, shard in enumerate(shards):
        tar = enlarged(small / "dataset" / "shards" / f"{shard['name']}.tar", number)
        (dataset / "shards" / f"{shard['name']}.tar").write_bytes(tar)
        shard["bytes"], shard["sha256"]["tar"] = len(tar), hashlib.sha256(tar).hexdigest()
    (dataset / "dataset.json").write_text(json.dumps({**manifest, "shards": shards}), encoding="utf-8")
    shutil.rmtree(small)
    stamp.write_text(pins, encoding="utf-8")


def enlarged(shard: Path, number: int) -> bytes:
    """The shard with its images enlarged."""
    rng = np.random.Generator(np.random.Philox(number))
    samples = read_tar(shard)
    for _, files in samples:
        files["jpg"] = grained(files["jpg"], rng)
    out = io.BytesIO()
    write_tar(out, samples)
    return out.getvalue()


def grained(data: bytes, rng: np.random.Generator) -> bytes:
    """The image at 448 px with noise, as a JPEG that `build` writes, of as many bytes as a radiograph has."""
    image = Image.open(io.BytesIO(data)).convert("L").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    noisy = np.asarray(image, np.float32) + GRAIN * rng.standard_normal((SIDE, SIDE), np.float32)
    return encode(np.clip(noisy + 0.5, 0, 255).astype(np.uint8), "jpg", QUALITY)
