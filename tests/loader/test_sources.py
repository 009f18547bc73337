"""Where shards may be: each way to name them gives the same shards, and what is wrong is told in one line."""

from __future__ import annotations

import json
import os
import shutil
import socket

import fsspec
import pytest

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.loader import MixLoader, ShardError
from medcutmix_pipeline.loader.reading import sources
from medcutmix_pipeline.loader.reading.sources import find_shards, read_shard_bytes
from medcutmix_pipeline.schemas.config import ShardsConfig
from medcutmix_pipeline.stages.pixel.bake import pixel_mixes
from medcutmix_pipeline.stages.shards.tar import write_tar
from tests.loader.made import DISEASES, samples_of, write_dataset, write_shard
from tests.loader.served import one_line

COUNTS = [5, 3, 4]
NAMES = [f"train-{n:06}" for n in range(3)]
LARGEST = 1 << 30
pytestmark = pytest.mark.usefixtures("waited")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("sources") / "dataset", COUNTS)


@pytest.fixture
def bare(folder, tmp_path):
    """The same shards in a folder of their own, without a manifest."""
    for shard in (folder / "shards").iterdir():
        (tmp_path / shard.name).write_bytes(shard.read_bytes())
    return tmp_path


def names(shards):
    return [ref.name for ref in shards.refs]


@pytest.fixture
def memory(folder):
    """The dataset in fsspec's memory."""
    system = fsspec.filesystem("memory")
    system.put(str(folder), "/dataset", recursive=True)
    yield "memory://dataset"
    system.rm("/dataset", recursive=True)


@pytest.mark.parametrize("form", ["folder", "folder/", "Path", "file://"])
def test_a_folder_is_read_by_its_manifest(folder, form):
    where = {"folder": str(folder), "folder/": f"{folder}/", "Path": folder, "file://": f"file://{folder}"}[form]
    shards = find_shards(where, "train")
    assert names(shards) == NAMES
    assert [ref.samples for ref in shards.refs] == COUNTS
    assert all(len(read_shard_bytes(ref, LARGEST, verify=True)) == ref.size for ref in shards.refs)


def ways(root: str) -> dict[str, object]:
    return {
        "glob": f"{root}/train-*.tar",
        "range": f"{root}/train-{{000000..000002}}.tar",
        "list": [f"{root}/{name}.tar" for name in reversed(NAMES)],
        "list with a glob in it": [f"{root}/train-000000.tar", f"{root}/*-00000[12].tar"],
        "the same one twice": [f"{root}/{name}.tar" for name in [*NAMES, *NAMES]],
    }


@pytest.mark.parametrize("way", ways(""))
def test_shards_that_are_named_take_their_facts_from_the_manifest_beside_them(folder, way, monkeypatch):
    shards = find_shards(ways(str(folder / "shards"))[way], "train")
    assert shards.refs == tuple(
        type(ref)(ref.name, str(folder / "shards" / f"{ref.name}.tar"), ref.samples, ref.size, ref.sha256)
        for ref in find_shards(folder, None).refs
    )
    monkeypatch.chdir(folder / "shards")
    assert names(find_shards(ways(".")[way], None)) == NAMES


