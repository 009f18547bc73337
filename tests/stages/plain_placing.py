"""Placing once more, in plain Python over all samples at once: what the vectorised pieces are compared with."""

from __future__ import annotations

from collections import defaultdict

_64 = (1 << 64) - 1
DEAL, SEAT, FIT = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 0xA0761D6478BD642F


def scrambled(number: int, salt: int) -> int:
    """The finaliser of splitmix64."""
    z = (number + salt) & _64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _64
    return z ^ (z >> 31)


def rarest(findings: list[list[int]]) -> list[int]:
    """The rarest finding of each sample, the one with the lower code among equals, -1 for none."""
    count = defaultdict(int)
    for codes in findings:
        for code in codes:
            count[code] += 1
    return [min(codes, key=lambda code: (count[code], code), default=-1) for codes in findings]


def shards(
    split: list[int], view: list[int], anchor: list[int], hashes: list[int], clump: int, size: int
) -> list[tuple[int, list[int]]]:
    """The samples of every shard in the order of their seats, with the shard's split; shards in order."""
    clump = max(1, min(clump, size // 4))
    groups = defaultdict(list)
    for i, key in enumerate(zip(split, view, anchor, strict=True)):
        groups[key].append(i)
    clumps: dict[int, list[list[int]]] = defaultdict(list)
    for key in sorted(groups):
        members = sorted(groups[key], key=lambda i: (hashes[i], i))
        n = len(members)
        pieces = n if key[2] < 0 else -(-n // clump)
        cut = [[m for rank, m in enumerate(members) if rank * pieces // n == piece] for piece in range(pieces)]
        clumps[key[0]] += cut
    found = []
    for part in sorted(clumps):
        dealt = sorted(clumps[part], key=lambda members: scrambled(hashes[members[0]], DEAL))
        total, largest = sum(map(len, dealt)), max(map(len, dealt))
        count = 1 if total <= size else -(-total // max(1, size - largest + 1))
        stands: list[list[int]] = [[] for _ in range(count)]
        begin = 0
        for members in dealt:
            stands[begin * count // total] += members
            begin += len(members)
        found += [(part, sorted(s, key=lambda i: (scrambled(hashes[i], SEAT), i))) for s in stands]
    return found


def for_fit(split: list[str], findings: list[list[int]], hashes: list[int], most: int) -> list[int]:
    """The train samples from which an encoder is fitted: those with a finding first, by chance within."""
    train = [i for i, name in enumerate(split) if name == "train"]
    return sorted(sorted(train, key=lambda i: (not findings[i], scrambled(hashes[i], FIT), i))[:most])
