"""Damaged reports: files, XML of Open-I, and rows of a table."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.damage.images import PLACES
from tests.damage.kinds import SAMPLE, Good, Kind, cut, flipped, kind

if TYPE_CHECKING:
    from collections.abc import Callable


_UNREADABLE = "report-unreadable"


def _wide(good: Good, encoding: str) -> bytes:
    return good.report.encode(encoding)


REPORTS = [
    kind("report without bytes", "report-empty", lambda g, r: b"", share=2),
    kind("report of blanks", "report-empty", lambda g, r: b" \r\n\t\n \n"),
    kind("report of headers", "report-empty", lambda g, r: b"INDICATION: Cough.\n\nFINDINGS:\n\nIMPRESSION:\n"),
    kind("report of place-holders", "report-empty", lambda g, r: b"FINDINGS: XXXX. ___ . [**2101-1-1**]."),
    kind(
        "report in Latin-1", "report-not-utf8", lambda g, r: g.report.encode() + "Größe unverändert.".encode("latin-1")
    ),
    kind("report in UTF-16", "report-not-utf8", lambda g, r: _wide(g, "utf-16")),
    kind("report in UTF-16 without a mark", "report-not-utf8", lambda g, r: _wide(g, "utf-16-le")),
    kind("report of noise", "report-not-utf8", lambda g, r: r.bytes(3000), share=2),
    kind("report with zeros", "report-not-utf8", lambda g, r: g.report.encode()[:20] + bytes(200)),
    kind("report of 2 MB", "report-too-large", lambda g, r: b"FINDINGS: " + b"No pleural effusion. " * 100_000),
    kind("report in UTF-8 with a mark", SAMPLE, lambda g, r: b"\xef\xbb\xbf" + g.report.encode()),
    kind("report with lines of Windows", SAMPLE, lambda g, r: g.report.replace("\n", "\r\n").encode()),
    *(
        Kind(
            k.name.replace("file ", "report "),
            frozenset(c.replace("image-", "report-") for c in k.codes),
            place=k.place,
        )
        for k in PLACES
    ),
]


def _laughs(good: Good) -> bytes:
    """Ten entities, each ten times the one before, the last in place of the findings."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return _doctype(good, f'<!ENTITY e0 "lol">{entities}', "&e9;")


def _doctype(good: Good, declared: str, used: str) -> bytes:
    head, _, rest = good.xml.partition("<eCitation>")
    body = rest.replace('<AbstractText Label="FINDINGS">', f'<AbstractText Label="FINDINGS">{used}')
    return f"{head}<!DOCTYPE eCitation [{declared}]><eCitation>{body}".encode()


def _outer(good: Good) -> bytes:
    return _doctype(good, '<!ENTITY x SYSTEM "file:///etc/passwd">', "&x;")


def _deep(good: Good) -> bytes:
    return good.xml.replace("<MedlineCitation>", "<a>" * 100_000 + "<MedlineCitation>").encode()


XMLS = [
    kind("XML cut", _UNREADABLE, lambda g, r: cut(g.xml.encode(), r), share=4),
    kind(
        "XML with bits turned",
        f"{_UNREADABLE} {SAMPLE} image-missing report-empty study-without-usable-image",
        lambda g, r: flipped(g.xml.encode(), r),
        share=4,
    ),
    kind("XML without bytes", "report-empty", lambda g, r: b""),
    kind("XML of zeros", _UNREADABLE, lambda g, r: bytes(500)),
    kind("XML of noise", _UNREADABLE, lambda g, r: r.bytes(900)),
    kind("XML of a billion laughs", _UNREADABLE, lambda g, r: _laughs(g)),
    kind("XML with an entity from outside", _UNREADABLE, lambda g, r: _outer(g)),
    kind(
        "XML with Latin-1 in it",
        _UNREADABLE,
        lambda g, r: g.xml.encode().replace(b'FINDINGS">', b'FINDINGS">Gr\xf6\xdfe. '),
    ),
    kind("XML of an unknown encoding", _UNREADABLE, lambda g, r: g.xml.replace("utf-8", "klingon").encode()),
    kind("XML of 100,000 tags that do not close", _UNREADABLE, lambda g, r: _deep(g)),
    kind("XML that is HTML", _UNREADABLE, lambda g, r: b"<html><body>404</body></html>"),
    kind("XML of 5 MB", "report-too-large", lambda g, r: g.xml.encode() + b" " * (5 << 20)),
    kind(
        "XML without a report",
        "report-empty report-missing",
        lambda g, r: g.xml.replace("AbstractText", "Other").encode(),
    ),
    kind("XML in UTF-16", SAMPLE, lambda g, r: g.xml.replace("utf-8", "utf-16").encode("utf-16")),
    *(
        Kind(k.name.replace("file", "XML"), frozenset(c.replace("image-", "report-") for c in k.codes), place=k.place)
        for k in PLACES
        if k.name.startswith(("link to /etc", "link out"))
    ),
]


