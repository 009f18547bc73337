"""Who is mixed with whom in an epoch: a random maximal matching on a shard's plans, and packing of what follows."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from medcutmix_pipeline.loader.reading.courtesy import at_full_speed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medcutmix_pipeline.loader.reading.edges import Edges

T = TypeVar("T")
Atom = tuple[T, ...]
"""What stays in one batch: a sample alone, or two partners."""


def match_samples(
    edges: Edges,
    samples: int,
    draws: Sequence[np.random.Generator],
    pause: Callable[[], None] = at_full_speed,
) -> list[Atom[int]]:
    """A random maximal matching on the plans of a shard, as atoms in random order that cover every sample once.

    Two samples may be partners where a plan leads from one to the other, in whichever direction. No two samples that
    are left over could have been partners.

    Args:
        edges: who could be mixed with whom.
        samples: how many the shard has.
        draws: a generator for each epoch of a round, up to the one that is asked for. Pairs that were not partners in
            the round so far come first, so that a host meets many donors; then those whose last time is longest ago.
            Among equals, findings with fewer hosts come first, so that a sample with a rare and a common finding is
            spent on the rare one; the rest is chance.
        pause: called after every draw.
    """
    last = np.full(len(edges.pair), -1)
    taken: list[int] = []
    for time, rng in enumerate(draws):
        order = np.lexsort((rng.random(len(edges.pair)), edges.rarity, last[edges.pair]))
        taken = edges.free_in(order, samples)
        last[edges.pair[taken]] = time
        pause()
    partners = list(zip(edges.first[taken].tolist(), edges.second[taken].tolist(), strict=True))
    paired = {i for pair in partners for i in pair}
    atoms: list[Atom[int]] = [*partners, *((i,) for i in range(samples) if i not in paired)]
    return shuffled(sorted(atoms), draws[-1])


def shuffled(atoms: Sequence[T], rng: np.random.Generator) -> list[T]:
    """The same in random order."""
    return [atoms[i] for i in rng.permutation(len(atoms)).tolist()]


def pack(atoms: Sequence[Atom[T]], sizes: Sequence[int]) -> list[list[Atom[T]]]:
    """Fill bins of the given sizes with atoms in their order, each bin to the full.

    Where one place is left and a pair comes next, the next single sample is taken first; only where none is left is the
    pair broken, and both go on alone: at most once in a bin of odd size, never in one of even size. `sizes` must
    sum to the number of samples in `atoms`.
    """
    pairs = deque(atom for atom in enumerate(atoms) if len(atom[1]) > 1)
    singles = deque(atom for atom in enumerate(atoms) if len(atom[1]) == 1)
    bins: list[list[Atom[T]]] = []
    for size in sizes:
        taken: list[Atom[T]] = []
        left = size
        while left:
            single_first = bool(singles) and (not pairs or singles[0][0] < pairs[0][0])
            # The last single sample waits while an even number of places is left: taken now, it would break a pair.
            if pairs and left > 1 and (not single_first or (left % 2 == 0 and len(singles) == 1)):
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
