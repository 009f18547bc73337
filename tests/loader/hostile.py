"""Shards that mean harm: archives that lie, and samples of which one member or one field of the record is bad."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from medcutmix_pipeline.stages.shards.tar import write_tar
from tests.loader.made import GRID, samples_of

if TYPE_CHECKING:
    from collections.abc import Callable

COUNT = 8
"""Samples in a shard, all of them with findings."""
BAD = 3
"""The place of the sample that means harm."""

Files = dict[str, bytes]


def good_samples(shard: int = 0) -> list[tuple[str, Files]]:
    return samples_of(shard, COUNT, sick=1.0)


def tar_of(samples: list[tuple[str, Files]]) -> bytes:
    out = io.BytesIO()
    write_tar(out, samples)
    return out.getvalue()


def with_bad_sample(spoil: Callable[[Files], None]) -> tuple[bytes, str]:
    """A shard with one spoilt sample, and that sample's key."""
    samples = good_samples()
    spoil(samples[BAD][1])
    return tar_of(samples), samples[BAD][0]


# Archives


def header(name: bytes, size: bytes, kind: bytes = b"0", prefix: bytes = b"", link: bytes = b"") -> bytes:
    """A ustar header with a true checksum, whatever else is in it."""
    fields = [
        name.ljust(100, b"\0"),
        b"0000644\0",
        b"0000000\0",
        b"0000000\0",
        size.ljust(12, b"\0"),
        b"0" * 11 + b"\0",
    ]
    rest = [
        kind,
        link.ljust(100, b"\0"),
        b"ustar\x0000",
        b"\0" * 64,
        b"0000000\0" * 2,
        prefix.ljust(155, b"\0"),
        b"\0" * 12,
    ]
    total = sum(b"".join(fields)) + sum(b"".join(rest)) + 8 * ord(" ")
    return b"".join([*fields, b"%06o\0 " % total, *rest])


