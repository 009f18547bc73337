"""Checks of one shard: the tar against the format, and its members against each other."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from medcutmix_pipeline.dataset.problems import Problem, expect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_KEY = re.compile(r"[A-Za-z0-9_-]+")
_IMAGES = ("jpg", "png", "webp")
_LARGEST_MEMBER = 1 << 28


@dataclass
class Member:
    """One sample as it stands in the tar: its files by suffix, and its byte range."""

    key: str
    offset: int
    size: int
    files: dict[str, bytes]

    @property
    def record(self) -> dict[str, Any]:
        """The sample's JSON."""
        content: dict[str, Any] = json.loads(self.files["json"])
        return content

    @property
    def image(self) -> bytes:
        """The sample's image file."""
        return next(self.files[suffix] for suffix in _IMAGES if suffix in self.files)


def read_shard(path: Path, problems: list[Problem]) -> list[Member]:
    """The samples of a tar in order; breaches of the tar's own rules are added to `problems`."""
    return list(each_member(path, problems))


def each_member(path: Path, problems: list[Problem]) -> Iterator[Member]:
    """The samples of a tar one by one; breaches of the tar's own rules are added to `problems`."""
    member: Member | None = None
    seen: set[str] = set()
    with tarfile.open(path, mode="r:") as tar:
        for info in tar:
            key, _, suffix = info.name.partition(".")
            where = f"{path.name}/{info.name}"
            plain = info.isreg() and (info.mtime, info.uid, info.gid, info.mode) == (0, 0, 0, 0o644)
            problems.extend(expect(plain, where, "not a plain file with mtime 0, uid/gid 0, mode 0644"))
            problems.extend(
                expect(bool(_KEY.fullmatch(key)), where, "the key has characters other than A-Z a-z 0-9 _ -")
            )
            if not info.isreg() or info.size > _LARGEST_MEMBER:
                problems.append(Problem(where, "not read: no plain file, or too large"))
                continue
            if member is None or member.key != key:
                problems.extend(expect(key not in seen, where, "the members of a sample do not stand together"))
                seen.add(key)
                if member is not None:
                    yield member
                member = Member(key, info.offset, 0, {})
            content = tar.extractfile(info)
            member.files[suffix] = content.read() if content else b""
            member.size = tar.offset - member.offset
    if member is not None:
        yield member


def check_member(member: Member, row: dict[str, Any], where: str) -> Iterator[Problem]:
    """One sample: its files, its record, and its row of the samples table."""
    images = [s for s in _IMAGES if s in member.files]
    if len(images) != 1 or not {"txt", "json"} <= set(member.files):
        yield Problem(where, "must have one image, a .txt and a .json")
        return
    record, text, image = member.record, member.files["txt"].decode(), member.files[images[0]]
    yield from expect(bool(text.strip()), where, "the report is empty")
    yield from expect(
        member.key == record["sample_id"] == row["sample_id"], where, "key, record and row disagree on the id"
    )
    for name in ("study_id", "patient_id", "view", "split"):
        yield from expect(record[name] == row[name], where, f"record and row disagree on {name}")
    yield from expect(record["labels"] == dict(row["labels"]), where, "record and row disagree on the labels")
    yield from expect(text == row["text"], where, "the .txt and the row's text differ")
    yield from expect(
        (member.offset, member.size) == (row["offset"], row["size"]), where, "the row's byte range is wrong"
    )
    yield from expect(len(record["plans"]) == row["n_plans"], where, "n_plans is not the number of plans")
    yield from expect(
        hashlib.sha256(image).hexdigest() == row["sha256"], where, "the image has another sha256 than its row"
    )
    yield from check_image(image, (row["image_width"], row["image_height"]), where)
    yield from _check_maps(member, record["maps"], where)


