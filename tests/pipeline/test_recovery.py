"""Inputs that kill the process that reads them are found, rejected, and cost nothing else."""

import pytest

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from tests.builds import run_build
from tests.pipeline import fitted_once, manifests
from tests.pipeline.manifests import Entry, Picture

CHANGES = {
    "source": {"kind": "manifest"},
    "attention": {"encoder": fitted_once.NAME},
    "shards": {"samples_per_shard": 12, "image_size": 40},
    "ingest": {"studies_per_part": 2},
}


@pytest.fixture
def without_views(tmp_path):
    """Eight studies with two images each; the source does not say the view of one, so that it has to be read."""
    told = list(manifests.SENTENCES)
    pair = (Picture("good", 32, "", named=True), Picture("good", 40, "frontal", named=True))
    root = tmp_path / "studies"
    manifests.write_manifest([Entry(n, n, "train", f"FINDINGS: {told[n % 5]}", pair) for n in range(8)], root)
    return root


@pytest.mark.slow
def test_a_study_that_kills_its_reader_is_found_and_costs_nothing_else(built, without_views, tmp_path, monkeypatch):
    # Ray's workers import this module when they start; it makes one image deadly, as a decoder with a bug would.
    (tmp_path / "sitecustomize.py").write_text("""
import os, signal
from medcutmix_pipeline.stages import views

read_bytes = views.read_bytes

def deadly(uri, limit):
    if uri.endswith("Bild 5-0 ü.png"):
        os.kill(os.getpid(), signal.SIGKILL)
    return read_bytes(uri, limit)

views.read_bytes = deadly
""")
    monkeypatch.setenv(fitted_once.FOLDER, str(built / "encoder"))
    reference, _ = run_build(without_views, tmp_path / "reference", **CHANGES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    manifest, _ = run_build(without_views, tmp_path / "out", engine={"kind": "ray", "workers": 2}, **CHANGES)
    assert validate(Dataset(tmp_path / "out")) == []
    assert manifest.counts.rejects == {"reader-crashed": 3}, "the study and its two images"
    assert manifest.counts.samples == reference.counts.samples - 2
    images = [samples_of(tmp_path / name) for name in ("out", "reference")]
    assert images[0].items() <= images[1].items(), "every other sample has its own image"


def samples_of(out):
    return {row["sample_id"]: row["sha256"] for row in Dataset(out).table("samples").to_table().to_pylist()}