def member(name: bytes, content: bytes = b"x", size: bytes | None = None, **fields: bytes) -> bytes:
    told = b"%011o\0" % len(content) if size is None else size
    return header(name, told, **fields) + content.ljust(-(-len(content) // 512) * 512, b"\0")


def after(extra: bytes) -> bytes:
    """A good shard with something before its end."""
    data = tar_of(good_samples())
    last = len(data.rstrip(b"\0"))
    end = -(-last // 512) * 512
    return data[:end] + extra + b"\0" * 1024


def _apart() -> bytes:
    raw = b"".join(
        member(f"{key}.{suffix}".encode(), files[suffix])
        for suffixes in (("attn.npy", "json", "png"), ("txt",))
        for key, files in good_samples()
        for suffix in suffixes
    )
    return raw + b"\0" * 1024


def _damaged() -> bytes:
    data = bytearray(tar_of(good_samples()))
    data[2] ^= 1
    return bytes(data)


def _cut(at: int) -> bytes:
    return tar_of(good_samples())[:at]


_FIRST = f"{good_samples()[0][0]}".encode()
_LAST = f"{good_samples()[-1][0]}".encode()
_PAX = b"19 path=../../evil\n"

ARCHIVES: dict[str, Callable[[], bytes]] = {
    "parent folder": lambda: after(member(b"../evil.png")),
    "parent folder in the middle": lambda: after(member(b"a/../../evil.png")),
    "absolute path": lambda: after(member(b"/tmp/evil.png")),
    "folder": lambda: after(member(b"folder/evil.png")),
    "folder in the prefix": lambda: after(member(b"evil.png", prefix=b"../..")),
    "backslashes": lambda: after(member(b"..\\evil.png")),
    "a name of dots": lambda: after(member(b"..")),
    "hidden name": lambda: after(member(b".png")),
    "name that is no ASCII": lambda: after(member("é.png".encode())),
    "name with a zero in it": lambda: after(member(b"a\0b.png")),
    "name with a line feed": lambda: after(member(b"a\nb.png")),
    "no name": lambda: after(member(b"")),
    "hard link": lambda: after(member(b"evil.png", b"", kind=b"1", link=b"/etc/passwd")),
    "symbolic link": lambda: after(member(b"evil.png", b"", kind=b"2", link=b"/etc/passwd")),
    "character device": lambda: after(member(b"evil.png", b"", kind=b"3")),
    "block device": lambda: after(member(b"evil.png", b"", kind=b"4")),
    "directory": lambda: after(member(b"evil", b"", kind=b"5")),
    "pipe": lambda: after(member(b"evil.png", b"", kind=b"6")),
    "sparse file": lambda: after(member(b"evil.png", kind=b"S")),
    "GNU long name": lambda: after(member(b"././@LongLink", b"../evil.png\0", kind=b"L")),
    "GNU long name with a good one": lambda: after(member(b"a.b", b"../evil.png\0", kind=b"L")),
    "pax header": lambda: after(member(b"a.b", _PAX, kind=b"x")),
    "global pax header": lambda: after(member(b"a.b", _PAX, kind=b"g")),
    "octal size of 8 GiB": lambda: after(member(b"evil.png", size=b"77777777777\0")),
    "base-256 size": lambda: after(member(b"evil.png", size=b"\x80" + b"\0" * 3 + b"\x7f" * 8)),
    "negative base-256 size": lambda: after(member(b"evil.png", size=b"\xff" * 12)),
    "negative size": lambda: after(member(b"evil.png", size=b"-0000000001\0")),
    "size that is no number": lambda: after(member(b"evil.png", size=b"1x\0")),
    "no size": lambda: after(member(b"evil.png", size=b"")),
    "damaged header": _damaged,
    "sample twice": lambda: after(member(_FIRST + b".png")),
    "member twice": lambda: after(member(_LAST + b".txt")),
    "members apart": _apart,
    "a sample too many": lambda: after(member(b"more.png") + member(b"more.txt") + member(b"more.json")),
    "a sample too few": lambda: tar_of(good_samples()[:-1]),
    "nothing": lambda: b"",
    "no samples": lambda: b"\0" * 10240,
    "no archive": lambda: b"This is a letter, not an archive.\n" * 400,
    "compressed": lambda: gzip.compress(tar_of(good_samples())),
    "cut in the first header": lambda: _cut(100),
    "cut behind a header": lambda: _cut(512),
    "cut in a content": lambda: _cut(1000),
    "cut in the middle": lambda: _cut(len(after(b"")) // 2),
    "cut before the end": lambda: _cut(len(after(b"")) - 1024),
}


# Members


class Writes:
    """Leaves a file behind when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


def npy(descr: str, shape: str, content: bytes, version: bytes = b"\x01\x00") -> bytes:
    told = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    told += b" " * (-(len(told) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(told)) + told + content


def _pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Writes()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _of(dtype: type, shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(shape, dtype))
    return buffer.getvalue()


def _huge_npy_header() -> bytes:
    told = b"{" + b" " * 60_000 + b"}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(told)) + told


def maps_of(files: Files) -> int:
    return len(json.loads(files["json"])["maps"])


def put(name: str, content: bytes | Callable[[Files], bytes]) -> Callable[[Files], None]:
    def spoil(files: Files) -> None:
        files[name] = content if isinstance(content, bytes) else content(files)

    return spoil


def lose(name: str) -> Callable[[Files], None]:
    return lambda files: files.__delitem__(name)


MAPS: dict[str, Callable[[Files], None]] = {
    "pickled objects": put("attn.npy", _pickled()),
    "a bare pickle": put("attn.npy", pickle.dumps(Writes())),
    "float64": put("attn.npy", lambda files: _of(np.float64, (maps_of(files), *GRID))),
    "int8": put("attn.npy", lambda files: _of(np.int8, (maps_of(files), *GRID))),
    "two axes": put("attn.npy", _of(np.uint8, GRID)),
    "four axes": put("attn.npy", lambda files: _of(np.uint8, (maps_of(files), *GRID, 1))),
    "too few maps": put("attn.npy", _of(np.uint8, (0, *GRID))),
    "too many maps": put("attn.npy", lambda files: _of(np.uint8, (maps_of(files) + 1, *GRID))),
    "another grid": put("attn.npy", lambda files: _of(np.uint8, (maps_of(files), 9, 9))),
    "maps without cells": put("attn.npy", lambda files: _of(np.uint8, (maps_of(files), 0, 5))),
    "cut": put("attn.npy", lambda files: files["attn.npy"][:-1]),
    "longer than told": put("attn.npy", lambda files: files["attn.npy"] + b"x"),
    "told shape of terabytes": put("attn.npy", npy("'|u1'", "(9999, 99999, 99999)", b"")),
    "negative shape": put("attn.npy", npy("'|u1'", "(-1, 4, 5)", b"")),
    "shape that is code": put("attn.npy", npy("'|u1'", "__import__('os').system('touch executed')", b"")),
    "deep header": put("attn.npy", npy("(" * 3000, "()", b"")),
    "structured type": put("attn.npy", npy("[('a', '|O')]", "(1, 4, 5)", b"")),
    "unknown version": put("attn.npy", npy("'|u1'", "(1, 4, 5)", bytes(20), b"\x09\x00")),
    "huge header": put("attn.npy", _huge_npy_header()),
    "nothing": put("attn.npy", b""),
    "magic alone": put("attn.npy", b"\x93NUMPY"),
    "a zip": put("attn.npy", b"PK\x03\x04" + b"\0" * 200),
}


# Images


def picture_as(kind: str, width: int = 12, height: int = 12, mode: str = "L", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height)).save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *between: bytes, pixels: bytes = b"", depth: int = 8) -> bytes:
    told = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + told + b"".join(between) + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    """A JPEG that says it is so large."""
    data = bytearray(picture_as("JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def webp(width: int, height: int) -> bytes:
    """A WebP whose canvas says it is so large."""
    frame = picture_as("WEBP")[12:]
    canvas = b"\0" * 4 + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    content = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + frame
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _animated(kind: str) -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("L", (12, 12), level) for level in (0, 90, 180)]
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=20)
    return buffer.getvalue()


def zeros(count: int) -> bytes:
    """That many zeros, compressed a thousandfold."""
    squeeze = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join([*(squeeze.compress(block) for _ in range(count >> 20)), squeeze.flush()])


def image(suffix: str, content: bytes | Callable[[Files], bytes]) -> Callable[[Files], None]:
    def spoil(files: Files) -> None:
        made = content if isinstance(content, bytes) else content(files)
        del files["png"]
        files[suffix] = made

    return spoil


BOMBS: dict[str, Callable[[Files], None]] = {
    "PNG of 60,000²": image("png", png(60_000, 60_000, pixels=zeros(1 << 26))),
    "PNG of 2³⁰ × 1": image("png", png(1 << 30, 1)),
    "PNG of 1 × 20,000,000": image("png", png(1, 20_000_000, pixels=zeros(40 << 20))),
    "PNG of 12,000², which Pillow only warns of": image("png", png(12_000, 12_000, pixels=zeros(1 << 26))),
    "JPEG of 60,000²": image("jpg", jpeg(60_000, 60_000)),
    "JPEG of 9,400², which Pillow only warns of": image("jpg", jpeg(9_400, 9_400)),
    "WebP of 16,000²": image("webp", webp(16_000, 16_000)),
    "PNG with compressed text": image("png", png(12, 12, png_chunk(b"zTXt", b"a\0\0" + zeros(1 << 28)))),
    "PNG with much text": image("png", png(12, 12, *[png_chunk(b"tEXt", b"a\0" + b"x" * (1 << 20))] * 80)),
    "a record of megabytes": put("json", b"[" + b"[]," * 2_000_000 + b"[]]"),
    "a record just as large as allowed": put("json", b"[" + b"[]," * 1_300_000 + b"[]]"),
    "a record of brackets": put("json", b"[" * 3_000_000),
    "a report of megabytes": put("txt", b"Lungs. " * 700_000),
}

IMAGES: dict[str, Callable[[Files], None]] = {
    "animated WebP": image("webp", _animated("WEBP")),
    "animated PNG": image("png", _animated("PNG")),
    "another size": image("png", picture_as("PNG", 13, 12)),
    "no pixels": image("png", png(0, 0)),
    "16 bits": image("png", picture_as("PNG", mode="I;16")),
    "a TIFF": image("png", picture_as("TIFF")),
    "a GIF": image("png", picture_as("GIF")),
    "PostScript": image("png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 12 12\n(executed) (w) file closefile\n"),
    "SVG": image("png", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "nothing": image("png", b""),
    "noise": image("jpg", bytes(range(256)) * 8),
    "cut PNG": image("png", lambda files: files["png"][:90]),
    "cut JPEG": image("jpg", picture_as("JPEG", quality=90)[:-40]),
    "cut WebP": image("webp", picture_as("WEBP", lossless=True)[:30]),
    "PNG without pixels": image("png", png(12, 12)),
    "PNG with a wrong checksum": image("png", lambda files: files["png"].replace(b"IDAT", b"IDAU", 1)),
    "two images": put("jpg", picture_as("JPEG")),
    "no image": lose("png"),
}


# Records


def told(change: Callable[[dict[str, Any]], object]) -> Callable[[Files], None]:
    def spoil(files: Files) -> None:
        record = json.loads(files["json"])
        change(record)
        files["json"] = json.dumps(record).encode()

    return spoil


def plan(**fields: Any) -> Callable[[Files], None]:
    """A record whose first plan has these fields."""
    return told(lambda record: record["plans"][0].update(fields))


def _raw_lambda(text: bytes) -> Callable[[Files], None]:
    def spoil(files: Files) -> None:
        plan(**{"lambda": "HERE"})(files)
        files["json"] = files["json"].replace(b'"HERE"', text)

    return spoil


RECORDS: dict[str, Callable[[Files], None]] = {
    "donor out of range": plan(donor=COUNT),
    "donor far out of range": plan(donor=10**30),
    "negative donor": plan(donor=-1),
    "donor that is true": plan(donor=True),
    "donor that is a float": plan(donor=1.0),
    "donor that is text": plan(donor="1"),
    "donor that is nothing": plan(donor=None),
    "donor itself": told(lambda r: r["plans"][0].update(donor=BAD, donor_id=r["sample_id"])),
    "donor of another name": plan(donor_id="s0-77"),
    "donor's name that is a list": plan(donor_id=["s0-1"]),
    "donor_map out of range": plan(donor_map=2),
    "negative donor_map": plan(donor_map=-1),
    "host_map out of range": plan(host_map=2),
    "negative host_map": plan(host_map=-1),
    "host_map that is true": plan(host_map=True),
    "λ that is NaN": plan(**{"lambda": float("nan")}),
    "λ of 1e999": _raw_lambda(b"1e999"),
    "λ of thousands of digits": _raw_lambda(b"1" * 6000),
    "λ that is text": plan(**{"lambda": "0.5"}),
    "λ that is true": plan(**{"lambda": True}),
    "λ above 1": plan(**{"lambda": 1.01}),
    "λ below 0": plan(**{"lambda": -0.01}),
    "edits that overlap": plan(edits=[[0, 5, "a"], [4, 6, "b"]]),
    "edits in another order": plan(edits=[[5, 6, "a"], [0, 1, "b"]]),
    "edit that ends before it begins": plan(edits=[[5, 4, "a"]]),
    "edit beyond the report": plan(edits=[[0, 10**6, "a"]]),
    "edit before the report": plan(edits=[[-3, 2, "a"]]),
    "edit with floats": plan(edits=[[0.0, 1.0, "a"]]),
    "edit with a number for text": plan(edits=[[0, 1, 7]]),
    "edit of two fields": plan(edits=[[0, 1]]),
    "edit with half a surrogate pair": plan(edits=[[0, 1, "\ud800"]]),
    "no edits": plan(edits=[]),
    "edits that are text": plan(edits="abc"),
    "a plan without λ": told(lambda r: r["plans"][0].pop("lambda")),
    "a plan that is a number": told(lambda r: r.update(plans=[7])),
    "plans that are text": told(lambda r: r.update(plans="none")),
    "no plans": told(lambda r: r.pop("plans")),
    "maps that are text": told(lambda r: r.update(maps="m" * len(r["maps"]))),
    "maps that are none": told(lambda r: r.update(maps=[])),
    "label that is unknown": told(lambda r: r.update(labels={"Edema": "perhaps"})),
    "label that is a list": told(lambda r: r.update(labels={"Edema": ["present"]})),
    "labels that are a list": told(lambda r: r.update(labels=["Edema"])),
    "label of a plan that is unknown": plan(labels={"Edema": 1}),
    "another sample's record": told(lambda r: r.update(sample_id="s0-0")),
    "study that is a number": told(lambda r: r.update(study_id=7)),
    "a list": put("json", b"[]"),
    "a number": put("json", b"7"),
    "nothing": put("json", b""),
    "no JSON": put("json", b"{'sample_id': 1}"),
    "deeply nested": put("json", b'{"sample_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "no UTF-8 in the record": put("json", b'{"sample_id": "\xff"}'),
    "no UTF-8 in the report": put("txt", b"Lungs \xff are clear."),
    "half a surrogate pair in the report": put("txt", b"Lungs \xed\xa0\x80 are clear."),
    "empty report": put("txt", b""),
    "report of spaces": put("txt", b" \n\t "),
    "no report": lose("txt"),
    "no record": lose("json"),
    "no maps": lose("attn.npy"),
    "maps that no record tells of": told(lambda r: r.update(maps=[], plans=[])),
}
