"""A shard in memory: its samples, checked against the format, ready to be paired and decoded."""

from __future__ import annotations

import marshal
from dataclasses import dataclass, field
from sys import intern
from typing import TYPE_CHECKING, Final

import numpy as np

from medcutmix_pipeline.loader.reading.courtesy import at_full_speed
from medcutmix_pipeline.loader.reading.edges import Edges, edges_of
from medcutmix_pipeline.loader.reading.record import read_record
from medcutmix_pipeline.loader.reading.tar import ShardError, header_offsets, read_members

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from medcutmix_pipeline.loader.reading.tar import Span

IMAGES = ("jpg", "png", "webp")
_LARGEST_RECORD = 4 << 20
_LARGEST_TEXT = 1 << 20


Told = tuple[str, str, int, int, int, float, tuple[tuple[int, int, str], ...], dict[str, str], str]
"""A plan as it is read: the fields of `Plan` in their order."""

_DISEASE: Final = 1
_DONOR: Final = 2
_DONOR_MAP: Final = 3
_DONOR_ID: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to mix a host: a donor of the same shard by its place, and the edits of the host's report."""

    plan_id: str
    disease: str
    donor: int
    donor_map: int
    host_map: int
    lam: float
    edits: tuple[tuple[int, int, str], ...]
    labels: dict[str, str]
    donor_id: str


@dataclass(slots=True)
class Sample:
    """A sample whose record is checked; its image and its maps are still bytes. `place` counts from 0 in its shard.

    `data` is the whole shard, `image_at` and `maps_at` say where in it they stand. `study` is a number that all samples
    of a study share. `labels` may be other samples' as well: never change them. Plans are packed, each apart, in the
    order of `donors`: there are a thousand and more in a shard, and an epoch asks for few of them. `problem` says why
    the sample cannot be used; None where it can.
    """

    key: str
    shard: str
    place: int
    data: memoryview
    image_at: Span = (0, 0)
    maps_at: Span | None = None
    text: str = ""
    study: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    n_maps: int = 0
    donors: tuple[int, ...] = ()
    packed: tuple[bytes, ...] = ()
    problem: str | None = None

    @property
    def image(self) -> memoryview:
        """The image as it is stored."""
        return self.data[slice(*self.image_at)]

    @property
    def maps(self) -> memoryview | None:
        """The maps as they are stored, an .npy; None where there are none."""
        return None if self.maps_at is None else self.data[slice(*self.maps_at)]

    def give_plans(self, told: Sequence[Told]) -> None:
        """Set the sample's plans, in their order."""
        self.donors = tuple([one[_DONOR] for one in told])
        self.packed = tuple([marshal.dumps(one) for one in told])

    def plans_with(self, donor: int) -> list[int]:
        """The numbers of the plans by which this sample takes from the one at that place."""
        return [number for number, place in enumerate(self.donors) if place == donor]

    def plan(self, number: int) -> Plan:
        """A plan of this sample by its number, unpacked."""
        # It was packed by this very class, in this process or the one that it was copied from.
        return Plan(*marshal.loads(self.packed[number]))  # noqa: S302  # nosec B302

    def fail(self, why: str) -> ShardError:
        """The error that names this sample."""
        return ShardError(f"shard {self.shard}, sample {self.key}: {why}")


@dataclass(frozen=True)
class Shard:
    """The samples of a shard, in its order; who of them could be mixed with whom; and where their members' headers
    stand, int64 byte offsets."""

    name: str
    samples: list[Sample]
    edges: Edges = field(default_factory=lambda: edges_of((), 0))
    headers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


def parse_shard(data: bytes | memoryview, name: str, pause: Callable[[], None] = at_full_speed) -> Shard:
    """Read a shard's bytes. A sample that breaks the format has its `problem` set; the others are whole.

    A plan is read only where its donor is a usable sample of the shard and everything in it is in range. `pause` is
    called after every sample.

    Raises:
        ShardError: the archive itself cannot be trusted.
    """
    view = memoryview(data)
    found = read_members(data, name)
    samples: list[Sample] = []
    plans: list[tuple[Told, ...]] = []
    known: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
    for i, (key, members) in enumerate(found):
        sample = Sample(key, name, i, view)
        plans.append(_read(sample, members))
        labels = {intern(finding): intern(said) for finding, said in sample.labels.items()}
        sample.labels = known.setdefault(tuple(labels.items()), labels)
        samples.append(sample)
        pause()
    for sample, told in zip(samples, plans, strict=True):
        for one in told:
            sample.problem = sample.problem or _donor_problem(sample, one, samples)
    pairs: list[tuple[int, int, str]] = []
    for sample, told in zip(samples, plans, strict=True):
        usable = [t for t in told if sample.problem is None and samples[t[_DONOR]].problem is None]
        sample.give_plans(usable)
        pairs += [(sample.place, t[_DONOR], t[_DISEASE]) for t in usable]
    return Shard(name, samples, edges_of(pairs, len(samples)), header_offsets(members for _, members in found))


def broken_shard(name: str, samples: int, why: str) -> Shard:
    """What stands for a shard of which nothing can be read: as many samples, none usable."""
    nothing, labels = memoryview(b""), dict[str, str]()  # of all: there may be very many
    return Shard(name, [Sample(f"#{i}", name, i, nothing, labels=labels, problem=why) for i in range(samples)])


def mixed_text(text: str, plan: Plan) -> str:
    """A host's report after a plan's edits."""
    parts, position = [], 0
    for start, end, replacement in plan.edits:
        parts += [text[position:start], replacement]
        position = end
    return "".join([*parts, text[position:]])


def _read(sample: Sample, members: dict[str, Span]) -> tuple[Told, ...]:
    """Fill a sample from its members; returns its plans, of which the donors are not checked yet."""
    images = [s for s in IMAGES if s in members]
    if len(images) != 1 or "txt" not in members or "json" not in members:
        sample.problem = "it must have one image, a .txt and a .json"
        return ()
    if _length(members["json"]) > _LARGEST_RECORD or _length(members["txt"]) > _LARGEST_TEXT:
        sample.problem = "its .json is larger than 4 MiB or its .txt larger than 1 MiB"
        return ()
    sample.image_at, sample.maps_at = members[images[0]], members.get("attn.npy")
    return read_record(sample, sample.data[slice(*members["txt"])], sample.data[slice(*members["json"])])


def _length(span: Span) -> int:
    return span[1] - span[0]


def _donor_problem(host: Sample, told: Told, samples: list[Sample]) -> str | None:
    if told[_DONOR] >= len(samples):
        return "a plan's donor is out of range"
    donor = samples[told[_DONOR]]
    if donor is host or told[_DONOR_ID] != donor.key:
        return "a plan's donor is not the sample that it names"
    if donor.problem is None and told[_DONOR_MAP] >= donor.n_maps:
        return "a plan's donor_map is out of range"
    return None
