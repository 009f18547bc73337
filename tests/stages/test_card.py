"""The dataset card: what the Hub reads of it, and what a person must be told."""

import re

import pytest
import yaml
from huggingface_hub import DatasetCard

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.sources import describe_sources
from medcutmix_pipeline.stages.card import dataset_card
from medcutmix_pipeline.stages.card_terms import terms_of

PLAN = {
    "plan_id": "0123456789abcdef",
    "disease": "Pleural Effusion",
    "view": "frontal",
    "lambda": 0.25,
    "host_sentence": "Small left effusion.",
    "donor_sentence": "Large right effusion.",
    "mixed_text": "FINDINGS: Large right effusion.\nThe heart is normal.",
}

# What the Hub's pages take, of the fields that the card fills: https://github.com/huggingface/hub-docs
SIZES = {"n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "other"}
LICENCES = {"apache-2.0", "cc-by-nc-nd-4.0", "other"}
TASKS = {"image-to-text", "zero-shot-image-classification", "feature-extraction"}


def manifest_of(built, kind="phantom", **counts):
    manifest = Dataset(built).manifest.model_copy(deep=True)
    manifest.source.kind = kind
    manifest.counts = manifest.counts.model_copy(update=counts)
    return manifest


def front_matter(card):
    return yaml.safe_load(re.match(r"---\n(.*?)---\n", card, re.S)[1])


def test_the_hub_s_own_library_reads_the_card_of_a_dataset(built):
    card = DatasetCard.load(built / "README.md")
    assert card.data.pretty_name == "MedCutMix plans over phantom"
    assert card.data.license == "apache-2.0"
    assert card.data.size_categories == ["n<1K"]
    assert set(card.data.task_categories) <= TASKS
    assert {file["split"] for file in card.data.configs[0]["data_files"]} == {"train", "validation"}
    assert card.text.lstrip().startswith("# MedCutMix plans over phantom")


@pytest.mark.parametrize("kind", sorted(d.kind for d in describe_sources()))
def test_every_source_s_licence_reaches_the_card_by_a_name_that_the_hub_knows(built, kind):
    licence = next(d.licence for d in describe_sources() if d.kind == kind)
    card = dataset_card(manifest_of(built, kind), licence, PLAN)
    meta = front_matter(card)
    assert meta["license"] in LICENCES
    # The Hub asks for a name, in the form of an identifier, where it does not know the licence.
    assert ("license_name" in meta) == (meta["license"] == "other")
    assert re.fullmatch(r"[a-z0-9.-]+", meta.get("license_name", "x"))
    assert licence[1:] in card
    assert terms_of(kind).sharing in card
    for line in terms_of(kind).cite:
        assert line in card
    assert "2509.16673" in card.partition("## Citation")[2]


def test_who_may_not_share_is_told_so(built):
    told = {d.kind: dataset_card(manifest_of(built, d.kind), d.licence, PLAN) for d in describe_sources()}
    assert "CC BY-NC-ND 4.0" in told["openi"]
    assert "**keep this dataset to yourself**" in told["openi"]
    assert "PhysioNet Credentialed Health Data License 1.5.0" in told["mimic-cxr-jpg"]
    assert "**Do not upload this dataset elsewhere.**" in told["mimic-cxr-jpg"]
    assert "**Do not share this dataset**" in told["chexpert-plus"]
    assert "**do not share it**" in told["manifest"]
    assert "may be shared freely" in told["phantom"]


def test_an_unknown_archive_gets_the_most_careful_terms():
    assert terms_of("an archive of tomorrow") == terms_of("manifest")
    assert terms_of("manifest").hub == "other"


@pytest.mark.parametrize(
    ("samples", "size"),
    [
        (1, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (377_110, "100K<n<1M"),
        (1_000_000, "1M<n<10M"),
        (10**12, "other"),
    ],
)
def test_the_size_is_one_of_the_hub_s_classes(built, samples, size):
    meta = front_matter(dataset_card(manifest_of(built, samples=samples), "yours", PLAN))
    assert meta["size_categories"] == [size]
    assert size in SIZES


def test_the_counts_of_the_card_are_the_manifest_s(built):
    manifest = Dataset(built).manifest
    card = (built / "README.md").read_text("utf-8")
    for split in ("train", "validate"):
        of_split = [s for s in manifest.shards if s.split == split]
        row = f"| {split} | {sum(s.samples for s in of_split):,} | {sum(s.plans for s in of_split):,} |"
        assert row in card
    for finding, plans in manifest.counts.plans_by_disease.items():
        assert f"| {finding} | {plans:,} |" in card


def test_what_the_card_must_tell_has_a_heading_each(built):
    card = (built / "README.md").read_text("utf-8")
    headings = re.findall(r"^## (.*)$", card, re.M)
    wanted = [
        "Licence",
        "Intended use",
        "Structure",
        "How it was made",
        "Counts",
        "A plan",
        "Limits and risks",
        "Citation",
    ]
    assert headings == wanted
    assert "**Not for** diagnosis" in card


def test_a_report_of_several_lines_stays_within_its_quotation(built):
    card = dataset_card(manifest_of(built), "yours", PLAN)
    assert "> FINDINGS: Large right effusion.\n> The heart is normal.\n" in card