def check_image(data: bytes, size: tuple[int, int], where: str) -> Iterator[Problem]:
    """A stored image: it can be decoded, is 8-bit grey, and has a size of (width, height) px."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            yield from expect(image.size == size, where, "the image has another size than its row says")
            grey = image.mode == "L" or (image.format == "WEBP" and image.convert("RGB").convert("L").size == size)
            yield from expect(grey, where, "the image is not 8-bit grey")
    except (OSError, SyntaxError, ValueError):
        yield Problem(where, "the image cannot be decoded")


def _check_maps(member: Member, maps: Sequence[dict[str, Any]], where: str) -> Iterator[Problem]:
    if not maps:
        yield from expect("attn.npy" not in member.files, where, "has an .attn.npy without any map in the record")
        return
    if "attn.npy" not in member.files:
        yield Problem(where, "the record has maps, but there is no .attn.npy")
        return
    try:
        pixels = np.load(io.BytesIO(member.files["attn.npy"]), allow_pickle=False)
    except ValueError:
        yield Problem(where, ".attn.npy cannot be read without pickle")
        return
    good = pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[0] == len(maps) and pixels.size > 0
    yield from expect(good, where, f".attn.npy is {pixels.dtype} {list(pixels.shape)}, not uint8 [{len(maps)}, h, w]")
    if good:
        peaks = pixels.reshape(len(maps), -1).max(axis=1)
        yield from expect(bool((peaks == 255).all()), where, "a map does not peak at 255")


def check_plans(
    records: Sequence[dict[str, Any]], texts: Sequence[str], rows: Sequence[dict[str, Any]], shard: str
) -> Iterator[Problem]:
    """The plans of a shard: in the records, in the table, and between host and donor."""
    told = [(place, plan) for place, record in enumerate(records) for plan in record["plans"]]
    if [p["plan_id"] for _, p in told] != [row["plan_id"] for row in rows]:
        yield Problem(shard, "the plans of the records are not those of the plans table, in the same order")
        return
    for (place, plan), row in zip(told, rows, strict=True):
        where = f"{shard}/{records[place]['sample_id']} plan {plan['plan_id']}"
        if not 0 <= plan["donor"] < len(records):
            yield Problem(where, "the donor's place is not in the shard")
            continue
        host, donor = records[place], records[plan["donor"]]
        yield from _check_partners(host, donor, plan, row, where)
        yield from _check_text(texts[place], host, plan, row, where)


def _check_partners(
    host: dict[str, Any], donor: dict[str, Any], plan: dict[str, Any], row: dict[str, Any], where: str
) -> Iterator[Problem]:
    disease = plan["disease"]
    ids = (host["sample_id"], donor["sample_id"], disease, host["view"], host["split"])
    yield from expect(donor["sample_id"] == plan["donor_id"], where, "donor and donor_id name different samples")
    told = (row["host_id"], row["donor_id"], row["disease"], row["view"], row["split"])
    yield from expect(ids == told, where, "record and row disagree on host, donor, disease, view or split")
    yield from expect(host["patient_id"] != donor["patient_id"], where, "host and donor are of one patient")
    yield from expect(host["split"] == donor["split"], where, "host and donor are of two splits")
    yield from expect(host["view"] == donor["view"], where, "host and donor show two views")
    both = host["labels"].get(disease) == donor["labels"].get(disease) == "present"
    yield from expect(both, where, "host and donor do not both have the disease")
    for record, index, sentence, score in (
        (host, plan["host_map"], row["host_sentence"], row["host_score"]),
        (donor, plan["donor_map"], row["donor_sentence"], row["donor_score"]),
    ):
        if not 0 <= index < len(record["maps"]):
            yield Problem(where, "a map that it names is not there")
            continue
        named = record["maps"][index]
        same = (named["disease"], named["sentence"]) == (disease, sentence) and np.float32(
            named["score"]
        ) == np.float32(score)
        yield from expect(bool(same), where, "a map is of another disease, sentence or score than the plan")


def _check_text(
    text: str, host: dict[str, Any], plan: dict[str, Any], row: dict[str, Any], where: str
) -> Iterator[Problem]:
    edits = [tuple(e) for e in plan["edits"]]
    yield from expect(
        edits == [(e["start"], e["end"], e["text"]) for e in row["edits"]],
        where,
        "record and row disagree on the edits",
    )
    ends = [0, *(end for _, end, _ in edits)]
    ordered = all(before <= start <= end <= len(text) for before, (start, end, _) in zip(ends, edits, strict=False))
    yield from expect(ordered and bool(edits), where, "the edits are empty, overlap, or leave the text")
    if ordered:
        yield from expect(apply_edits(text, edits) == row["mixed_text"], where, "the edits do not give the mixed text")
    yield from expect(row["host_text"] == text, where, "host_text is not the host's report")
    yield from expect(any(row["donor_sentence"] in e[2] for e in edits), where, "the donor's sentence is not put in")
    yield from expect(
        0 <= plan["lambda"] <= 1 and np.float32(plan["lambda"]) == np.float32(row["lambda"]), where, "λ is off"
    )
    yield from expect(plan["labels"] == dict(row["mixed_labels"]), where, "record and row disagree on the mixed labels")
    yield from expect(
        plan["labels"].get(plan["disease"]) == "present", where, "the disease is not present in the mixed report"
    )
    denied = [d for d, a in host["labels"].items() if a == "absent" and plan["labels"].get(d) == "present"]
    yield from expect(not denied, where, "the mixed report asserts a finding that the host denied")


def apply_edits(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """The text after its edits; offsets are those of the text before."""
    parts, position = [], 0
    for start, end, replacement in edits:
        parts += [text[position:start], replacement]
        position = end
    return "".join([*parts, text[position:]])
