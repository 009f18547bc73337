"""A dataset that was damaged on its way: `validate` names the file, `inspect` says so in a line."""

import json
import shutil

import pytest

from medcutmix_pipeline.cli import run
from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from medcutmix_pipeline.errors import DataError

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
        assert run(call) in (0, 1, 2)
        lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
        assert len(lines) <= 1
        assert all(line.startswith("error: ") for line in lines)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".parquet")])
def test_figures_are_never_told_of_what_is_left_of_a_table(built, tmp_path, name):
    out = tmp_path / "dataset"
    shutil.copytree(built, out)
    folder, file = name.split("/")
    shutil.copy(out / name, out / folder / "train-999999.parquet")
    whole = getattr(Dataset(built), folder)
    assert len(getattr(Dataset(out), folder)) == len(whole), "a file that dataset.json does not list is no part of it"
    (out / name).unlink()
    with pytest.raises(DataError, match=rf"{folder}/{file} of .*: gone, though dataset\.json lists it"):
        getattr(Dataset(out), folder)


def test_the_tables_of_an_earlier_release_are_read_though_it_listed_none(built, tmp_path):
    out = tmp_path / "dataset"
    shutil.copytree(built, out)
    manifest = json.loads((out / "dataset.json").read_text())
    del manifest["tables"]
    (out / "dataset.json").write_text(json.dumps(manifest))
    assert len(Dataset(out).sentences) == len(Dataset(built).sentences) > 0


@pytest.mark.parametrize("folder", ["shards", "plans", "samples", "sentences", "rejects", "encoder"])
def test_a_folder_that_is_gone_is_missed(built, tmp_path, capsys, folder):
    out = tmp_path / "dataset"
    shutil.copytree(built, out, ignore=shutil.ignore_patterns(".build"))
    shutil.rmtree(out / folder)
    assert any(folder in p.where for p in validate(Dataset(out)))
    for asked in ([], ["--random", "1"], ["--html", str(tmp_path / "page")]):
        code = run(["inspect", str(out), *asked])
        said = capsys.readouterr().err
        assert (code, said.count("error: ")) in ((0, 0), (1, 1)), said
        assert code or folder not in ("plans", "samples") or "--random" in asked, "what is gone is not told as nothing"


def test_tables_that_do_not_fit_their_shards_are_told_in_one_line(built, tmp_path, capsys):
    """As when files of two datasets were mixed up; `validate` says which."""
    out = tmp_path / "dataset"
    shutil.copytree(built, out, ignore=shutil.ignore_patterns(".build"))
    first, second, *_ = sorted((out / "plans").iterdir())
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    assert run(["inspect", str(out), "--html", str(tmp_path / "page")]) == 1
    assert "do not fit together: `medcutmix-pipeline validate` says where" in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("nowhere", 2, "there is no folder nowhere"),
        ("dataset.json", 2, "dataset.json is a file: name the folder of a dataset"),
        ("newer", 1, "has format version 99, this release reads 1: install a newer medcutmix-pipeline"),
        ("older", 1, "has format version 0, this release reads 1: build the dataset again"),
    ],
)
def test_what_is_no_dataset_is_told_as_what_it_is(tmp_path, monkeypatch, capsys, name, code, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    for folder, version in (("newer", 99), ("older", 0)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "dataset.json").write_text(f'{{"format_version": {version}}}')
    assert run(["inspect", name]) == code
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"format_version": 1}', '{"format_version": 9}', "\0", "[" * 9999]
)
def test_a_manifest_that_is_none(tmp_path, capsys, content):
    (tmp_path / "dataset.json").write_text(content)
    for command in ("validate", "inspect"):
        assert run([command, str(tmp_path)]) == 1
        assert capsys.readouterr().err.count("error: ") == 1
