"""Small datasets of the format, written directly: as many shards and plans as a test asks for, in milliseconds."""

from __future__ import annotations

import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from medcutmix_pipeline.stages.shards.tar import npy_bytes, write_tar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DISEASES = ["Cardiomegaly", "Edema", "Fracture"]
SENTENCE = "The {} is described here."
GRID = (4, 5)


def picture(rng: np.random.Generator, size: int = 12) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (size, size), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def record(key: str, text: str, own: Sequence[str], shard: Sequence[tuple[str, Sequence[str]]], me: int) -> dict:
    """A sample record with a plan for each finding and each other sample that has it."""
    plans = [
        {
            "plan_id": f"{key}-{other}-{disease}",
            "disease": disease,
            "donor": place,
            "donor_id": other,
            "donor_map": list(theirs).index(disease),
            "host_map": list(own).index(disease),
            "lambda": 0.25 + 0.5 * (place % 2),
            "edits": [[0, len(text), f"Mixed from {other}: {SENTENCE.format(disease)}"]],
            "labels": {disease: "present"},
        }
        for place, (other, theirs) in enumerate(shard)
        for disease in own
        if place != me and disease in theirs
    ]
    return {
        "sample_id": key,
        "study_id": f"study-{key}",
        "patient_id": f"p-{key}",
        "view": "frontal",
        "split": "train",
        "labels": dict.fromkeys(own, "present"),
        "maps": [{"disease": d, "sentence": SENTENCE.format(d), "score": 0.5} for d in own],
        "plans": plans,
    }


def samples_of(shard: int, count: int, seed: int = 0, sick: float = 0.6) -> list[tuple[str, dict[str, bytes]]]:
    """The members of a shard's samples; a share `sick` of them has one or two findings."""
    rng = np.random.default_rng([seed, shard, count])
    named = [
        (f"s{shard}-{i}", list(rng.choice(DISEASES, rng.integers(1, 3), replace=False)) if rng.random() < sick else [])
        for i in range(count)
    ]
    made = []
    for i, (key, own) in enumerate(named):
        text = f"Report of {key}."
        files = {
            "png": picture(rng),
            "txt": text.encode(),
            "json": json.dumps(record(key, text, own, named, i)).encode(),
        }
        if own:
            maps = rng.integers(0, 255, (len(own), *GRID), np.uint8)
            maps[:, 1, 2] = 255
            files["attn.npy"] = npy_bytes(maps)
        made.append((key, files))
    return made


def write_dataset(folder: Path, counts: Sequence[int], seed: int = 0, sick: float = 0.6) -> Path:
    """A dataset with shards of these numbers of samples."""
    (folder / "shards").mkdir(parents=True)
    shards = []
    for number, count in enumerate(counts):
        buffer = io.BytesIO()
        write_tar(buffer, samples_of(number, count, seed, sick))
        shards.append(write_shard(folder, f"train-{number:06}", buffer.getvalue(), count))
    write_manifest(folder, shards)
    return folder


def write_shard(folder: Path, name: str, data: bytes, samples: int) -> dict[str, Any]:
    """Write a shard's bytes; returns what the manifest tells of it."""
    (folder / "shards" / f"{name}.tar").write_bytes(data)
    facts = {"name": name, "split": name.rsplit("-", 1)[0], "samples": samples, "plans": 0, "bytes": len(data)}
    return {**facts, "sha256": {"tar": hashlib.sha256(data).hexdigest(), "plans": "", "samples": ""}}


def write_manifest(folder: Path, shards: Sequence[dict[str, Any]]) -> None:
    content = {"format_version": 1, "diseases": DISEASES, "config": {"plans": {"alpha": 1.0}}, "shards": shards}
    (folder / "dataset.json").write_text(json.dumps(content))
