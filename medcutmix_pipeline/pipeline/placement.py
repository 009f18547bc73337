"""Placing the corpus: which shard each sample goes to, and the rows of every shard brought together on disk.

Only a few numbers a sample are held in memory; the rows themselves stream through the disk twice, in buckets of shards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcutmix_pipeline.pipeline.atomic import write_parquet
from medcutmix_pipeline.schemas.tables import PLACED
from medcutmix_pipeline.stages.placing.clumps import Placing, place, rarest_finding, scramble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.schemas.config import Config

_ROWS_PER_BUCKET = 65_536
_FIT = np.uint64(0xA0761D6478BD642F)


@dataclass(frozen=True)
class Unit:
    """One shard to be made: its name, its split, how many samples it holds, and the sha256 of their rows."""

    name: str
    split: str
    samples: int
    sha256: str


@dataclass
class Corpus:
    """The candidates of all parts as numbers; arrays are parallel and in the source's order.

    `rows` and `findings` are the present findings: sample and code, [M]. `splits` names the codes of `split`.
    """

    split: npt.NDArray[np.int64]
    view: npt.NDArray[np.int64]
    hash: npt.NDArray[np.uint64]
    rows: npt.NDArray[np.int64]
    findings: npt.NDArray[np.int64]
    splits: list[str]

    def pairable(self) -> int:
        """How many (split, view, finding) two samples or more share."""
        group = (self.split[self.rows] * 2 + self.view[self.rows]) * (1 << 16) + self.findings
        return int((np.unique(group, return_counts=True)[1] > 1).sum())


def load_corpus(layout: Layout, parts: int) -> Corpus:
    """Read the columns that placing needs, from all parts."""
    columns = ["split", "view", "findings", "hash"]
    table = pa.concat_tables([pq.read_table(layout.candidates(p), columns=columns) for p in range(parts)])
    splits = sorted(pc.unique(table["split"]).to_pylist())
    lengths = pc.list_value_length(table["findings"]).to_numpy().astype(np.int64)
    return Corpus(
        split=pc.index_in(table["split"], pa.array(splits, pa.string())).to_numpy().astype(np.int64),
        view=pc.equal(table["view"], "lateral").to_numpy().astype(np.int64),
        hash=table["hash"].to_numpy(),
        rows=np.repeat(np.arange(table.num_rows), lengths),
        findings=pc.list_flatten(table["findings"]).to_numpy().astype(np.int64),
        splits=splits,
    )


def place_corpus(corpus: Corpus, config: Config) -> Placing:
    """Deal the samples to shards."""
    anchor = rarest_finding(corpus.rows, corpus.findings, corpus.split.size)
    return place(corpus.split, corpus.view, anchor, corpus.hash, config.pairing.clump, config.shards.samples_per_shard)


def choose_for_fit(corpus: Corpus, most: int) -> npt.NDArray[np.bool_]:
    """bool [N]: the train samples from which an encoder is fitted; those with a finding first, by keyed hash within."""
    chosen = np.zeros(corpus.split.size, dtype=bool)
    if "train" in corpus.splits:
        train = np.flatnonzero(corpus.split == corpus.splits.index("train"))
        normal = np.ones(corpus.split.size, dtype=bool)
        normal[corpus.rows] = False
        order = np.lexsort((scramble(corpus.hash[train], _FIT), normal[train]))
        chosen[train[order[:most]]] = True
    return chosen


def distribute(
    layout: Layout, parts: int, corpus: Corpus, placing: Placing, for_fit: npt.NDArray[np.bool_]
) -> tuple[list[Unit], str]:
    """Write the rows of every shard, and of the samples chosen for fitting.

    Returns:
        The units in order, and the sha256 of the rows for fitting.
    """
    names = [f"{corpus.splits[s]}-{n:06d}" for s, n in zip(placing.shard_split, placing.shard_number, strict=True)]
    per_bucket = max(1, _ROWS_PER_BUCKET * len(names) // max(1, corpus.split.size))
    fit_rows = _spill(layout, parts, placing, for_fit, per_bucket)
    fitted = write_parquet(fit_rows.sort_by("sample_id"), layout.work / "fit.parquet", layout.scratch)
    units = []
    for bucket in range(-(-len(names) // per_bucket)):
        for shard, rows in _read_bucket(layout, bucket):
            written = write_parquet(rows, layout.placed(names[shard]), layout.scratch)
            split = corpus.splits[placing.shard_split[shard]]
            units.append(Unit(names[shard], split, rows.num_rows, written.sha256))
    return units, fitted.sha256


def _spill(layout: Layout, parts: int, placing: Placing, for_fit: npt.NDArray[np.bool_], per_bucket: int) -> pa.Table:
    """First pass: append each part's rows to the buckets of the shards they go to."""
    folder = layout.work / "buckets"
    folder.mkdir(parents=True, exist_ok=True)
    writers: dict[int, pa.RecordBatchFileWriter] = {}
    fit_rows = [PLACED.empty_table()]
    start = 0
    try:
        for part in range(parts):
            rows = _joined(layout, part)
            here = slice(start, start + rows.num_rows)
            fit_rows.append(rows.filter(pa.array(for_fit[here])))
            shard = placing.shard[here]
            rows = rows.append_column("shard", pa.array(shard)).append_column("seat", pa.array(placing.seat[here]))
            for bucket in np.unique(shard // per_bucket).tolist():
                if bucket not in writers:
                    writers[bucket] = pa.ipc.new_file(folder / f"{bucket:05d}.arrow", rows.schema)
                writers[bucket].write_table(rows.filter(pa.array(shard // per_bucket == bucket)))
            start = here.stop
    finally:
        for writer in writers.values():
            writer.close()
    return pa.concat_tables(fit_rows)


def _read_bucket(layout: Layout, bucket: int) -> Iterator[tuple[int, pa.Table]]:
    """Second pass: the rows of each shard of a bucket, in the order of their seats."""
    path = layout.work / "buckets" / f"{bucket:05d}.arrow"
    with pa.ipc.open_file(path) as file:
        table = file.read_all().sort_by([("shard", "ascending"), ("seat", "ascending")])
    path.unlink()
    shard = table["shard"].to_numpy()
    starts = np.flatnonzero(np.append(True, np.diff(shard) != 0))
    for begin, end in zip(starts, np.append(starts[1:], shard.size), strict=True):
        yield int(shard[begin]), table.slice(begin, end - begin).select(PLACED.names).combine_chunks()


def _joined(layout: Layout, part: int) -> pa.Table:
    """The candidates of a part with the addresses of their images."""
    candidates = pq.read_table(layout.candidates(part))
    images = pc.list_flatten(pq.read_table(layout.listing(part), columns=["images"])["images"])
    chosen = images.combine_chunks().take(candidates["image"].combine_chunks())
    for name in ("uri", "fingerprint"):
        candidates = candidates.append_column(name, pc.struct_field(chosen, name))
    return candidates.select(PLACED.names).cast(PLACED)
