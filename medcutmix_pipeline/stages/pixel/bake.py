"""The pixel mixes of a shard, from nothing but the shard's own bytes."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.schemas.records import Edit
from medcutmix_pipeline.stages.ingest.squares import encode
from medcutmix_pipeline.stages.pixel.mix import decoded, mix_pixels
from medcutmix_pipeline.stages.plans.edits import apply_edits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from medcutmix_pipeline.schemas.config import ShardsConfig

Files = dict[str, bytes]
"""The members of a sample by suffix, which is without its leading dot."""


def pixel_mixes(samples: Sequence[Mapping[str, bytes]], config: ShardsConfig, seed: int) -> Iterator[tuple[str, Files]]:
    """Carry out the plans of a shard on its images: an image, a report and a record for each mix.

    One mix is held at a time; a host is decoded once for all of its mixes.

    Args:
        samples: the members of the shard's samples, in the shard's order.
        config: how images are stored, `pixel_map` and `pixel_per_host`.
        seed: of the choice where `pixel_per_host` leaves some plans out.

    Yields:
        (key, members) in the order of hosts, and of plans within a host.
    """
    suffix = config.image_format
    for files in samples:
        record = json.loads(files["json"])
        plans = _chosen(record["plans"], config.pixel_per_host, seed)
        if not plans:
            continue
        host, text = decoded(files[suffix]), files["txt"].decode()
        for plan in plans:
            lender = samples[plan["donor"]]
            own = _map(files, plan["host_map"]) if config.pixel_map == "union" else None
            mixed = mix_pixels(host, decoded(lender[suffix]), _map(lender, plan["donor_map"]), plan["lambda"], own)
            yield (
                mix_key(plan["plan_id"]),
                {
                    suffix: encode(mixed, config.image_format, config.quality),
                    "txt": apply_edits(text, tuple(Edit(*edit) for edit in plan["edits"])).encode(),
                    "json": _mix_json(record, plan),
                },
            )


def mix_key(plan_id: str) -> str:
    """The key of a plan's mix: no sample bears it, so that mixes and samples can go through one loader."""
    return f"mix-{plan_id}"


def _chosen(plans: Sequence[dict[str, Any]], most: int | None, seed: int) -> list[dict[str, Any]]:
    """The plans of one host to carry out, in their order: those with the smallest keyed hashes where some are left."""
    ranked = sorted(plans, key=lambda plan: (keyed_hash(seed, "pixel", plan["plan_id"]), plan["plan_id"]))
    taken = {plan["plan_id"] for plan in ranked[:most]}
    return [plan for plan in plans if plan["plan_id"] in taken]


def _map(files: Mapping[str, bytes], index: int) -> npt.NDArray[np.uint8]:
    maps: list[npt.NDArray[np.uint8]] = list(np.load(io.BytesIO(files["attn.npy"]), allow_pickle=False))
    return maps[index]


def _mix_json(host: dict[str, Any], plan: dict[str, Any]) -> bytes:
    """The record of a mix, as compact UTF-8 JSON; it names nothing that the shard does not name."""
    record = {
        "plan_id": plan["plan_id"],
        "host_id": host["sample_id"],
        "donor_id": plan["donor_id"],
        "study_id": host["study_id"],
        "patient_id": host["patient_id"],
        "view": host["view"],
        "split": host["split"],
        "disease": plan["disease"],
        "lambda": plan["lambda"],
        "labels": plan["labels"],
    }
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
