"""Placing the corpus: which shard each sample goes to, decided without holding a number for each sample.

Once the findings are counted (`load_corpus`), there are three passes, each over ranges that fit into memory, with what
lies between them in buckets on disk: give each sample its group, and bring samples with like hashes together; cut them
into clumps, and bring clumps with like chances together; deal these to shards, and bring the samples of neighbouring
parts together again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medcutmix_pipeline.pipeline.spill import NumberSpill
from medcutmix_pipeline.stages.placing.clumps import Clumps, Deal, Groups, rarest_finding, scramble, seat_order

if TYPE_CHECKING:
    from medcutmix_pipeline.pipeline.corpus import Corpus
    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.schemas.config import Config
    from medcutmix_pipeline.stages.placing.clumps import Hashes, Ints

SAMPLES_AT_ONCE = 1 << 18
"""About how many samples' numbers are held at once: some 60 MB."""

_FIT = np.uint64(0xA0761D6478BD642F)
_BY_HASH = {"hash": "<u8", "sample": "<i8", "group": "<i8"}
_BY_CHANCE = {"chance": "<u8", "clump": "<i8", "sample": "<i8", "seat": "<u8"}
_BY_PART = {"sample": "<i8", "shard": "<i8", "seat": "<u8"}


@dataclass(frozen=True)
class Unit:
    """One shard to be made: its name, its split, how many samples it holds, and the sha256 of their rows."""

    name: str
    split: str
    samples: int
    sha256: str


@dataclass(frozen=True)
class Placing:
    """Where every sample stands, span by span.

    Attributes:
        names: of the shards, in order; each begins with its split's name.
        splits: the split of each shard.
        spill: for each of the corpus's spans a bucket with `sample`, `shard` and `seat`, by which a shard is ordered.
        for_fit: int64, ascending, the train samples from which an encoder is fitted.
    """

    names: list[str]
    splits: list[str]
    spill: NumberSpill
    for_fit: Ints


def place_corpus(layout: Layout, corpus: Corpus, config: Config, most: int) -> Placing:
    """Deal the samples to shards.

    Args:
        most: train samples to choose for the fit of an encoder, at most.
    """
    work = layout.work / "placing"
    buckets = max(1, -(-corpus.samples // min(SAMPLES_AT_ONCE, 4 * corpus.at_once)))  # numbers are smaller than rows
    hashed = NumberSpill(work / "by-hash", _BY_HASH)
    groups, for_fit = _spill_by_hash(layout, corpus, config, hashed, buckets, most)
    clumped = NumberSpill(work / "by-chance", _BY_CHANCE)
    _spill_by_chance(groups, hashed, clumped, buckets)
    dealt = NumberSpill(work / "by-part", _BY_PART)
    _spill_by_part(corpus, groups, clumped, dealt, buckets)
    numbers = [(split, n) for split, shards in zip(corpus.splits, groups.shards, strict=True) for n in range(shards)]
    return Placing([f"{split}-{n:06d}" for split, n in numbers], [split for split, _ in numbers], dealt, for_fit)


def _spill_by_hash(
    layout: Layout, corpus: Corpus, config: Config, spill: NumberSpill, buckets: int, most: int
) -> tuple[Groups, Ints]:
    """Bring samples with like hashes together; returns the groups' sizes, and the samples for the fit."""
    findings = corpus.present.shape[2]
    counts = corpus.present.sum(axis=(0, 1))
    sizes = np.zeros(len(corpus.splits) * 2 * (findings + 1), dtype=np.int64)
    fit = _Smallest(most)
    train = corpus.splits.index("train") if "train" in corpus.splits else -1
    for told, sample in corpus.columns(layout):
        anchor = rarest_finding(told.lengths, told.findings, counts)
        group = (told.split * 2 + told.view) * (findings + 1) + anchor + 1
        sizes += np.bincount(group, minlength=sizes.size)
        spill.add(_bucket(told.hash, buckets), hash=told.hash, sample=sample, group=group)
        usable = told.split == train
        fit.add(told.lengths[usable] == 0, scramble(told.hash[usable], _FIT), sample[usable])
    return Groups(sizes, len(corpus.splits), config.pairing.clump, config.shards.samples_per_shard), fit.samples()


def _spill_by_chance(groups: Groups, spill: NumberSpill, into: NumberSpill, buckets: int) -> None:
    """Cut the groups into clumps, and bring clumps of a split with like chances together."""
    clumps = Clumps(groups)
    for bucket in range(buckets):
        told = spill.take(bucket)
        order, clump, chance = clumps.take(told["group"], told["hash"])
        told = told[order]
        split = told["group"] // groups.per_split
        into.add(
            split * buckets + _bucket(chance, buckets),
            chance=chance,
            clump=clump,
            sample=told["sample"],
            seat=seat_order(told["hash"]),
        )
    spill.close()


def _spill_by_part(corpus: Corpus, groups: Groups, spill: NumberSpill, into: NumberSpill, buckets: int) -> None:
    """Deal the clumps to shards, and bring the samples of each span of parts together."""
    deal = Deal(groups)
    span_starts = corpus.starts[[span.start for span in corpus.spans()]]
    for bucket in range(len(corpus.splits) * buckets):
        told = spill.take(bucket)
        order, shard = deal.take(bucket // buckets, told["clump"], told["chance"])
        told = told[order]
        span = np.searchsorted(span_starts, told["sample"], side="right") - 1
        into.add(span, sample=told["sample"], shard=shard, seat=told["seat"])
    spill.close()


class _Smallest:
    """The samples with the smallest keys of all that were added: those with a finding first, by chance within."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept = (np.empty(0, dtype=bool), np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64))

    def add(self, normal: npt.NDArray[np.bool_], chance: Hashes, sample: Ints) -> None:
        """Some more samples; `sample` ascends over all calls, and decides between equals."""
        normal, chance, sample = map(np.concatenate, zip(self._kept, (normal, chance, sample), strict=True))
        order = np.lexsort((sample, chance, normal))[: self._most]
        self._kept = (normal[order], chance[order], sample[order])

    def samples(self) -> Ints:
        """int64, ascending."""
        return np.sort(self._kept[2])


def _bucket(uniform: Hashes, buckets: int) -> Ints:
    """int64 [N]: in which of so many equal ranges of 64-bit numbers each one is."""
    return ((uniform >> np.uint64(32)) * np.uint64(buckets) >> np.uint64(32)).astype(np.int64)
