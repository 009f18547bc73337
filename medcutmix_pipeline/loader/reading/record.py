"""The text and the record of a sample, checked against the format; nothing is trusted that they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from medcutmix_pipeline.hashing import keyed_hash

if TYPE_CHECKING:
    from medcutmix_pipeline.loader.reading.shard import Sample, Told

_ASSERTIONS = {"present", "uncertain", "absent"}
_NUMBERS = (float, int)  # and not bool, which is an int by isinstance


def read_record(sample: Sample, text: memoryview, told: memoryview) -> tuple[Told, ...]:
    """Fill a sample from its text and record; returns the plans that the record tells.

    Whatever a hostile one makes the reader stumble over becomes the sample's problem; it then has no plans.
    """
    try:
        sample.text = str(text, "utf-8")
        content = str(told, "utf-8")
        record = json.loads(content)
        if "\\ud" in content or "\\uD" in content:
            json.dumps(record, ensure_ascii=False).encode()  # half a surrogate pair is no text: tokenisers fail on it
    except (ValueError, RecursionError):
        sample.problem = "its .json or .txt cannot be read"
        return ()
    try:
        _read_fields(sample, record)
        return tuple([_plan(one, sample) for one in _list(record["plans"])])
    except _BadRecord as why:
        sample.problem = str(why)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        sample.problem = "its .json is not a sample record of the format"
    return ()


class _BadRecord(Exception):  # noqa: N818 - never leaves this module
    pass


_READY_MIXED = (
    "it is a pair that `build` has mixed (pixel/), with no plans: give MixLoader the shards in shards/; pixel/ is for "
    "webdataset, or whatever else reads image-text pairs"
)


def _read_fields(sample: Sample, record: dict[str, Any]) -> None:
    _need("sample_id" in record or "host_id" not in record, _READY_MIXED)
    _need(record["sample_id"] == sample.key, "its record has another sample_id")
    _need(bool(sample.text.strip()), "its report is empty")
    sample.study = keyed_hash(0, "loader.study", _text(record["study_id"])) >> 1
    sample.labels = _labels(record["labels"])
    sample.n_maps = len(_list(record["maps"]))
    _need(
        (sample.n_maps > 0) == (sample.maps_at is not None), "record and .attn.npy disagree on whether there are maps"
    )


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
