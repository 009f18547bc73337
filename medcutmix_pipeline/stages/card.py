"""The dataset card: README.md of a dataset, in the conventions of the Hugging Face Hub.

Sections after https://github.com/huggingface/huggingface_hub/blob/main/src/huggingface_hub/templates/datasetcard_template.md.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.stages.card_metadata import front_matter
from medcutmix_pipeline.stages.card_terms import METHOD, Terms, terms_of

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.manifest import DatasetManifest


def dataset_card(manifest: DatasetManifest, licence: str, example: dict[str, Any]) -> str:
    """The card's Markdown.

    Args:
        licence: one sentence on the source's licence, which the dataset inherits.
        example: a row of the plans table.
    """
    terms = terms_of(manifest.source.kind)
    mixes = sum(s.pixel.mixes for s in manifest.shards if s.pixel)
    parts = [
        front_matter(manifest, terms),
        _introduction(manifest),
        _licence(licence, terms),
        _USE,
        _LAYOUT,
        *([_pixel(mixes)] if mixes else []),
        _making(manifest),
        _counts(manifest),
        _example(example),
        _LIMITS,
        _citation(terms),
    ]
    return "\n".join(parts)


def _introduction(manifest: DatasetManifest) -> str:
    return f"""# MedCutMix plans over {manifest.source.kind}

Image–report pairs in WebDataset shards, with precomputed plans for mixing disease-matched pairs during vision-language
pre-training, after MedCutMix (arXiv 2509.16673). Made by medcutmix-pipeline {manifest.tool_version}, format version
{manifest.format_version}, configuration `{manifest.config_hash[:16]}`, attention maps by encoder
`{manifest.encoder.id}` (`{manifest.encoder.sha256[:16]}`).
"""


def _licence(licence: str, terms: Terms) -> str:
    link = f" [The licence]({terms.link})." if terms.link else ""
    return f"""## Licence

{licence[:1].upper()}{licence[1:]}. This dataset is derived from it and inherits its terms.{link}

{terms.sharing}
"""


_USE = """## Intended use

Research on pre-training of radiology vision-language models, and on data augmentation for it.

**Not for** diagnosis, triage or any use in care; not as a reference for what an image shows, nor for finding out who a
patient is. Mixed reports describe no patient: they pair one patient's image with words about another's. Test a model
on studies of other patients, and never on mixes.
"""


_LAYOUT = """## Structure

`shards/*.tar` hold image, text, record and maps of each sample; a trainer that knows only image and text reads those
and ignores the rest. `plans/`, `samples/`, `sentences/` and `rejects/` are Parquet tables of the same
content for people and tools. `dataset.json` has the configuration, the counts, and the sha256 of every shard and table.

`datasets.load_dataset(FOLDER)` reads the pairs, `medcutmix_pipeline.loader.MixLoader(FOLDER, 64)` batches with plans.
"""


def _pixel(mixes: int) -> str:
    return f"""### Pixel mixes

`pixel/*.tar` hold {mixes:,} mixes in the form of ordinary image–text pairs: the host's image with the donor's
blended in where the donor's map points, and the mixed report. `load_dataset(FOLDER, "pixel")` reads them with Hugging
Face datasets; for webdataset, name the files of `shards/` and `pixel/` together, for clean and mixed pairs in one
stream.
"""


def _making(manifest: DatasetManifest) -> str:
    config = manifest.config
    pairing, shards = config["pairing"], config["shards"]
    return f"""## How it was made

1. Reports were reduced to findings and impression; headers, names, dates and place-holders were removed.
2. Rules named the findings in each sentence ({len(manifest.diseases)} of them) and whether they are present, uncertain
   or absent.
3. Patients were split; images were made square ({shards["square"]}, at most {shards["image_size"]} px, 8-bit grey,
   {shards["image_format"]}).
4. Samples with the same finding, view and split, of different patients, were paired: at most
   {pairing["plans_per_host"]} donors for each finding of a host. The donor's sentence replaced the host's, and the
   mixed report was labelled again; mixes that contradicted themselves were dropped.
5. The encoder marked where each image shows its sentences, and said how sure it is.

No step was done or checked by hand. All chance comes from seed {config["seed"]}: the same source, configuration and
versions give the same bytes.
"""


def _counts(manifest: DatasetManifest) -> str:
    counts = manifest.counts
    samples: Counter[str] = Counter()
    plans: Counter[str] = Counter()
    for shard in manifest.shards:
        samples[shard.split] += shard.samples
        plans[shard.split] += shard.plans
    splits = "".join(f"| {name} | {samples[name]:,} | {plans[name]:,} |\n" for name in sorted(samples))
    lines = [
        "## Counts\n",
        f"{manifest.source.studies:,} studies with {manifest.source.images:,} images went in; "
        f"{counts.samples:,} samples and {counts.plans:,} plans came out, in {len(manifest.shards)} shards.\n",
        f"| split | samples | plans |\n|---|---:|---:|\n{splits}",
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


_LIMITS = """## Limits and risks

- Findings and assertions come from rules over English reports. They miss some and invent some, and with them the pairs.
- Maps come from an encoder that can be wrong, and a mix by a map that points nowhere is a report with a wrong
  picture. Look at plans before you train on them: `medcutmix-pipeline inspect FOLDER --random 10`.
- The host's own lesion stays in the picture where the donor's map does not cover it.
- Rare findings have few partners: their sentences and regions recur more often than others.
- The population, the scanners and the manner of reporting are the source's, with their biases; mixing adds no patients.
- Patients bear keyed pseudonyms. Report text and images are as de-identified as their source, and no more.
- That training on mixes helps is not shown by this dataset: compare with training without them.
"""


def _citation(terms: Terms) -> str:
    return "## Citation\n\n" + "".join(f"- {line}\n" for line in (*terms.cite, METHOD))
