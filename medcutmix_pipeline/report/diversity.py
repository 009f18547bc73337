"""How much that is new the mixed reports say: distinct n-grams against the originals'."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from medcutmix_pipeline.hashing import keyed_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

MOST_HOSTS = 5000
"""So many hosts at most are compared: the number of distinct n-grams of a corpus has to be held in memory."""

ORDERS = (1, 2, 3, 4)
_WORD = re.compile(r"[^\W_]+(?:['’./-][^\W_]+)*")


@dataclass(frozen=True)
class NGrams:
    """Distinct n-grams before and after, among equally many n-grams of each; `new` are those of no original."""

    order: int
    compared: int
    original: int
    mixed: int
    new: int


@dataclass
class Pairs:
    """One mixed report for each host, drawn by keyed hash: as many reports before as after.

    Distinct n-grams grow with the size of a corpus, so that all mixed reports against the fewer originals would
    flatter, and shorter reports would look poorer: the longer side is read only as far as the shorter one goes. Holds
    `MOST_HOSTS` hosts, those with the smallest keyed hashes.
    """

    kept: list[tuple[int, str, str]] = field(default_factory=list)
    """A heap of (−hash of the host, its report, the mixed report)."""
    seen: int = 0

    def add(self, batch: pa.Table) -> None:
        """Take the plans of one shard: `plan_id`, `host_id`, `host_text`, `mixed_text`."""
        chosen: dict[str, tuple[int, int]] = {}
        hosts = batch["host_id"].to_pylist()
        for row, (host, plan) in enumerate(zip(hosts, batch["plan_id"].to_pylist(), strict=True)):
            drawn = (keyed_hash(0, "diversity", plan), row)
            chosen[host] = min(chosen.get(host, drawn), drawn)
        self.seen += len(chosen)
        for host, (_, row) in chosen.items():
            rank = -keyed_hash(0, "diversity", host)
            if len(self.kept) == MOST_HOSTS and rank <= self.kept[0][0]:
                continue
            entry = (rank, batch["host_text"][row].as_py(), batch["mixed_text"][row].as_py())
            (heapq.heappush if len(self.kept) < MOST_HOSTS else heapq.heapreplace)(self.kept, entry)

    def ngrams(self) -> list[NGrams]:
        """The comparison for each of `ORDERS` (distinct-n: Li et al., NAACL 2016, arXiv 1510.03055)."""
        ordered = sorted(self.kept, reverse=True)
        original = [_tokens(host) for _, host, _ in ordered]
        mixed = [_tokens(text) for _, _, text in ordered]
        return [_compared(order, original, mixed) for order in ORDERS]

    def longer(self) -> float:
        """Words of the mixed reports over words of the originals; 1 where there are none."""
        before = sum(len(_tokens(host)) for _, host, _ in self.kept)
        after = sum(len(_tokens(text)) for _, _, text in self.kept)
        return after / before if before else 1.0


def _compared(order: int, original: list[list[str]], mixed: list[list[str]]) -> NGrams:
    lengths = [sum(max(0, len(report) - order + 1) for report in side) for side in (original, mixed)]
    compared = min(lengths)
    before = set(islice(_grams(order, original), compared))
    after = set(islice(_grams(order, mixed), compared))
    known = set(_grams(order, original))
    return NGrams(order, compared, len(before), len(after), len(after - known))


def _grams(order: int, reports: list[list[str]]) -> Iterator[tuple[str, ...]]:
    for tokens in reports:
        yield from zip(*(tokens[i:] for i in range(order)), strict=False)


def _tokens(text: str) -> list[str]:
    return _WORD.findall(text.lower())
