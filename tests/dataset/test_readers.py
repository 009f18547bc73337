"""Others read what was written: webdataset and DuckDB here; `make readers` tries more in environments of their own."""

import runpy
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
import webdataset

from medcutmix_pipeline.dataset import Dataset

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "readers"


def test_the_webdataset_example_reads_every_pair(built, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["read_with_webdataset.py", str(built)])
    runpy.run_path(str(EXAMPLES / "read_with_webdataset.py"), run_name="__main__")
    assert "image-report pairs" in capsys.readouterr().out


def test_webdataset_decodes_the_maps_that_a_plan_names(built):
    shards = [str(path) for path in sorted((built / "shards").glob("*.tar"))]
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode())
    assert len(samples) == Dataset(built).manifest.counts.samples
    mixed = [s for s in samples if s["json"]["plans"]]
    assert mixed
    for sample in mixed:
        maps = sample["attn.npy"]
        assert maps.dtype == np.uint8
        assert all(maps[plan["host_map"]].max() == 255 for plan in sample["json"]["plans"])


def test_a_byte_range_of_the_samples_table_cuts_one_sample_out_of_its_shard(built):
    import io
    import tarfile

    for row in Dataset(built).table("samples").to_table().to_pylist()[:20]:
        with (built / "shards" / f"{row['shard']}.tar").open("rb") as shard:
            shard.seek(row["offset"])
            piece = shard.read(row["size"])
        with tarfile.open(fileobj=io.BytesIO(piece)) as tar:
            assert tar.extractfile(f"{row['sample_id']}.txt").read().decode() == row["text"]


def test_duckdb_joins_plans_and_samples(built):
    rows = duckdb.sql(
        f"""
        select p.disease, count(*) as n, avg(p.map_area) as area, avg(p.lambda) as lam
        from '{built}/plans/*.parquet' p join '{built}/samples/*.parquet' s on s.sample_id = p.donor_id
        where s.labels[p.disease] = 'present'
        group by p.disease
        """
    ).fetchall()
    assert {disease: n for disease, n, *_ in rows} == Dataset(built).manifest.counts.plans_by_disease
    assert all(0 < area < 1 and 0 <= lam <= 1 for *_, area, lam in rows)


@pytest.mark.parametrize("kind", ["plans", "samples", "sentences", "rejects"])
def test_duckdb_reads_every_table(built, kind):
    [(count,)] = duckdb.sql(f"select count(*) from '{built}/{kind}/*.parquet'").fetchall()
    assert count == Dataset(built).table(kind).count_rows()
