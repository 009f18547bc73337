"""Which samples of a shard are tried with which: rings in keyed order, one for each finding and view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.hashing import framed, framed_hashes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from medcutmix_pipeline.schemas.records import PlacedSample

# Beyond this many times the wanted donors, a host whose partners all fail the checks goes without.
_PATIENCE = 4


def rings(
    samples: Sequence[PlacedSample], matchable: Mapping[int, Sequence[str]], seed: int
) -> Iterator[tuple[str, list[int]]]:
    """Groups of samples that may be mixed with each other, each in keyed random order.

    Args:
        samples: the samples of one shard.
        matchable: for each place in `samples`, the findings on which it may be matched.

    Yields:
        (finding, places) for each finding and view that two samples or more share, in a fixed order.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for place, findings in matchable.items():
        for finding in findings:
            groups.setdefault((finding, samples[place].view), []).append(place)
    names = [framed(sample.sample_id) for sample in samples]
    for (finding, _view), places in sorted(groups.items()):
        if len(places) > 1:
            name = framed(finding)
            chance = framed_hashes(seed, "ring", (name + names[place] for place in places))
            yield finding, [place for _, place in sorted(zip(chance, places, strict=True))]


def partners(ring: Sequence[int], wanted: int, donors: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Pairs to try, nearest neighbours on the ring first: each place gets up to 2 × wanted × `_PATIENCE` partners.

    No pair comes twice. The work is linear in the ring's length, however common the finding, and ends where all have
    what they want.

    Args:
        ring: places, in the ring's order.
        wanted: donors that each place is to have.
        donors: how many each has by now; whoever takes the pairs counts here, and places that have enough are left out.
    """
    n = len(ring)
    wanting: Sequence[int] = range(n)
    for distance in range(1, min(n // 2, wanted * _PATIENCE) + 1):
        # At half the ring's length, i → i + distance and back are the same pair.
        stop = n // 2 if 2 * distance == n else n
        for i in wanting:
            a, b = ring[i], ring[(i + distance) % n]
            if i < stop and donors[a] < wanted and donors[b] < wanted:
                yield a, b
        wanting = [i for i in wanting if donors[ring[i]] < wanted]
        if len(wanting) < 2:
            return
