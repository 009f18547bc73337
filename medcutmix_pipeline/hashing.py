"""Keyed hashes, of which all chance is made so that no order of work matters; and hashes of files."""

from __future__ import annotations

import functools
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FIELD = b"\x1f"


def keyed_hash(seed: int, purpose: str, *names: str) -> int:
    """A uniform 64-bit number that depends on nothing but its arguments.

    Names are joined with their lengths, so that ("ab", "c") and ("a", "bc") differ.
    """
    h = _keyed(seed, purpose).copy()
    for name in names:
        h.update(framed(name))
    return int.from_bytes(h.digest(), "little")


def framed(name: str) -> bytes:
    """A name behind its length, as names are hashed: for who hashes the same ones again and again."""
    raw = name.encode("utf-8", "surrogatepass")
    return len(raw).to_bytes(4, "little") + raw


def framed_hashes(seed: int, purpose: str, names: Iterable[bytes]) -> list[int]:
    """The `keyed_hash` of many names, or of several each, that are framed and joined."""
    empty = _keyed(seed, purpose)
    hashes = []
    for name in names:
        h = empty.copy()
        h.update(name)
        hashes.append(int.from_bytes(h.digest(), "little"))
    return hashes


@functools.lru_cache(maxsize=64)
def _keyed(seed: int, purpose: str) -> hashlib.blake2b:
    """The hash before any name; a few of them are asked for again and again."""
    return hashlib.blake2b(digest_size=8, key=seed.to_bytes(16, "little", signed=True), person=purpose.encode()[:16])


def keyed_unit(seed: int, purpose: str, *names: str) -> float:
    """A uniform number in [0, 1) with 53 random bits, by `keyed_hash`."""
    return (keyed_hash(seed, purpose, *names) >> 11) / float(1 << 53)


def pseudonym(key: bytes, kind: str, identifier: str, length: int = 20) -> str:
    """A stable name for an identifier that nobody can trace back without the key: HMAC-SHA256, `length` hex digits.

    `kind` keeps a patient and a study with the same identifier apart.
    """
    raw = kind.encode() + _FIELD + identifier.encode("utf-8", "surrogatepass")
    return hmac.new(key, raw, hashlib.sha256).hexdigest()[:length]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hex; lets go of Python's lock while it hashes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