@dataclass(frozen=True)
class RowKind:
    """Damage to a row of a table: `make` gives the line or lines, of the cells of its own row and a good one before.

    `study` says under which name the source knows what comes of it: that of the study's own row, of the good row, or
    `row-N` of its line. `image`: whose image is rejected; "" where the study's own reject is to be looked at.
    """

    name: str
    code: str
    make: Callable[[list[str], list[str]], bytes]
    study: Literal["own", "good", "line"] = "line"
    image: Literal["own", "good", ""] = ""
    rejects: int = 1


def _line(cells: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode()


def _with(cells: list[str], place: int, value: str) -> bytes:
    return _line([*cells[:place], value, *cells[place + 1 :]])


def _raw(cells: list[str]) -> bytes:
    return ",".join(cells).encode() + b"\n"


COLUMNS = ("image", "report_path", "study_id", "patient_id", "view", "split")

ROWS = [
    RowKind("row, quote never closed", "row-malformed", lambda c, g: b'"' + _raw(c)),
    RowKind("row, quote within a quoted cell", "row-malformed", lambda c, g: b'"a "b" c",' + _raw(c[1:])),
    RowKind("row broken by a newline", "row-malformed", lambda c, g: _raw(c[:3]) + _raw(c[3:]), rejects=2),
    RowKind(
        "row with a carriage return in a cell",
        "row-malformed",
        lambda c, g: _raw([*c[:4], "fron\rtal", c[5]]),
        rejects=2,
    ),
    RowKind("row, cells missing", "row-malformed", lambda c, g: _raw(c[:4])),
    RowKind("row, cells too many", "row-malformed", lambda c, g: _raw([*c, "x", "y"])),
    RowKind("row with a zero byte", "row-malformed", lambda c, g: _raw([*c[:3], "pat\0ient", *c[4:]])),
    RowKind("row in Latin-1", "row-malformed", lambda c, g: _raw([*c[:3], "M@ller", *c[4:]]).replace(b"@", b"\xfc")),
    RowKind("row without a study", "study-missing", lambda c, g: _with(c, 2, "")),
    RowKind("row without a patient", "patient-missing", lambda c, g: _with(c, 3, ""), "own"),
    RowKind("row without an image", "study-without-image", lambda c, g: _with(c, 0, ""), "own"),
    RowKind("row without a report", "report-missing", lambda c, g: _with(c, 1, ""), "own"),
    RowKind("row of an unknown split", "split-unknown", lambda c, g: _with(c, 5, "holdout"), "own"),
    RowKind(
        "row, a patient of the other split",
        "split-conflict",
        lambda c, g: _line([*c[:3], g[3], c[4], {"train": "validate", "validate": "train"}[g[5]]]),
        "own",
    ),
    RowKind("row with a study's name again", "duplicate-id", lambda c, g: _with(c, 2, g[2]), "good", "own"),
    RowKind("row with an image's name again", "duplicate-id", lambda c, g: _with(c, 0, g[0]), "own", "good"),
]
