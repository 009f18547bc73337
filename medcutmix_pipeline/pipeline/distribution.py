"""Bringing the rows of every shard together on disk: they stream through it twice, in buckets of shards."""

from __future__ import annotations

import hashlib
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medcutmix_pipeline.pipeline.atomic import parquet_bytes, write_parquet
from medcutmix_pipeline.pipeline.corpus import THREADS
from medcutmix_pipeline.pipeline.failing_at import failing_at
from medcutmix_pipeline.pipeline.placement import Unit
from medcutmix_pipeline.pipeline.spill import RowSpill, in_turn
from medcutmix_pipeline.schemas.tables import PLACED

if TYPE_CHECKING:
    from collections.abc import Callable

    from medcutmix_pipeline.pipeline.corpus import Corpus
    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.pipeline.placement import Placing
    from medcutmix_pipeline.stages.placing.clumps import Ints


def distribute(layout: Layout, corpus: Corpus, placing: Placing, tick: Callable[[int], None]) -> tuple[list[Unit], str]:
    """Write the rows of every shard, and of the samples chosen for fitting.

    Args:
        tick: told how many samples stand in their shards' files.

    Returns:
        The units in order, and the sha256 of the rows for fitting.
    """
    per_bucket = max(1, corpus.at_once * len(placing.names) // max(1, corpus.samples))
    spill = RowSpill(layout.work / "placing" / "rows")
    spread = partial(_spread, layout, corpus, placing, spill, per_bucket)
    fit_rows = [PLACED.empty_table(), *in_turn(spread, enumerate(corpus.spans()), THREADS)]
    placing.spill.close()
    fitted = write_parquet(pa.concat_tables(fit_rows).sort_by("sample_id"), layout.work / "fit.parquet", layout.scratch)
    layout.placed("").parent.mkdir(parents=True, exist_ok=True)
    units: list[Unit] = []
    buckets = range(-(-len(placing.names) // per_bucket))
    for made in in_turn(partial(_write_bucket, layout, placing, spill), buckets, THREADS):
        units += made
        tick(sum(unit.samples for unit in made))
    spill.close()
    return units, fitted.sha256


def _spread(
    layout: Layout, corpus: Corpus, placing: Placing, spill: RowSpill, per_bucket: int, numbered: tuple[int, range]
) -> pa.Table:
    """Append the rows of a span of parts to the buckets of their shards; returns those for the fit."""
    number, parts = numbered
    start, stop = corpus.starts[parts.start], corpus.starts[parts.stop]
    told = placing.spill.take(number)
    told = told[np.argsort(told["sample"])]
    rows = pa.concat_tables([_joined(layout, part) for part in parts])
    chosen = placing.for_fit[np.searchsorted(placing.for_fit, start) : np.searchsorted(placing.for_fit, stop)]
    fit_rows = rows.take(pa.array(chosen - start))
    for name in ("shard", "seat", "sample"):
        rows = rows.append_column(name, pa.array(told[name]))
    spill.add(told["shard"] // per_bucket, rows)
    return fit_rows


def _write_bucket(layout: Layout, placing: Placing, spill: RowSpill, bucket: int) -> list[Unit]:
    """The rows of each shard of a bucket, in the order of their seats, each in a file."""
    table = spill.take(bucket)
    keys = [table[name].to_numpy() for name in ("sample", "seat", "shard")]
    order = np.lexsort(keys)
    table = table.select(PLACED.names).take(pa.array(order)).combine_chunks()
    shards: Ints = keys[-1][order]
    begins = np.flatnonzero(np.diff(shards, prepend=-1))
    units = []
    for begin, end in pairwise([*begins.tolist(), shards.size]):
        shard = int(shards[begin])
        content = parquet_bytes(table.slice(begin, end - begin))
        # A working file of this run alone, which nobody reads before it is whole: it need not outlive a crash.
        path = layout.placed(placing.names[shard])
        with failing_at(path):
            path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        units.append(Unit(placing.names[shard], placing.splits[shard], end - begin, sha256))
    return units


def _joined(layout: Layout, part: int) -> pa.Table:
    """The candidates of a part with the addresses of their images."""
    candidates = pq.read_table(layout.candidates(part), use_threads=False)
    listed = pq.read_table(layout.listing(part), columns=["images"], use_threads=False)
    images = pc.list_flatten(listed["images"])
    chosen = images.combine_chunks().take(candidates["image"].combine_chunks())
    for name in ("uri", "fingerprint"):
        candidates = candidates.append_column(name, pc.struct_field(chosen, name))
    return candidates.select(PLACED.names).cast(PLACED)