@pytest.mark.parametrize("way", ["", "/shards/*.tar", "/shards/train-{000000..000002}.tar"])
def test_a_tilde_is_the_home_folder(folder, way, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert names(find_shards(f"~/{folder.name}{way}", None)) == NAMES


def test_a_folder_may_have_a_question_mark_in_its_name(folder, tmp_path):
    odd = tmp_path / "why?" / "dataset"
    shutil.copytree(folder, odd)
    for where in (odd, odd / "shards" / "*.tar"):
        shards = find_shards(where, None)
        assert names(shards) == NAMES
        assert all(ref.sha256 for ref in shards.refs)


@pytest.mark.parametrize("way", ways(""))
@pytest.mark.parametrize("root", ["plain", "file://"])
def test_shards_without_a_manifest_are_counted(bare, way, root):
    shards = find_shards(ways(f"{'' if root == 'plain' else 'file://'}{bare}")[way], "train")
    assert [(ref.name, ref.samples, ref.sha256) for ref in shards.refs] == [
        (name, count, None) for name, count in zip(NAMES, COUNTS, strict=True)
    ]
    assert shards.manifest == {}


def test_shards_of_one_name_in_two_folders_are_told_apart(folder, bare):
    shards = find_shards([folder / "shards" / "train-000000.tar", bare / "train-000000.tar"], None)
    assert [ref.samples for ref in shards.refs] == [COUNTS[0]] * 2
    assert len(set(names(shards))) == 2


@pytest.fixture
def two(tmp_path):
    """Two datasets whose shards have the same names, of unequal sizes and findings."""
    first, second = (write_dataset(tmp_path / at / "here", COUNTS[:n], seed=n) for at, n in (("a", 2), ("b", 3)))
    retold(second, diseases=["Edema", "Nodule"])
    return first, second


def retold(root, **changes):
    """Change what a dataset's manifest tells."""
    told = json.loads((root / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps(told | changes))


TOGETHER = {
    "folders": lambda roots: list(roots),
    "globs": lambda roots: [f"{root}/shards/*.tar" for root in roots],
    "a folder and a glob": lambda roots: [roots[0], f"{roots[1]}/shards/*.tar"],
    "one glob": lambda roots: f"{roots[0].parents[1]}/*/here/shards/*.tar",
}


@pytest.mark.parametrize("way", TOGETHER)
def test_shards_of_several_datasets_each_take_their_facts_from_their_own_manifest(two, way):
    shards = find_shards(TOGETHER[way](two), None)
    expected = [(i, ref) for i, root in enumerate(two) for ref in find_shards(root, None).refs]
    assert [(ref.name, ref.url, ref.samples, ref.sha256) for ref in shards.refs] == [
        (f"{i}/{ref.name}", ref.url, ref.samples, ref.sha256) for i, ref in expected
    ]
    batches = list(MixLoader(TOGETHER[way](two), 3, mix=1.0, threads=1))
    assert sum(len(batch.keys) for batch in batches) == sum(COUNTS[:2]) + sum(COUNTS[:3]) - 2  # fewer than a batch


def test_shards_of_unlike_names_in_two_datasets_are_held_to_their_own_manifests(two):
    first, second = (root / "shards" / f"{name}.tar" for root, name in zip(two, NAMES[:2], strict=True))
    shards = find_shards([second, first], None)
    assert [(ref.name, ref.url) for ref in shards.refs] == [(NAMES[0], str(first)), (NAMES[1], str(second))]
    assert all(len(read_shard_bytes(ref, LARGEST, verify=True)) == ref.size for ref in shards.refs)


def test_a_shard_that_was_changed_is_found_out_among_several_datasets(two):
    shard = two[1] / "shards" / f"{NAMES[0]}.tar"
    shard.write_bytes(shard.read_bytes().replace(b"Report of", b"Report 0f"))
    with pytest.raises(ShardError, match=f"shard 1/{NAMES[0]} has another sha256") as caught:
        list(MixLoader([f"{root}/shards/*.tar" for root in two], 3, threads=1))
    one_line(caught)


def test_several_datasets_give_the_same_batches_wherever_they_are(two, tmp_path):
    def read(roots):
        return list(MixLoader(roots, 3, mix=1.0, threads=1))

    here = read(list(two))
    moved = [root.rename(tmp_path / name) for root, name in zip(two, ("z", "y"), strict=True)]
    there = read(moved)
    assert [batch.keys for batch in there] == [batch.keys for batch in here]
    assert [batch.texts for batch in there] == [batch.texts for batch in here]
    MixLoader(moved, 3, mix=1.0).load_state_dict(here[0].state)


def test_findings_of_several_datasets_are_those_of_any(two):
    assert MixLoader(list(two), 3).findings == (*DISEASES, "Nodule")
    assert MixLoader(list(reversed(two)), 3).findings == ("Edema", "Nodule", "Cardiomegaly", "Fracture")


def test_datasets_that_ask_for_another_alpha_leave_the_choice_to_the_user(two):
    retold(two[1], config={"plans": {"alpha": 0.4}})
    with pytest.raises(UsageError, match=r"α of 1\.0 and 0\.4: say which with alpha=") as caught:
        MixLoader(list(two), 3)
    one_line(caught)
    assert len(MixLoader(list(two), 3, alpha=0.5)) == len(MixLoader(list(two), 3, lam="stored")) == 6


def test_a_dataset_of_several_that_is_not_there_or_lacks_the_split_is_told(two):
    with pytest.raises(DataError, match="nowhere holds no finished dataset") as caught:
        find_shards([*two, "nowhere"], "train")
    one_line(caught)
    with pytest.raises(UsageError, match="no shards of the split 'validate'"):
        find_shards(list(two), "validate")


def test_fsspec_reaches_folders_and_globs(memory):
    assert names(find_shards(memory, "train")) == NAMES
    shards = find_shards(f"{memory}/shards/*.tar", None)
    assert names(shards) == NAMES
    assert [ref.samples for ref in shards.refs] == COUNTS
    batches = list(MixLoader(memory, 4, mix=1.0, threads=1))
    assert len({key for batch in batches for key in batch.keys}) == sum(COUNTS)


def test_http_gives_the_batches_that_the_folder_gives(server, folder):
    far, near = (list(MixLoader(where, 4, mix=1.0, threads=1)) for where in (server.url, folder))
    assert [batch.keys for batch in far] == [batch.keys for batch in near]
    assert [batch.texts for batch in far] == [batch.texts for batch in near]
    ranged = find_shards(f"{server.url}/shards/train-{{000000..000002}}.tar", None)
    assert ranged.refs == find_shards(server.url, None).refs


def test_a_signed_url_keeps_its_signature_to_itself(server):
    shards = find_shards(f"{server.url}/shards/train-000001.tar?signature=secret", None)
    assert [(ref.name, ref.samples) for ref in shards.refs] == [("train-000001", COUNTS[1])]
    with pytest.raises(ShardError) as caught:
        find_shards(f"{server.url}/shards/train-000009.tar?signature=secret", None)
    assert "secret" not in one_line(caught)


@pytest.mark.parametrize("way", ["http", "endless http", "memory", "local"])
def test_no_more_than_the_limit_is_read(server, memory, folder, way):
    roots = {"http": server.url, "endless http": server.url, "memory": memory, "local": str(folder)}
    (ref, *_) = find_shards(roots[way], None).refs
    if way == "endless http":
        server.troubles[f"/shards/{ref.name}.tar"] = ["endless"]
    with pytest.raises(ShardError, match=f"shard {ref.name} cannot be read: it is larger than 4096 bytes"):
        read_shard_bytes(ref, 4096, verify=False)


def test_a_server_that_is_not_there_is_told():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(DataError, match="refused") as caught:
        find_shards(url, "train")
    one_line(caught)


@pytest.mark.parametrize(
    ("where", "error", "says"),
    [
        ("nowhere", DataError, "holds no finished dataset"),
        ("nowhere/*.tar", DataError, "no shard is at nowhere"),
        ("nowhere/train-{0..2}.tar", ShardError, "shard train-0 cannot be read: No such file"),
        ("memory://nowhere", DataError, "holds no finished dataset"),
        ("strange://place", DataError, "strange"),
        (".", DataError, "holds no finished dataset"),
        ([], DataError, "no shard"),
    ],
)
def test_places_that_hold_nothing_are_told(tmp_path, monkeypatch, where, error, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=says) as caught:
        find_shards(where, "train")
    one_line(caught)


def test_an_unfinished_dataset_is_told(folder, tmp_path):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "train-000000.tar").write_bytes((folder / "shards" / "train-000000.tar").read_bytes())
    with pytest.raises(DataError, match=r"no finished dataset: there is no dataset\.json in it") as caught:
        MixLoader(tmp_path, 2)
    one_line(caught)


def test_an_unknown_split_is_told_with_those_there_are(folder):
    with pytest.raises(UsageError, match="no shards of the split 'test'; it has: train") as caught:
        MixLoader(folder, 2, split="test")
    one_line(caught)


def test_splits_are_read_apart_or_together(tmp_path):
    root = write_dataset(tmp_path / "dataset", [2])
    manifest = json.loads((root / "dataset.json").read_text())
    data = (write_dataset(tmp_path / "other", [3, 4]) / "shards" / "train-000001.tar").read_bytes()
    manifest["shards"].append(write_shard(root, "validate-000000", data, 4))
    (root / "dataset.json").write_text(json.dumps(manifest))
    assert names(find_shards(root, "validate")) == ["validate-000000"]
    assert names(find_shards(root, None)) == ["train-000000", "validate-000000"]


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "train-000000.tar")
    with pytest.raises(ShardError, match="it is not a file"):
        find_shards(tmp_path / "train-000000.tar", None)


def test_a_shard_without_a_manifest_that_is_too_large_is_not_counted(bare, monkeypatch):
    monkeypatch.setattr(sources, "read_members", None)
    with pytest.raises(ShardError, match="shard train-000000 cannot be read: it is larger than 4096 bytes") as caught:
        find_shards(bare / "train-000000.tar", None, 4096)
    one_line(caught)


def test_ready_mixed_shards_are_refused_with_what_reads_them(tmp_path):
    members = [files for _, files in samples_of(0, 8, sick=1.0)]
    with (tmp_path / "train-000000.tar").open("wb") as out:
        write_tar(out, list(pixel_mixes(members, ShardsConfig(image_format="png"), seed=0)))
    loader = MixLoader(tmp_path / "train-000000.tar", 4)
    with pytest.raises(ShardError, match=r"\(pixel/\).*shards in shards/.*webdataset") as caught:
        list(loader)
    one_line(caught)
