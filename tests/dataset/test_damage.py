"""A dataset that was damaged on its way: `validate` names the file, `inspect` says so in a line."""

import shutil

import pytest

from medcutmix_pipeline.cli import run
from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate

FILES = (
    "shards/train-000000.tar",
    "plans/train-000000.parquet",
    "samples/train-000000.parquet",
    "sentences/part-00000.parquet",
    "rejects/part-00000.parquet",
    "encoder/model.safetensors",
    "encoder/config.json",
)


def into_a_folder(path):
    path.unlink()
    path.mkdir()


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    content[-9] ^= 4
    path.write_bytes(content)


DAMAGE = {
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "overwritten": lambda path: path.write_bytes(b"something else altogether" * 40),
    "flipped bits": flipped,
    "a folder": into_a_folder,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_and_nothing_is_read_in_vain(built, tmp_path, capsys, name, damage):
    out = tmp_path / "dataset"
    shutil.copytree(built, out, ignore=shutil.ignore_patterns(".build"))
    DAMAGE[damage](out / name)
    problems = validate(Dataset(out))
    assert any(p.where in (name, name.split("/", maxsplit=1)[0]) for p in problems), problems
    for call in (["inspect", str(out)], ["inspect", str(out), "--random", "3"], ["inspect", str(out), "--plan", "0"]):
        assert run(call) in (0, 1)
        lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
        assert len(lines) <= 1
        assert all(line.startswith("error: ") for line in lines)


@pytest.mark.parametrize("folder", ["shards", "plans", "samples", "sentences", "rejects", "encoder"])
def test_a_folder_that_is_gone_is_missed(built, tmp_path, folder):
    out = tmp_path / "dataset"
    shutil.copytree(built, out, ignore=shutil.ignore_patterns(".build"))
    shutil.rmtree(out / folder)
    assert any(folder in p.where for p in validate(Dataset(out)))
    assert run(["inspect", str(out), "--random", "1"]) in (0, 1)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"format_version": 1}', '{"format_version": 9}', "\0", "[" * 9999]
)
def test_a_manifest_that_is_none(tmp_path, capsys, content):
    (tmp_path / "dataset.json").write_text(content)
    for command in ("validate", "inspect"):
        assert run([command, str(tmp_path)]) == 1
        assert capsys.readouterr().err.count("error: ") == 1
