"""Shards that mean harm are refused with a name, or skipped and counted; nothing runs, nothing is written."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.loader import MixLoader, ShardError
from medcutmix_pipeline.loader.reading.shard import broken_shard
from tests.loader.hostile import ARCHIVES, BAD, COUNT, IMAGES, MAPS, RECORDS, good_samples, tar_of, with_bad_sample
from tests.loader.made import write_manifest, write_shard

if TYPE_CHECKING:
    from pathlib import Path

EPOCHS = 6
"""Enough for every sample to have been mixed with another."""
MEMBERS = {
    f"{kind}: {name}": spoil
    for kind, cases in (("maps", MAPS), ("image", IMAGES), ("record", RECORDS))
    for name, spoil in cases.items()
}


def dataset(folder: Path, first: bytes, **facts: object) -> Path:
    """A bad shard and a good one, both with the hash that the manifest tells (or `facts`)."""
    (folder / "shards").mkdir(parents=True)
    told = [
        write_shard(folder, "train-000000", first, COUNT) | {"bytes": max(len(first), COUNT * 3072)} | facts,
        write_shard(folder, "train-000001", tar_of(good_samples(1)), COUNT),
    ]
    write_manifest(folder, told)
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder for a dataset; fails if anything appears outside of it, or changes in it, while it is read."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "dataset"
    assert [str(path) for path in (tmp_path / "here").iterdir()] == []
    assert {path.name for path in tmp_path.iterdir()} == {"here", "dataset"}
    files = {str(path.relative_to(tmp_path / "dataset")) for path in (tmp_path / "dataset").rglob("*.*")}
    assert files == {"dataset.json", "shards/train-000000.tar", "shards/train-000001.tar"}


def epochs(folder, on_error, count=EPOCHS, **options):
    loader = MixLoader(folder, 4, mix=1.0, threads=1, on_error=on_error, **options)
    for epoch in range(count):
        loader.set_epoch(epoch)
        batches = list(loader)
        assert len(batches) == len(loader)
        yield batches


def refusal(folder, **options) -> str:
    with pytest.raises(ShardError) as caught:
        list(epochs(folder, "raise", **options))
    assert isinstance(caught.value, DataError)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 250
    return message


def check_skipped(batches, bad_keys):
    """Full batches; every lost row is told of and marked; nobody takes from a sample that is lost."""
    for batch in batches:
        assert batch.images.shape == (4, 1, 12, 12)
        assert len(batch.texts) == len(batch.keys) == len(batch.plan) == 4
        assert len(batch.skipped) == int(batch.repeated.sum())
        assert not bad_keys.intersection(batch.keys)
        assert not (batch.plan.active & batch.repeated).any()
        for row in batch.plan.active.nonzero()[:, 0].tolist():
            assert batch.plan.plan_ids[row].startswith(f"{batch.keys[row]}-{batch.keys[int(batch.plan.donor[row])]}-")
            assert batch.plan.donor_map[row].max() > 0
            assert batch.texts[row] != batch.original_texts[row]
    kept = [key for batch in batches for key, again in zip(batch.keys, batch.repeated, strict=True) if not again]
    assert len(kept) == len(set(kept))
    return set(kept)


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_bad_archive_is_refused_by_name_or_skipped_whole(place, name):
    folder = dataset(place, ARCHIVES[name]())

    assert "shard train-000000" in refusal(folder, count=1)

    for batches in epochs(folder, "skip", 2):
        assert check_skipped(batches, set()) == {key for key, _ in good_samples(1)}
        told = [line for batch in batches for line in batch.skipped]
        assert len(told) == COUNT
        assert all("shard train-000000" in line for line in told)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_bad_sample_is_refused_by_shard_and_key_or_skipped_alone(place, name):
    data, key = with_bad_sample(MEMBERS[name])
    folder = dataset(place, data)
    others = {k for shard in (0, 1) for k, _ in good_samples(shard)} - {key}

    assert f"shard train-000000, sample {key}: " in refusal(folder)

    found = []
    for batches in epochs(folder, "skip"):
        told = [line for batch in batches for line in batch.skipped]
        found += told
        if told:
            assert check_skipped(batches, {key}) == others
    assert found
    assert all(line.startswith(f"shard train-000000, sample {key}: ") for line in found)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batches_are_full_even_where_all_their_own_rows_are_lost(tmp_path, batch):
    samples = good_samples()
    for _, files in samples[1:]:
        files["png"] = b"no picture"
    folder = dataset(tmp_path / "dataset", tar_of(samples))

    loader = MixLoader(folder, batch, mix=1.0, on_error="skip", pool_shards=1, threads=1)
    batches = list(loader)

    assert [len(b) for b in batches] == [batch] * len(loader)
    assert not any("no picture" in key for b in batches for key in b.keys)
    assert sum(len(b.skipped) for b in batches) + loader.left_out >= COUNT - 1


def test_a_shard_of_which_nothing_can_be_read_ends_a_pool_that_has_no_other(tmp_path):
    folder = dataset(tmp_path / "dataset", b"")
    loader = MixLoader(folder, 4, on_error="skip", pool_shards=1, threads=1)
    with pytest.raises(ShardError, match="train-000000"):
        list(loader)


def test_a_shard_with_another_hash_is_refused_unless_asked(place):
    samples = good_samples()
    samples[0][1]["txt"] = b"A report that somebody has changed."
    folder = dataset(place, tar_of(samples), sha256={"tar": hashlib.sha256(b"").hexdigest()})

    assert refusal(folder, count=1) == (
        "shard train-000000 has another sha256 than dataset.json says: download or build it again"
    )
    (skipped,) = epochs(folder, "skip", 1)
    assert check_skipped(skipped, set()) == {key for key, _ in good_samples(1)}
    (read,) = epochs(folder, "raise", 1, verify=False)
    assert len({key for batch in read for key in batch.keys}) == 2 * COUNT


def test_a_shard_larger_than_allowed_is_refused_before_it_is_read(place):
    folder = dataset(place, tar_of(good_samples()))
    assert "train-00000" in refusal(folder, count=1, max_shard_bytes=4096)
    folder.joinpath("dataset.json").write_text(
        folder.joinpath("dataset.json").read_text().replace(f'"bytes": {len(tar_of(good_samples()))}', '"bytes": 30000')
    )
    assert "train-00000" in refusal(folder, count=1, max_shard_bytes=32_000)


def test_a_shard_that_the_manifest_tells_too_large_is_not_even_skipped(place):
    folder = dataset(place, tar_of(good_samples()), samples=1_500_000, bytes=1_500_000 * 3072)
    with pytest.raises(ShardError, match="shard train-000000 is larger than 1073741824 bytes: raise max_shard_bytes"):
        MixLoader(folder, 4, on_error="skip")
    assert len(MixLoader(folder, 4, on_error="skip", max_shard_bytes=1 << 33)) > 0


def test_samples_that_a_manifest_invents_take_little_memory():
    tracemalloc.start()
    try:
        shard = broken_shard("train-000000", 100_000, "it is damaged")
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(shard.samples) == 100_000
    assert taken < 300 * 100_000


@pytest.mark.parametrize(
    "facts",
    [
        {"name": "../../etc/passwd"},
        {"name": "/etc/passwd"},
        {"name": "train-000001"},
        {"name": 7},
        {"samples": -1},
        {"samples": 10**12},
        {"samples": 8.0},
        {"samples": True},
        {"bytes": "many"},
        {"sha256": None},
        {"sha256": {"tar": None}},
    ],
)
def test_a_manifest_that_lies_about_a_shard_is_refused(place, facts):
    folder = dataset(place, tar_of(good_samples()), **facts)
    with pytest.raises(DataError, match=r"dataset\.json does not list shards") as caught:
        MixLoader(folder, 4)
    assert "passwd" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[]", "format version"),
        (b'{"format_version": 99}', "format version 99"),
        (b'{"format_version": 1}', "does not list shards"),
        (b'{"format_version": 1, "shards": 1e999}', "does not list shards"),
        (b'{"format_version": 1, "shards": [{"name": "a", "samples": 1e999}]}', "does not list shards"),
        (b'{"format_version": 1, "shards": [], "diseases": [{}]}', "does not list diseases"),
        (b"[" * 200_000, "cannot be read"),
        (b"\xff\xfe\xfd", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_a_manifest_that_is_none_is_refused_in_one_line(place, content, says):
    folder = dataset(place, tar_of(good_samples()))
    (folder / "dataset.json").write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        MixLoader(folder, 4)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("whole") / "dataset", tar_of(good_samples())), tar_of(good_samples())


def spoil_whole(folder: Path, data: bytes, tell_hash: bool) -> None:
    """Put these bytes in the first shard's place, and tell their hash unless a wrong one is wanted."""
    (folder / "shards" / "train-000000.tar").write_bytes(data)
    manifest = json.loads((folder / "dataset.json").read_text())
    manifest["shards"][0]["sha256"]["tar"] = hashlib.sha256(data if tell_hash else data + b"x").hexdigest()
    (folder / "dataset.json").write_text(json.dumps(manifest))


