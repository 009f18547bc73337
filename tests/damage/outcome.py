"""What became of a corpus: every damaged input's outcome, and whether the good ones came out as they do alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.validate import validate
from medcutmix_pipeline.stages.identities import Identities
from tests.builds import digests
from tests.damage.kinds import SAMPLE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.damage.corpus import Damaged, Tree

_VANISHED = "vanished"
_COLUMNS = (
    "sample_id",
    "study_id",
    "patient_id",
    "view",
    "split",
    "text",
    "labels",
    "image_height",
    "image_width",
    "sha256",
)


@dataclass
class Findings:
    """Outcomes by kind, and everything that is wrong, in words; `must` are the kinds that have to get in."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    good: int = 0
    must: set[str] = field(default_factory=set)

    @property
    def inputs(self) -> int:
        """How many damaged inputs there were."""
        return sum(counted.total() for counted in self.outcomes.values())


def judge(tree: Tree, damaged: Path, good: Path, key: bytes, same_bytes: bool) -> Findings:
    """Compare a build over damaged inputs with one of the good inputs alone.

    `same_bytes`: nothing damaged may have got as far as to be dealt to a shard, so that shards and tables are equal to
    the byte.
    """
    found = Findings()
    names = Identities(key, public_ids=tree.source == "openi")
    dataset = Dataset(damaged)
    found.wrong += [f"validate: {problem}" for problem in validate(dataset)[:5]]
    samples, rejects = rows(dataset, "samples"), rows(dataset, "rejects")
    for one in tree.inputs:
        outcome = _outcome(one, names, samples, rejects)
        found.outcomes.setdefault(one.kind, Counter())[outcome] += 1
        if one.codes == {SAMPLE}:
            found.must.add(one.kind)
        if outcome not in one.codes:
            found.wrong.append(f"{one.kind} ({one.study}): {outcome} instead of {' or '.join(sorted(one.codes))}")
    _compare(found, {r["sample_id"]: r for r in samples}, rows(Dataset(good), "samples"))
    if same_bytes:
        found.wrong += _other_bytes(damaged, good)
    return found


def rows(dataset: Dataset, table: str) -> list[dict[str, Any]]:
    """A table's rows."""
    found: list[dict[str, Any]] = dataset.table(table).to_table().to_pylist()
    return found


def _outcome(one: Damaged, names: Identities, samples: list[dict[str, Any]], rejects: list[dict[str, Any]]) -> str:
    """The reason, SAMPLE, or that nothing tells of the input or more than one thing does."""
    if one.image is not None:
        name, kind, column = names.image(one.study, one.image), "image", "sample_id"
    else:
        name, kind, column = names.study(one.study), "study", "study_id"
    told = [r["reason"] for r in rejects if r["kind"] == kind and r["input"] == name]
    told += [SAMPLE] * any(s[column] == name for s in samples)
    return told[0] if len(told) == 1 else " and ".join(told) or _VANISHED


def _compare(found: Findings, got: dict[str, dict[str, Any]], good: list[dict[str, Any]]) -> None:
    for row in good:
        there = got.get(row["sample_id"])
        if there is None:
            found.wrong.append(f"the good sample {row['sample_id']} is missing")
        elif any(there[c] != row[c] for c in _COLUMNS):
            found.wrong.append(f"the good sample {row['sample_id']} is another")
        else:
            found.good += 1


def _other_bytes(damaged: Path, good: Path) -> list[str]:
    ours, theirs = digests(damaged), digests(good)
    parts = ("shards/", "plans/", "samples/")
    files = sorted(f for f in ours.keys() | theirs.keys() if f.startswith(parts))
    wrong = [f"{file} is another file" for file in files if ours.get(file) != theirs.get(file)]
    if rows(Dataset(damaged), "sentences") != rows(Dataset(good), "sentences"):
        wrong.append("the sentences are others")
    return wrong
