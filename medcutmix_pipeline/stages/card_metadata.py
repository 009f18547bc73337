"""The front matter of a dataset card, by which the Hugging Face Hub and its libraries know a dataset.

By https://github.com/huggingface/hub-docs/blob/main/datasetcard.md.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.manifest import DatasetManifest
    from medcutmix_pipeline.stages.card_terms import Terms

_SIZES = (
    *((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")),
    *((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B")),
)


def front_matter(manifest: DatasetManifest, terms: Terms) -> str:
    """The YAML block that a card begins with."""
    # Named, because Hugging Face datasets infers features from the first samples, and not every sample has maps.
    maps = {"name": "attn.npy", "list": {"list": {"list": "uint8"}}}
    pair = [
        {"name": manifest.config["shards"]["image_format"], "dtype": "image"},
        {"name": "txt", "dtype": "string"},
        {"name": "json", "dtype": "json"},
    ]
    place = [{"name": "__key__", "dtype": "string"}, {"name": "__url__", "dtype": "string"}]
    info: Any = {"config_name": "default", "features": [*pair, maps, *place]}
    configs = [_config("default", "shards", {s.split for s in manifest.shards})]
    baked = {s.split for s in manifest.shards if s.pixel}
    if baked:
        # A copy, because YAML writes what stands in two places as a reference.
        info = [info, {"config_name": "pixel", "features": deepcopy([*pair, *place])}]
        configs.append(_config("pixel", "pixel", baked))
    named = {"license_name": terms.name, "license_link": terms.link} if terms.hub == "other" else {}
    meta = {
        "pretty_name": f"MedCutMix plans over {manifest.source.kind}",
        "license": terms.hub,
        **{key: value for key, value in named.items() if value},
        "language": ["en"],
        "multilinguality": ["monolingual"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"] if manifest.source.kind == "phantom" else ["found", "other"],
        "source_datasets": ["extended"],
        "task_categories": ["image-to-text", "zero-shot-image-classification", "feature-extraction"],
        "tags": ["radiology", "chest-x-ray", "medical", "webdataset", "data-augmentation", "medcutmix"],
        "size_categories": [next((name for most, name in _SIZES if manifest.counts.samples < most), "other")],
        "dataset_info": info,
        "configs": configs,
    }
    return f"---\n{yaml.safe_dump(meta, sort_keys=False)}---\n"


def _config(name: str, folder: str, splits: set[str]) -> dict[str, Any]:
    """What Hugging Face datasets loads under a name."""
    files = [{"split": s.replace("validate", "validation"), "path": f"{folder}/{s}-*.tar"} for s in sorted(splits)]
    return {"config_name": name, "data_files": files}
