"""The dataset card: README.md of a dataset, in the conventions of the Hugging Face Hub."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.manifest import DatasetManifest

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(manifest: DatasetManifest, licence: str, example: dict[str, Any]) -> str:
    """The card's Markdown.

    Args:
        licence: one sentence on the source's licence, which the dataset inherits.
        example: a row of the plans table.
    """
    parts = [_front_matter(manifest), _introduction(manifest, licence), _counts(manifest), _example(example)]
    mixes = sum(s.pixel.mixes for s in manifest.shards if s.pixel)
    if mixes:
        parts.append(_pixel(mixes))
    return "\n".join([*parts, _USE])


def _front_matter(manifest: DatasetManifest) -> str:
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
    meta = {
        "pretty_name": f"MedCutMix plans over {manifest.source.kind}",
        "license": "other",
        "license_name": "inherited-from-source",
        "language": ["en"],
        "task_categories": ["image-to-text", "zero-shot-image-classification"],
        "tags": ["radiology", "chest-x-ray", "webdataset", "data-augmentation", "medcutmix"],
        "size_categories": [next((name for most, name in _SIZES if manifest.counts.samples < most), "n>1M")],
        "dataset_info": info,
        "configs": configs,
    }
    return f"---\n{yaml.safe_dump(meta, sort_keys=False)}---\n"


def _config(name: str, folder: str, splits: set[str]) -> dict[str, Any]:
    """What Hugging Face datasets loads under a name."""
    files = [{"split": s.replace("validate", "validation"), "path": f"{folder}/{s}-*.tar"} for s in sorted(splits)]
    return {"config_name": name, "data_files": files}


def _introduction(manifest: DatasetManifest, licence: str) -> str:
    return f"""# MedCutMix plans over {manifest.source.kind}

Image–report pairs in WebDataset shards, with precomputed plans for mixing disease-matched pairs during vision-language
pre-training, after MedCutMix (arXiv 2509.16673). Made by medcutmix-pipeline {manifest.tool_version}, format version
{manifest.format_version}, configuration `{manifest.config_hash[:16]}`, attention maps by encoder
`{manifest.encoder.id}` (`{manifest.encoder.sha256[:16]}`).

**Licence.** {licence} This dataset is derived from it and inherits its terms.
"""


def _counts(manifest: DatasetManifest) -> str:
    counts = manifest.counts
    lines = [
        "## Counts\n",
        f"{manifest.source.studies:,} studies with {manifest.source.images:,} images went in; "
        f"{counts.samples:,} samples and {counts.plans:,} plans came out, in {len(manifest.shards)} shards.\n",
        _table("finding", "plans", counts.plans_by_disease),
    ]
    if counts.rejects:
        lines.append("What did not get in (`rejects/`):\n\n" + _table("reason", "inputs", counts.rejects))
    if counts.dropped_mixes:
        lines.append("Mixes that were tried and dropped:\n\n" + _table("reason", "mixes", counts.dropped_mixes))
    return "\n".join(lines)


def _table(left: str, right: str, rows: dict[str, int]) -> str:
    body = "".join(f"| {name} | {count:,} |\n" for name, count in sorted(rows.items(), key=lambda r: (-r[1], r[0])))
    return f"| {left} | {right} |\n|---|---:|\n{body}"


def _example(plan: dict[str, Any]) -> str:
    quote = "\n".join("> " + line for line in plan["mixed_text"].splitlines())
    return f"""## A plan

Plan `{plan["plan_id"]}` is matched on {plan["disease"]}, {plan["view"]} view, λ = {plan["lambda"]:.2f}. The host's
“{plan["host_sentence"]}” gives way to the donor's “{plan["donor_sentence"]}”, and the host's report becomes:

{quote}
"""


def _pixel(mixes: int) -> str:
    return f"""## Pixel mixes

`pixel/*.tar` hold {mixes:,} mixes in the form of ordinary image–text pairs: the host's image, into which the donor's
shines where its map says, with the mixed report. `load_dataset(FOLDER, "pixel")` reads them with Hugging Face datasets;
for webdataset, name the files of `shards/` and `pixel/` together, for clean and mixed pairs in one stream.
"""


_USE = """## Layout and use

`shards/*.tar` hold image, text, record and maps of each sample; a trainer that knows only image and text reads `.jpg`
and `.txt` and ignores the rest. `plans/`, `samples/`, `sentences/` and `rejects/` are Parquet tables of the same
content for people and tools.

**Intended use**: research on pre-training of radiology vision-language models. **Not for** diagnosis
or any use in care. Mixed reports describe no patient: they pair one patient's image with words about another's.
**Limits**: findings and assertions come from rules over the report's text, and the maps from an encoder that can be
wrong; check a sample of plans before you train on them. Patients bear keyed pseudonyms; report text is as
de-identified as its source.

**Citation**: cite the source data set, and MedCutMix (arXiv 2509.16673) for the method.
"""
