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

from medcutmix_pipeline.dataset.members import IMAGES
from medcutmix_pipeline.dataset.problems import Problem, expect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LARGEST_MEMBER = 1 << 28


@dataclass
class TarSample:
    """One sample as it stands in a tar: its files by suffix, and its byte range."""

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
        return next(self.files[suffix] for suffix in IMAGES if suffix in self.files)


def read_shard(path: Path, problems: list[Problem]) -> list[TarSample]:
    """The samples of a tar in order; breaches of the tar's own rules are added to `problems`."""
    return list(each_member(path, problems))


def each_member(path: Path, problems: list[Problem]) -> Iterator[TarSample]:
    """The samples of a tar one by one; breaches of the tar's own rules are added to `problems`."""
    member: TarSample | None = None
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
                member = TarSample(key, info.offset, 0, {})
            content = tar.extractfile(info)
            member.files[suffix] = content.read() if content else b""
            member.size = tar.offset - member.offset
    if member is not None:
        yield member


def check_member(member: TarSample, row: dict[str, Any], where: str) -> Iterator[Problem]:
    """One sample: its files, its record, and its row of the samples table."""
    images = [s for s in IMAGES if s in member.files]
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


def _check_maps(member: TarSample, maps: Sequence[dict[str, Any]], where: str) -> Iterator[Problem]:
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
