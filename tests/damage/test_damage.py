"""Whatever is wrong with an input, it costs no other: a small corpus of every kind of damage (`make damage`: 1,000)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.builds import run_build
from tests.damage import corpus
from tests.damage.outcome import judge
from tests.pipeline import fitted_once

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(32))
CHANGES = {
    "attention": {"encoder": fitted_once.NAME},
    "shards": {"samples_per_shard": 24, "image_size": 48},
    "engine": {"max_reject_rate": 1.0},
}


@pytest.fixture(scope="module")
def goods() -> list[corpus.Good]:
    return corpus.good_inputs(36, seed=3)


@pytest.mark.parametrize(
    "make", [corpus.image_tree, corpus.report_tree, corpus.xml_tree], ids=["images", "reports", "xml"]
)
def test_every_damaged_input_is_told_by_its_code_and_every_good_one_is_as_it_is_alone(
    make, goods, built, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv(fitted_once.FOLDER, str(built / "encoder"))
    tree = make(tmp_path, goods, times=1, seed=11)
    for root in (tree.good, tree.damaged):
        run_build(root, tmp_path / f"out {root.parent.name}", source={"kind": tree.source}, **CHANGES)
    found = judge(tree, tmp_path / "out damaged", tmp_path / "out good", KEY, same_bytes=tree.name == "reports")
    assert not found.wrong, "\n".join(found.wrong)
    assert found.good >= len(goods) - 2
    assert found.inputs == len(tree.inputs) >= 20
