"""A shard in memory: its samples, checked against the format, ready to be paired and decoded."""

from __future__ import annotations

import marshal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from medcutmix_pipeline.loader.reading.courtesy import at_full_speed
from medcutmix_pipeline.loader.reading.record import fill
from medcutmix_pipeline.loader.reading.tar import ShardError, header_offsets, read_members

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from medcutmix_pipeline.loader.reading.edges import Edges
    from medcutmix_pipeline.loader.reading.tar import Span

IMAGES = ("jpg", "png", "webp")
_LARGEST_RECORD = 4 << 20
_LARGEST_TEXT = 1 << 20


Told = tuple[str, str, int, int, int, float, tuple[tuple[int, int, str], ...], dict[str, str], str]
"""A plan as it is kept: the fields of `Plan` in their order. There are a thousand and more for each shard in memory;
plain tuples of plain values Python's garbage collector leaves alone, objects it would walk over again and again."""

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
    of a study share. `problem` says why the sample cannot be used; None where it can. Plans that were read in an
    earlier epoch stay `packed` until they are asked for: of most samples they are not.
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
    told: tuple[Told, ...] = ()
    problem: str | None = None
    packed: bytes | None = None

    @property
    def image(self) -> memoryview:
        """The image as it is stored."""
        return self.data[slice(*self.image_at)]

    @property
    def maps(self) -> memoryview | None:
        """The maps as they are stored, an .npy; None where there are none."""
        return None if self.maps_at is None else self.data[slice(*self.maps_at)]

    def pack(self) -> bytes:
        """The plans in a form that takes little memory, and none of the garbage collector's time."""
        return marshal.dumps(self.told)

    def plans(self) -> tuple[Told, ...]:
        """The plans, unpacked."""
        if self.packed is not None:
            # It was packed by this very class, in this process or the one that it was copied from.
            self.told, self.packed = marshal.loads(self.packed), None  # noqa: S302  # nosec B302
        return self.told

    def partners(self) -> list[tuple[int, str]]:
        """The donor's place and the finding of each plan."""
        return [(told[_DONOR], told[_DISEASE]) for told in self.plans()]

    def plans_with(self, donor: int) -> list[Plan]:
        """The plans by which this sample takes from the one at that place."""
        return [Plan(*told) for told in self.plans() if told[_DONOR] == donor]

    def fail(self, why: str) -> ShardError:
        """The error that names this sample."""
        return ShardError(f"shard {self.shard}, sample {self.key}: {why}")


@dataclass(frozen=True)
class Shard:
    """The samples of a shard, in its order; where its members' headers stand, int64 byte offsets; and the edges between
    its samples where they are known from an earlier epoch."""

    name: str
    samples: list[Sample]
    headers: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    edges: Edges | None = None


def parse_shard(data: bytes, name: str, pause: Callable[[], None] = at_full_speed) -> Shard:
    """Read a shard's bytes. A sample that breaks the format has its `problem` set; the others are whole.

    A plan is read only where its donor is a usable sample of the shard and everything in it is in range. `pause` is
    called after every sample.

    Raises:
        ShardError: the archive itself cannot be trusted.
    """
    view = memoryview(data)
    found = read_members(data, name)
    samples = []
    for i, (key, members) in enumerate(found):
        samples.append(_sample(view, i, key, members, name))
        pause()
    for sample in samples:
        for told in sample.told:
            sample.problem = sample.problem or _donor_problem(sample, told, samples)
    for sample in samples:
        usable = [t for t in sample.told if sample.problem is None and samples[t[_DONOR]].problem is None]
        if len(usable) < len(sample.told):
            sample.told = tuple(usable)
    return Shard(name, samples, header_offsets(members for _, members in found))


def broken_shard(name: str, samples: int, why: str) -> Shard:
    """What stands for a shard of which nothing can be read: as many samples, none usable."""
    return Shard(name, [Sample(f"#{i}", name, i, memoryview(b""), problem=why) for i in range(samples)])


def mixed_text(text: str, plan: Plan) -> str:
    """A host's report after a plan's edits."""
    parts, position = [], 0
    for start, end, replacement in plan.edits:
        parts += [text[position:start], replacement]
        position = end
    return "".join([*parts, text[position:]])


def _sample(view: memoryview, place: int, key: str, members: dict[str, Span], shard: str) -> Sample:
    images = [s for s in IMAGES if s in members]
    sample = Sample(key, shard, place, view, members[images[0]] if images else (0, 0), members.get("attn.npy"))
    if len(images) != 1 or "txt" not in members or "json" not in members:
        sample.problem = "it must have one image, a .txt and a .json"
    elif _length(members["json"]) > _LARGEST_RECORD or _length(members["txt"]) > _LARGEST_TEXT:
        sample.problem = "its .json is larger than 4 MiB or its .txt larger than 1 MiB"
    else:
        fill(sample, view[slice(*members["txt"])], view[slice(*members["json"])])
    return sample


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
