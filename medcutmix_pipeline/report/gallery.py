"""The gallery's files: an index of its plans, a script for each shard's texts and maps, and small pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcutmix_pipeline.dataset.members import read_member
from medcutmix_pipeline.report.choose import chosen_plans
from medcutmix_pipeline.report.columns import label_codes
from medcutmix_pipeline.report.safe import script_json
from medcutmix_pipeline.report.small import map_text, small_picture
from medcutmix_pipeline.schemas.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from medcutmix_pipeline.dataset import Dataset

REGISTER = "medcutmix"
"""The page's one global: files beside it hand over their data by calling its functions, since a page that was opened
from a disk may not fetch."""


@dataclass
class Words:
    """Words and their numbers, in the order in which they are met."""

    numbers: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, word: str) -> int:
        return self.numbers.setdefault(word, len(self.numbers))


@dataclass
class Index:
    """What the page has to know of every plan in order to filter and sort, in columns."""

    findings: tuple[str, ...]
    views: Words = field(default_factory=Words)
    splits: Words = field(default_factory=Words)
    shards: Words = field(default_factory=Words)
    sentences: Words = field(default_factory=Words)
    samples: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def add(self, **values: Any) -> int:
        """Add a plan; returns its number."""
        for name, value in values.items():
            self.columns.setdefault(name, []).append(value)
        return len(self.columns["id"]) - 1

    def script(self, reuse: Mapping[str, int], facts: Mapping[str, Any]) -> str:
        """The index as a script. `reuse` counts each donor's sentence over the whole dataset."""
        content = {
            "findings": self.findings,
            "views": list(self.views.numbers),
            "splits": list(self.splits.numbers),
            "shards": list(self.shards.numbers),
            "sentences": [[text, reuse.get(text, 1)] for text in self.sentences.numbers],
            "samples": self.samples,
            "pictures": self.pictures,
            "plans": self.columns,
            **facts,
        }
        return f"{REGISTER}.index({script_json(content)});\n"


@dataclass(frozen=True)
class Shown:
    """How many plans and samples the gallery has."""

    plans: int
    samples: int


def write_gallery(
    dataset: Dataset, sentences: Mapping[tuple[str, str], int], facts: Mapping[str, Any], folder: Path, most: int
) -> Shown:
    """Write the gallery's files into a folder, a shard at a time: no more than one is held.

    Args:
        dataset: a finished one.
        sentences: (finding, donor's sentence) → plans, over the whole dataset.
        facts: further entries of the index.
        folder: gets `plans.js`, `shards/NAME.js` and `pictures/NAME/N.jpg`.
        most: so many plans at most; `choose` says which.
    """
    chosen = chosen_plans(dataset, most)
    index = Index(tuple(dataset.manifest.diseases))
    for name in ("shards", "pictures"):
        (folder / name).mkdir()
    for shard in dataset.manifest.shards:
        rows = _plans(dataset, shard.name, chosen)
        if rows.num_rows:
            _write_shard(dataset, shard.name, rows, index, folder)
    reuse: Counter[str] = Counter()
    for (_, text), plans in sentences.items():
        reuse[text] += plans
    (folder / "plans.js").write_text(index.script(reuse, facts), encoding="ascii")
    return Shown(len(index.columns.get("id", ())), len(index.samples))


def _plans(dataset: Dataset, shard: str, chosen: frozenset[str] | None) -> pa.Table:
    rows = _in_shard(dataset, "plans", shard)
    if chosen is None:
        return rows
    wanted = pa.array([plan in chosen for plan in rows["plan_id"].to_pylist()], pa.bool_())
    return rows.filter(wanted)


def _write_shard(dataset: Dataset, shard: str, rows: pa.Table, index: Index, folder: Path) -> None:
    """The script and the pictures of one shard; its plans are added to the index."""
    pair = (rows["host_id"].to_pylist(), rows["donor_id"].to_pylist())
    samples = _samples(dataset, shard, {*pair[0], *pair[1]})
    numbers: dict[str, int] = {}
    told: dict[int, dict[str, Any]] = {}
    records: dict[str, dict[str, Any]] = {}
    (folder / "pictures" / shard).mkdir()
    dataset.bring(f"shards/{shard}.tar")
    for row in samples:
        stored = read_member(dataset.folder / "shards", row)
        number = numbers[row["sample_id"]] = len(index.samples)
        picture = f"pictures/{shard}/{number}.jpg"
        (folder / picture).write_bytes(small_picture(stored.image))
        index.samples.append(row["sample_id"])
        index.pictures.append(picture)
        told[number] = {"text": row["text"], "maps": [map_text(m) for m in stored.maps]}
        # only the record says what maps a plan uses
        records.update({plan["plan_id"]: plan for plan in stored.record["plans"]})
    plans = _add_plans(rows, index, numbers, records, shard)
    content = script_json({"samples": told, "plans": plans})
    name = script_json(shard)
    (folder / "shards" / f"{shard}.js").write_text(f"{REGISTER}.shard({name},{content});\n", encoding="ascii")


def _samples(dataset: Dataset, shard: str, wanted: Iterable[str]) -> list[dict[str, Any]]:
    rows = _in_shard(dataset, "samples", shard).select(["sample_id", "shard", "text", "offset", "size", "sha256"])
    own = rows.filter(pc.is_in(rows["sample_id"], value_set=pa.array(sorted(wanted), pa.string())))
    found: list[dict[str, Any]] = own.sort_by("offset").to_pylist()
    return found


def _in_shard(dataset: Dataset, kind: str, shard: str) -> pa.Table:
    dataset.bring(f"{kind}/")
    return pq.read_table(dataset.folder / kind / f"{shard}.parquet", schema=TABLES[kind])


def _add_plans(
    rows: pa.Table, index: Index, numbers: Mapping[str, int], records: Mapping[str, dict[str, Any]], shard: str
) -> dict[int, dict[str, Any]]:
    """Add the plans to the index; returns what only their close view needs, by number."""
    labels = [label_codes(rows[f"{who}_labels"], index.findings).tolist() for who in ("host", "donor", "mixed")]
    place = {finding: i for i, finding in enumerate(index.findings)}
    close: dict[int, dict[str, Any]] = {}
    plain = rows.drop_columns(["host_labels", "donor_labels", "mixed_labels", "host_text", "mixed_text"])
    for i, row in enumerate(plain.to_pylist()):
        record = records[row["plan_id"]]
        number = index.add(
            id=row["plan_id"],
            finding=place[row["disease"]],
            view=index.views[row["view"]],
            split=index.splits[row["split"]],
            shard=index.shards[shard],
            host=numbers[row["host_id"]],
            donor=numbers[row["donor_id"]],
            hostMap=record["host_map"],
            donorMap=record["donor_map"],
            kept=round(row["lambda"], 4),
            area=round(row["map_area"], 4),
            presence=round(row["donor_score"], 4),
            hostPresence=round(row["host_score"], 4),
            sentence=index.sentences[row["donor_sentence"]],
        )
        close[number] = {
            "edits": [[edit["start"], edit["end"], edit["text"]] for edit in row["edits"]],
            "labels": [column[i] for column in labels],
        }
    return close
