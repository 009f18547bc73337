"""A shard in memory: its samples, checked against the format, ready to be paired and decoded."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from medcutmix_pipeline.loader.reading.tar import ShardError, read_members

if TYPE_CHECKING:
    from medcutmix_pipeline.loader.reading.tar import Span

IMAGES = ("jpg", "png", "webp")
_LARGEST_RECORD = 4 << 20
_LARGEST_TEXT = 1 << 20
_ASSERTIONS = {"present", "uncertain", "absent"}
_NUMBERS = (float, int)  # and not bool, which is an int by isinstance


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

    `problem` says why the sample cannot be used; None where it can.
    """

    key: str
    shard: str
    place: int
    image: memoryview
    maps: memoryview | None = None
    text: str = ""
    study: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    n_maps: int = 0
    told: tuple[Told, ...] = ()
    problem: str | None = None

    def partners(self) -> list[tuple[int, str]]:
        """The donor's place and the finding of each plan."""
        return [(told[_DONOR], told[_DISEASE]) for told in self.told]

    def plans_with(self, donor: int) -> list[Plan]:
        """The plans by which this sample takes from the one at that place."""
        return [Plan(*told) for told in self.told if told[_DONOR] == donor]

    def fail(self, why: str) -> ShardError:
        """The error that names this sample."""
        return ShardError(f"shard {self.shard}, sample {self.key}: {why}")


@dataclass(frozen=True)
class Shard:
    """The samples of a shard, in its order."""

    name: str
    samples: list[Sample]


def parse_shard(data: bytes, name: str) -> Shard:
    """Read a shard's bytes. A sample that breaks the format has its `problem` set; the others are whole.

    A plan is read only where its donor is a usable sample of the shard and everything in it is in range.

    Raises:
        ShardError: the archive itself cannot be trusted.
    """
    view = memoryview(data)
    samples = [_sample(view, i, key, members, name) for i, (key, members) in enumerate(read_members(data, name))]
    for sample in samples:
        for told in sample.told:
            sample.problem = sample.problem or _donor_problem(sample, told, samples)
    for sample in samples:
        usable = [t for t in sample.told if sample.problem is None and samples[t[_DONOR]].problem is None]
        if len(usable) < len(sample.told):
            sample.told = tuple(usable)
    return Shard(name, samples)


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
    image = view[slice(*members[images[0]])] if images else memoryview(b"")
    maps = view[slice(*members["attn.npy"])] if "attn.npy" in members else None
    sample = Sample(key, shard, place, image, maps)
    if len(images) != 1 or "txt" not in members or "json" not in members:
        sample.problem = "it must have one image, a .txt and a .json"
    elif _length(members["json"]) > _LARGEST_RECORD or _length(members["txt"]) > _LARGEST_TEXT:
        sample.problem = "its .json is larger than 4 MiB or its .txt larger than 1 MiB"
    else:
        _fill(sample, view[slice(*members["txt"])], view[slice(*members["json"])])
    return sample


def _length(span: Span) -> int:
    return span[1] - span[0]


def _fill(sample: Sample, text: memoryview, told: memoryview) -> None:
    """Read text and record; whatever a hostile one makes the reader stumble over becomes the sample's problem."""
    try:
        sample.text = str(text, "utf-8")
        content = str(told, "utf-8")
        record = json.loads(content)
        if "\\ud" in content or "\\uD" in content:
            json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair is no text: tokenisers fail on it
    except (ValueError, RecursionError):
        sample.problem = "its .json or .txt cannot be read"
        return
    try:
        _read_record(sample, record)
        sample.told = tuple([_plan(one, sample) for one in _list(record["plans"])])
    except _BadRecord as why:
        sample.problem = str(why)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        sample.problem = "its .json is not a sample record of the format"


class _BadRecord(Exception):  # noqa: N818 - never leaves this module
    pass


def _read_record(sample: Sample, record: dict[str, Any]) -> None:
    _need(record["sample_id"] == sample.key, "its record has another sample_id")
    _need(bool(sample.text.strip()), "its report is empty")
    sample.study = _text(record["study_id"])
    sample.labels = _labels(record["labels"])
    sample.n_maps = len(_list(record["maps"]))
    _need((sample.n_maps > 0) == (sample.maps is not None), "record and .attn.npy disagree on whether there are maps")


def _plan(told: dict[str, Any], sample: Sample) -> Told:
    """A plan of which all is checked but what it says of its donor, whom the shard may hold further on."""
    donor, donor_map, host_map, lam = told["donor"], told["donor_map"], told["host_map"], told["lambda"]
    if not (type(donor) is int and donor >= 0):
        raise _BadRecord("a plan's donor is out of range")
    if not (type(donor_map) is int and donor_map >= 0):
        raise _BadRecord("a plan's donor_map is out of range")
    if not (type(host_map) is int and 0 <= host_map < sample.n_maps):
        raise _BadRecord("a plan's host_map is out of range")
    if not (type(lam) in _NUMBERS and 0 <= lam <= 1):
        raise _BadRecord("a plan's lambda is not a number in [0, 1]")
    plan_id, disease, donor_id = told["plan_id"], told["disease"], told["donor_id"]
    if not (type(plan_id) is type(disease) is type(donor_id) is str):
        raise _BadRecord("a field that must be text is not")
    edits = _edits(told["edits"], len(sample.text))
    return plan_id, disease, donor, donor_map, host_map, float(lam), edits, _labels(told["labels"]), donor_id


def _donor_problem(host: Sample, told: Told, samples: list[Sample]) -> str | None:
    if told[_DONOR] >= len(samples):
        return "a plan's donor is out of range"
    donor = samples[told[_DONOR]]
    if donor is host or told[_DONOR_ID] != donor.key:
        return "a plan's donor is not the sample that it names"
    if donor.problem is None and told[_DONOR_MAP] >= donor.n_maps:
        return "a plan's donor_map is out of range"
    return None


def _edits(told: object, length: int) -> tuple[tuple[int, int, str], ...]:
    position = 0
    edits = []
    for start, end, replacement in _list(told):
        if not (type(start) is type(end) is int and position <= start <= end <= length and type(replacement) is str):
            raise _BadRecord("a plan's edits overlap, leave the report, or put in what is no text")
        position = end
        edits.append((start, end, replacement))
    if not edits:
        raise _BadRecord("a plan has no edits")
    return tuple(edits)


def _labels(told: dict[str, Any]) -> dict[str, str]:
    _need(type(told) is dict and _ASSERTIONS.issuperset(told.values()), "a label is not present, uncertain or absent")
    return told


def _text(value: object) -> str:
    _need(type(value) is str, "a field that must be text is not")
    return cast("str", value)


def _list(value: object) -> list[Any]:
    _need(type(value) is list, "a field that must be a list is not")
    return cast("list[Any]", value)


def _need(holds: bool, why: str) -> None:
    if not holds:
        raise _BadRecord(why)
