"""The corpus as placing sees it: counted once, then read as numbers, some neighbouring parts at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcutmix_pipeline.pipeline.machine import cpus
from medcutmix_pipeline.pipeline.spill import in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.stages.placing.clumps import Hashes, Ints

ROWS_AT_ONCE = 1 << 16
"""About how many samples' rows are held at once by each thread, at most: some 100 MB."""
_FEWEST_AT_ONCE = 1 << 12
_RANGES = 16
THREADS = min(4, cpus())


@dataclass(frozen=True)
class Columns:
    """The numbers of some samples: split and view as codes, findings sample by sample, keyed hashes."""

    split: Ints
    view: Ints
    lengths: Ints
    findings: Ints
    hash: Hashes


@dataclass(frozen=True)
class Corpus:
    """What was counted over the candidates of all parts. Samples are numbered in the source's order.

    Attributes:
        splits: names of the splits, in order.
        starts: int64 [parts + 1], the number of each part's first sample, and of all.
        present: int64 [splits, views, findings], how many samples have each finding.
    """

    splits: list[str]
    starts: Ints
    present: Ints

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return int(self.starts[-1])

    def pairable(self) -> int:
        """How many (split, view, finding) two samples or more share."""
        return int((self.present > 1).sum())

    @property
    def at_once(self) -> int:
        """About how many samples' rows a thread holds: a small share of all, up to `ROWS_AT_ONCE`.

        So placing a hundred thousand studies takes hardly more memory than placing a few, and ten million are not cut
        into more ranges than files can be appended to in turn.
        """
        return min(ROWS_AT_ONCE, max(_FEWEST_AT_ONCE, self.samples // _RANGES))

    def spans(self) -> list[range]:
        """Neighbouring parts with some `at_once` samples together, at least one part each."""
        span = (self.starts[:-1] // self.at_once).tolist()
        begins = [part for part, number in enumerate(span) if part == 0 or span[part - 1] != number]
        return [range(begin, end) for begin, end in zip(begins, [*begins[1:], len(span)], strict=True)]

    def columns(self, layout: Layout) -> Iterator[tuple[Columns, Ints]]:
        """The numbers of all samples in the source's order, span by span, with what the samples are numbered by."""
        spans = self.spans()
        read = partial(_read_span, layout, self.splits)
        for span, told in zip(spans, in_turn(read, spans, THREADS), strict=True):
            yield told, np.arange(self.starts[span.start], self.starts[span.stop])


def load_corpus(layout: Layout, parts: int) -> Corpus:
    """Count the candidates of all parts."""
    sizes = [0]
    total: Counter[tuple[str, int, int]] = Counter()
    splits: set[str] = set()
    for size, found, counts in in_turn(partial(_counted, layout), range(parts), THREADS):
        sizes.append(size)
        splits.update(found)
        total.update(counts)
    names = sorted(splits)
    present = np.zeros((len(names), 2, 1 + max((finding for _, _, finding in total), default=-1)), dtype=np.int64)
    for (split, view, finding), count in total.items():
        present[names.index(split), view, finding] = count
    return Corpus(names, np.cumsum(sizes), present)


def _counted(layout: Layout, part: int) -> tuple[int, list[str], dict[tuple[str, int, int], int]]:
    """How many candidates a part has, of which splits, and how many of each (split, view) have each finding."""
    table = _read(layout.candidates(part), "split", "view", "findings")
    splits = pc.unique(table["split"]).to_pylist()
    told = _columns(table, splits)
    width = int(told.findings.max(initial=0)) + 1
    cell, count = np.unique(
        np.repeat(told.split * 2 + told.view, told.lengths) * width + told.findings, return_counts=True
    )
    keys = [(splits[c // width // 2], c // width % 2, c % width) for c in cell.tolist()]
    return table.num_rows, splits, dict(zip(keys, count.tolist(), strict=True))


def _read_span(layout: Layout, splits: list[str], span: range) -> Columns:
    tables = [_read(layout.candidates(part), "split", "view", "findings", "hash") for part in span]
    return _columns(pa.concat_tables(tables), splits)


def _columns(table: pa.Table, splits: list[str]) -> Columns:
    return Columns(
        split=_ints(pc.index_in(table["split"], pa.array(splits, pa.string()))),
        view=_ints(pc.equal(table["view"], "lateral")),
        lengths=_ints(pc.list_value_length(table["findings"])),
        findings=_ints(pc.list_flatten(table["findings"])),
        hash=table["hash"].to_numpy() if "hash" in table.column_names else np.empty(0, dtype=np.uint64),
    )


def _read(path: Path, *columns: str) -> pa.Table:
    # Each part is small, and read by a thread of ours: threads of Arrow's own would only stand in their way.
    return pq.read_table(path, columns=list(columns), use_threads=False)


def _ints(column: pa.ChunkedArray) -> Ints:
    ints: Ints = column.to_numpy().astype(np.int64)
    return ints
