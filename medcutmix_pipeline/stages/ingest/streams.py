"""What a compressed frame says of itself, read before a decoder sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stream:
    """Height and width in pixels, and bits for each sample, of a JPEG, JPEG-LS or JPEG 2000 code stream."""

    height: int
    width: int
    precision: int


_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers that no length follows: TEM, RSTn, SOI."""

_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers of JPEG and JPEG-LS."""

_SCAN = 0xDA


def describe(frame: bytes) -> Stream | None:
    """What the stream's header says; None where it has none that is known."""
    if frame[:4] == b"\xff\x4f\xff\x51":
        return _jpeg2000(frame, 4)
    if frame[4:8] == b"jP  ":
        start = frame.find(b"\xff\x4f\xff\x51")
        return _jpeg2000(frame, start + 4) if start >= 0 else None
    place = _find(frame, _FRAMES)
    if place is None or len(frame) < place + 9:
        return None
    return Stream(_word(frame, place + 5), _word(frame, place + 7), frame[place + 4])


def mended_scan(frame: bytes) -> bytes:
    """The JPEG frame with the spectral selection of a sequential scan set to what ITU-T T.81 B.2.3 prescribes, 0 to 63.

    Some encoders of 12-bit frames wrote 0 to 0, which a sequential scan cannot mean and a strict decoder refuses.
    """
    place = _find(frame, frozenset({_SCAN}))
    if place is None or len(frame) < place + 5:
        return frame
    tail = place + 5 + 2 * frame[place + 4]
    return frame[:tail] + b"\x00\x3f\x00" + frame[tail + 3 :]


def is_whole(frame: bytes) -> bool:
    """Whether a JPEG or JPEG-LS stream has its end marker, behind which there may be padding."""
    return frame[-64:].rstrip(b"\x00\xff").endswith(b"\xff\xd9")


def _word(frame: bytes, place: int) -> int:
    return int.from_bytes(frame[place : place + 2], "big")


def _find(frame: bytes, wanted: frozenset[int]) -> int | None:
    """The place of the first marker that is wanted."""
    place = 0
    while place + 4 <= len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker in wanted:
            return place
        if marker == 0xFF:
            place += 1
        elif marker in _BARE:
            place += 2
        elif marker == _SCAN:
            return None
        else:
            place += 2 + _word(frame, place + 2)
    return None


def _jpeg2000(frame: bytes, place: int) -> Stream | None:
    """The SIZ segment, ISO/IEC 15444-1 A.5.1; `place` is that of its length."""
    if len(frame) < place + 39:
        return None
    right, bottom, left, top = (int.from_bytes(frame[place + o : place + o + 4], "big") for o in (4, 8, 12, 16))
    return Stream(bottom - top, right - left, (frame[place + 38] & 0x7F) + 1)
