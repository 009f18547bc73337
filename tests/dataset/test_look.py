"""A dataset's rows, images, maps and mixes are those of its files; damage is told, and nothing commands a terminal."""

from __future__ import annotations

import io
import json
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from rich.console import Console

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.inspect import tell_plan
from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.schemas.tables import SAMPLES


@pytest.fixture(scope="module")
def dataset(built):
    return Dataset(built)


@pytest.fixture
def copy(built, tmp_path):
    return shutil.copytree(built, tmp_path / "dataset")


def test_rows_are_those_of_the_files_in_their_order(dataset, built):
    for rows, kind in ((dataset.plans, "plans"), (dataset.samples, "samples"), (dataset.sentences, "sentences")):
        files = [pq.read_table(file).to_pylist() for file in sorted((built / kind).iterdir())]
        first = rows.schema.names[0]
        assert [row[first] for row in rows] == [row[first] for file in files for row in file]
        assert len(rows) == sum(map(len, files))
    plan = next(iter(dataset.plans))
    assert dataset.plans[plan["plan_id"]] == plan
    assert isinstance(plan["mixed_labels"], dict)
    with pytest.raises(KeyError):
        dataset.plans["nothing"]


def test_images_and_maps_are_the_shards_own(dataset, built):
    seen = 0
    for shard in sorted((built / "shards").iterdir()):
        with tarfile.open(shard) as tar:
            for info in tar:
                key, _, suffix = info.name.partition(".")
                content = tar.extractfile(info).read()
                if suffix == "jpg":
                    assert np.array_equal(dataset.image(key), Image.open(io.BytesIO(content)))
                    seen += 1
                elif suffix == "attn.npy":
                    assert np.array_equal(dataset.maps(key), np.load(io.BytesIO(content)))
                elif suffix == "json":
                    assert dataset.record(key) == json.loads(content)
        break
    assert seen > 10


def test_a_mix_lies_between_host_and_donor_everywhere_and_is_not_the_host(dataset):
    for plan in [plan for plan in dataset.plans if plan["lambda"] < 0.5][:5]:
        host, donor, mix = (
            np.asarray(image, int)
            for image in (dataset.image(plan["host_id"]), dataset.image(plan["donor_id"]), dataset.mix(plan["plan_id"]))
        )
        assert (mix >= np.minimum(host, donor)).all()
        assert (mix <= np.maximum(host, donor)).all()
        assert (mix != host).any()


def test_a_damaged_image_is_told_and_not_shown(copy):
    dataset = Dataset(copy)
    row = next(iter(dataset.samples))
    shard = copy / "shards" / f"{row['shard']}.tar"
    content = bytearray(shard.read_bytes())
    content[content.index(b"\xff\xd8\xff", row["offset"]) + 700] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match="validate"):
        dataset.image(row["sample_id"])
    shard.unlink()
    with pytest.raises(DataError, match="gone"):
        dataset.image(row["sample_id"])


@pytest.mark.parametrize("change", [{"shard": "../../elsewhere"}, {"size": 1 << 40}, {"offset": -1}])
def test_a_table_that_points_elsewhere_is_not_followed(copy, change):
    file = sorted((copy / "samples").iterdir())[0]
    rows = pq.read_table(file).to_pylist()
    rows[0] |= change
    pq.write_table(pa.Table.from_pylist(rows, schema=SAMPLES), file)
    (copy.parent.parent / "elsewhere.tar").write_bytes(sorted((copy / "shards").iterdir())[0].read_bytes())
    with pytest.raises(DataError):
        Dataset(copy).image(rows[0]["sample_id"])


def test_a_report_cannot_command_the_terminal_or_pass_for_markup(dataset):
    plan = next(iter(dataset.plans))
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m[red]no markup[/red]"
    plan |= {"host_text": evil, "edits": [{"start": 0, "end": 3, "text": evil}], "disease": f"Edema{evil}"}
    out = io.StringIO()
    Console(file=out, width=200).print(tell_plan(plan))
    assert not {"\x1b", "\x07", "\x9b"} & set(out.getvalue())
    assert "[red]no markup[/red]" in out.getvalue()