def is_refused_or_whole(folder: Path) -> bool:
    """Whether a shard is refused by name; else its samples are whole. What neither is, fails."""
    try:
        (batches,) = epochs(folder, "raise", 1)
    except ShardError:
        assert "shard train-000000" in refusal(folder, count=1)
        return True
    for batch in batches:
        assert batch.images.dtype.is_signed is False
        assert batch.images.shape == (4, 1, 12, 12)
        assert all(text.strip() for text in batch.texts)
        assert ((batch.plan.lam >= 0) & (batch.plan.lam <= 1)).all()
    assert len({key for batch in batches for key in batch.keys}) == 2 * COUNT
    return False


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_shard_cut_off_anywhere_is_refused(whole, data):
    folder, content = whole
    cut = data.draw(st.integers(0, len(content) - 1))
    spoil_whole(folder, content[:cut], tell_hash=True)
    refused = is_refused_or_whole(folder)
    # behind the last member there are only zeros: one block of them already ends a tar
    assert refused or cut >= -(-len(content.rstrip(b"\0")) // 512) * 512 + 512
    (batches,) = epochs(folder, "skip", 1)
    check_skipped(batches, set())


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_shard_with_any_byte_changed_is_refused_or_its_samples_are_whole(whole, data):
    folder, content = whole
    used = len(content.rstrip(b"\0")) + 600
    spoilt = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        spoilt[data.draw(st.integers(0, used - 1))] = data.draw(st.integers(0, 255))
    spoil_whole(folder, bytes(spoilt), tell_hash=True)
    is_refused_or_whole(folder)
    (batches,) = epochs(folder, "skip", 1)
    check_skipped(batches, set())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_does_not_get_past_the_hash(whole, data):
    folder, content = whole
    spoilt = bytearray(content)
    spoilt[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    spoil_whole(folder, content, tell_hash=True)
    (folder / "shards" / "train-000000.tar").write_bytes(spoilt)
    assert is_refused_or_whole(folder)


def test_bombs_are_refused_within_little_memory(tmp_path):
    """Run apart, with the address space limited to 400 MiB more than the loader itself takes.

    An archive of headers alone, 20,000 of them, may take eight times its size.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.loader.bombs", str(tmp_path / "dataset")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    told = json.loads(done.stdout or "{}")
    assert done.returncode == 0, done.stderr[-500:]
    assert told["accepted"] == []
    assert told["unusable"] == 20_000
    assert told["grown_mib"] < 400
    assert np.all([f"sample s0-{BAD}" in line for line in told["refused"].values()])
