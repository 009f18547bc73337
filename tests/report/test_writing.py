"""What is written, when, and what is left alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.report import write_report
from medcutmix_pipeline.report.choose import chosen_plans
from medcutmix_pipeline.report.safe import script_json
from tests.builds import run_cli

if TYPE_CHECKING:
    from pathlib import Path

    from medcutmix_pipeline.report import Written


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def index_of(folder: Path) -> dict:
    text = (folder / "plans.js").read_text(encoding="ascii")
    return json.loads(text.removeprefix("medcutmix.index(").removesuffix(");\n"))


def test_the_same_dataset_gives_the_same_page_which_replaces_the_old_one(
    built: Path, written: Written, tmp_path: Path
) -> None:
    folder = tmp_path / "page"
    shutil.copytree(written.page.parent, folder)
    (folder / "left-over.txt").write_text("of an older report")
    again = write_report(Dataset(built), folder)
    copied = tmp_path / "page"
    assert again.page == copied / "index.html"
    assert content(copied) == content(written.page.parent)
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_every_plan_and_every_picture_that_it_needs_is_there_once(built: Path, written: Written) -> None:
    index, dataset = index_of(written.page.parent), Dataset(built)
    assert sorted(index["plans"]["id"]) == sorted(plan["plan_id"] for plan in dataset.plans)
    assert written.plans == written.of == len(index["plans"]["id"])
    assert len(set(index["samples"])) == len(index["samples"]) == written.pictures
    for sample, picture in zip(index["samples"], index["pictures"], strict=True):
        with Image.open(written.page.parent / picture) as small:
            stored = dataset.image(sample)
            assert max(small.size) <= 256
            assert small.size[0] / small.size[1] == pytest.approx(stored.size[0] / stored.size[1], rel=0.02)


def test_a_bound_keeps_every_finding_and_the_oddest_plans(built: Path, tmp_path: Path) -> None:
    dataset = Dataset(built)
    plans = list(dataset.plans)
    chosen = chosen_plans(dataset, 60)
    assert chosen is not None
    assert len(chosen) == 60
    assert {p["disease"] for p in plans if p["plan_id"] in chosen} == {p["disease"] for p in plans}
    assert min(plans, key=lambda p: p["donor_score"])["donor_score"] == min(
        p["donor_score"] for p in plans if p["plan_id"] in chosen
    )
    few = write_report(dataset, tmp_path / "few", most=60)
    assert (few.plans, few.of) == (60, len(plans))
    assert set(index_of(tmp_path / "few")["plans"]["id"]) == chosen
    assert chosen_plans(dataset, len(plans)) is None


def test_the_folder_in_which_one_stands_is_not_taken_away(built: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="in which you stand"):
        write_report(Dataset(built), tmp_path)


def test_a_folder_with_something_else_is_left_alone(built: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>mine</h1>")
    with pytest.raises(UsageError, match="no report"):
        write_report(Dataset(built), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    with pytest.raises(UsageError, match="is a file"):
        write_report(Dataset(built), tmp_path / "index.html")


def test_a_report_that_fails_half_way_leaves_the_old_one_and_nothing_else(built: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "dataset"
    shutil.copytree(built, damaged)
    folder = tmp_path / "page"
    write_report(Dataset(damaged), folder, most=30)
    before = content(folder)
    last = sorted((damaged / "shards").glob("*.tar"))[-1]
    last.write_bytes(last.read_bytes()[:2000])
    with pytest.raises(DataError):
        write_report(Dataset(damaged), folder)
    assert content(folder) == before
    assert {path.name for path in tmp_path.iterdir()} == {"dataset", "page"}


def test_the_command_says_where_to_open_it_or_what_is_wrong_in_one_line(built: Path, tmp_path: Path) -> None:
    done = run_cli("inspect", built, "--html", tmp_path / "page", "--most", "20")
    assert done.returncode == 0, done.stderr
    assert f"open {tmp_path / 'page' / 'index.html'}" in done.stdout
    assert "20 of" in done.stdout
    refused = run_cli("inspect", built, "--html", built)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "holds something that is no report" in refused.stderr


@given(st.text())
def test_text_in_a_script_cannot_end_it_and_comes_back_as_it_was(text: str) -> None:
    hostile = f"</script><!--{text}\u2028]]>"
    written = script_json({"text": hostile})
    assert written.isascii()
    assert not set("<>&") & set(written)
    assert json.loads(written)["text"] == hostile
