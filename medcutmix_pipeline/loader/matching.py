"""Who is mixed with whom in an epoch: a random maximal matching on a shard's plans, and packing of what follows."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from medcutmix_pipeline.loader.shard import Sample

T = TypeVar("T")
Atom = tuple[T, ...]
"""What stays in one batch: a sample alone, or two partners."""


def match_samples(samples: Sequence[Sample], rng: np.random.Generator) -> list[Atom[int]]:
    """A random maximal matching on the plans of a shard, as atoms in random order that cover every sample once.

    Two samples may be partners where a plan leads from one to the other, in whichever direction. Findings with fewer
    hosts come first, so that a sample with a rare and a common finding is spent on the rare one; within a finding the
    order is random. No two samples that are left over could have been partners.
    """
    usable = [sample.problem is None for sample in samples]
    edges = [
        (i, plan.donor, plan.disease)
        for i, sample in enumerate(samples)
        for plan in sample.plans
        if usable[i] and usable[plan.donor]
    ]
    hosts = Counter(disease for _, disease in {(i, disease) for i, _, disease in edges})
    chance = rng.random(len(edges)).tolist()
    order = sorted(range(len(edges)), key=lambda e: (hosts[edges[e][2]], edges[e][2], chance[e]))
    partner: dict[int, int] = {}
    for host, donor, _ in (edges[e] for e in order):
        if host not in partner and donor not in partner:
            partner[host], partner[donor] = donor, host
    alone = [(i,) for i in range(len(samples)) if i not in partner]
    atoms: list[Atom[int]] = [*alone, *((i, j) for i, j in partner.items() if i < j)]
    return shuffled(sorted(atoms), rng)


def shuffled(atoms: Sequence[T], rng: np.random.Generator) -> list[T]:
    """The same in random order."""
    return [atoms[i] for i in rng.permutation(len(atoms)).tolist()]


def pack(atoms: Sequence[Atom[T]], sizes: Sequence[int]) -> list[list[Atom[T]]]:
    """Fill bins of the given sizes with atoms in their order, each bin to the full.

    Where one place is left and a pair comes next, the next single sample is taken first; only where none is left is the
    pair broken, and both go on alone. `sizes` must sum to the number of samples in `atoms`.
    """
    pairs = deque(atom for atom in enumerate(atoms) if len(atom[1]) > 1)
    singles = deque(atom for atom in enumerate(atoms) if len(atom[1]) == 1)
    bins: list[list[Atom[T]]] = []
    for size in sizes:
        taken: list[Atom[T]] = []
        left = size
        while left:
            if pairs and left > 1 and not (singles and singles[0][0] < pairs[0][0]):
                atom = pairs.popleft()[1]
            elif singles:
                atom = singles.popleft()[1]
            else:
                place, (first, second) = pairs.popleft()
                singles.append((place, (second,)))
                atom = (first,)
            taken.append(atom)
            left -= len(atom)
        bins.append(taken)
    return bins
