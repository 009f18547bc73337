"""A small corpus with canaries wherever a source can hold words: tags, names, columns, fields, slots."""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pydicom
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from tests.damage.corpus import good_inputs
from tests.sources.source_trees import openi_xml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.damage.kinds import Good
    from tests.privacy.canaries import Aviary

_WORDS = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])
_DIGITS = frozenset(["DS", "IS", "UI", "DT", "TM"])
_BYTES = frozenset(["OB", "OW", "UN"])
_DECIDES = frozenset({0x0000, 0x0002, 0x0028, 0x5400, 0x7FE0, 0xFFFE, 0xFFFC})
"""Groups that decide how pixels are read, or that a data set may not hold."""

READ = frozenset(["ViewPosition", "PatientOrientation", "SpecificCharacterSet", "ViewCodeSequence"])


@contextmanager
def _unchecked() -> Iterator[None]:
    """Pydicom takes whatever it is given."""
    settings = pydicom.config.settings
    before = settings.reading_validation_mode, settings.writing_validation_mode
    settings.reading_validation_mode = settings.writing_validation_mode = pydicom.config.IGNORE
    try:
        yield
    finally:
        settings.reading_validation_mode, settings.writing_validation_mode = before


@_unchecked()
def plant_tags(dicom: bytes, aviary: Aviary) -> bytes:
    """The file with a canary in every element that can hold words, digits or bytes, in sequences and private ones."""
    ds = pydicom.dcmread(io.BytesIO(dicom))
    for tag, (vr, _, name, _, keyword) in DicomDictionary.items():
        if tag >> 16 not in _DECIDES and keyword not in READ:
            value = _value(aviary, vr, f"{name} ({tag:08X})")
            if value is not None:
                ds.add_new(tag, vr.split(" or ")[0], value)
    ds.ImageComments = f"{aviary.word('ImageComments')} ÄÖ\\line"
    ds.RequestAttributesSequence = Items([_nested(aviary, 4)])
    for group in (0x0019, 0x0021, 0x7FE1):
        block = ds.private_block(group, aviary.word(f"creator of group {group:04X}"), create=True)
        for place, vr in enumerate(("LO", "UT", "UN", "OB", "PN")):
            block.add_new(place, vr, _value(aviary, vr, f"private {group:04X} {vr}"))
    ds.file_meta.SourceApplicationEntityTitle = aviary.word("Source AE")
    ds.file_meta.ImplementationVersionName = aviary.word("Implementation version")
    ds.file_meta.PrivateInformationCreatorUID = f"1.2.{aviary.number('private creator')}"
    ds.file_meta.PrivateInformation = aviary.word("private information").encode() + b" "
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.preamble = (aviary.word("preamble").encode() * 10)[:128]
    out = io.BytesIO()
    ds.save_as(out)
    return out.getvalue() + aviary.word("behind the end").encode()


def _value(aviary: Aviary, vr: str, place: str) -> Any:
    vr = vr.split(" or ")[0]
    if vr in _WORDS:
        return aviary.word(place)
    if vr in _DIGITS:
        return f"1.2.{aviary.number(place)}" if vr == "UI" else aviary.number(place)
    if vr == "DA":
        return aviary.date(place)
    return aviary.word(place).encode() + b" " if vr in _BYTES else None


def _nested(aviary: Aviary, depth: int) -> Dataset:
    item = Dataset()
    item.PatientName = f"{aviary.word(f'name, nested {depth}')}^Anna"
    item.CodeMeaning = aviary.word(f"meaning, nested {depth}")
    if depth:
        item.ScheduledProtocolCodeSequence = Items([_nested(aviary, depth - 1)])
    return item


def _png(good: Good, aviary: Aviary) -> bytes:
    told = PngInfo()
    told.add_text("Author", aviary.word("PNG text"))
    told.add_text("Comment", aviary.word("PNG packed text"), zip=True)
    told.add_itxt("Title", aviary.word("PNG international text"), zip=True)
    out = io.BytesIO()
    Image.open(io.BytesIO(good.png)).save(out, "PNG", pnginfo=told, exif=_exif(aviary, "PNG"))
    return out.getvalue()


def _jpeg(good: Good, aviary: Aviary) -> bytes:
    out = io.BytesIO()
    image = Image.open(io.BytesIO(good.jpeg))
    image.save(
        out,
        "JPEG",
        comment=aviary.word("JPEG comment"),
        exif=_exif(aviary, "JPEG"),
        xmp=f"<x>{aviary.word('JPEG XMP')}</x>".encode(),
    )
    return out.getvalue()


def _tiff(good: Good, aviary: Aviary) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(good.png)).save(out, "TIFF", description=aviary.word("TIFF description"))
    return out.getvalue()


def _exif(aviary: Aviary, what: str) -> bytes:
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = aviary.word(f"{what} EXIF description"), aviary.word(f"{what} EXIF artist")
    return exif.tobytes()


def report(good: Good, aviary: Aviary, where: str) -> str:
    """The report, with canaries in its slots, and in every section that is not read."""

    def word(place: str) -> str:
        return aviary.word(f"{where}, {place}")

    return (
        f"NAME: {word('name')}\nMRN: {word('number')}\nDATE OF BIRTH: {word('birth')}\n"
        f"ACCESSION NUMBER: {word('accession')}\n\n"
        f"EXAMINATION: Chest of {word('examination')}\n\nINDICATION: {word('indication')} with cough.\n\n"
        f"COMPARISON: {word('comparison')}.\n\nTECHNIQUE: As told by {word('technique')}.\n\n{good.report.strip()} "
        f"The heart of [**{word('slot')}**] is normal in size. Compared to [**Name {word('slot of two words')} 17**], "
        f"nothing is new. <{word('tag')}>\n\n"
        f"NOTIFICATION: {word('notified')} was called.\n\n"
        f"DICTATED BY: {word('dictated')}\nSIGNED: {word('signed')}, M.D.\n"
    )


def manifest(root: Path, aviary: Aviary, count: int, seed: int) -> None:
    """A table whose every name, column and cell that may hold words holds a canary; some inputs are damaged."""
    columns = ["image", "report_path", "study_id", "patient_id", "view", "split", "image_id"]
    more = [f"column {aviary.word('name of a column')}", "accession"]
    folder = f"images of {aviary.word('folder')}"
    rows = []
    (root / folder).mkdir(parents=True)
    for number, good in enumerate(good_inputs(count, seed)):
        makers = (lambda g, a: plant_tags(g.dicom, a), _png, _jpeg, _tiff)
        suffix = (".dcm", ".png", ".jpg", ".tif")[number % 4]
        content = makers[number % 4](good, aviary)
        image = f"{folder}/{aviary.word('image file')}{suffix}"
        text = f"{folder}/{aviary.word('report file')}.txt"
        (root / image).write_bytes(_perhaps_damaged(content, number))
        (root / text).write_text(report(good, aviary, f"report {number}"), encoding="utf-8")
        rows.append([
            image, text, aviary.word("study"), aviary.word("patient"), "frontal" if number % 3 else "",
            "train", aviary.word("image id"), aviary.word("cell of a column"), aviary.word("accession cell"),
        ])  # fmt: skip
    rows += _bad_rows(rows, aviary)
    with (root / "studies.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns + more, *rows])


def _perhaps_damaged(content: bytes, number: int) -> bytes:
    if number % 12 < 4 and number >= 12:
        return (content[: len(content) * 2 // 3], content.replace(b"1.2.840.10008.1.2.1", b"1.2.840.10008.9.9.9"))[
            number % 2
        ]
    return content


def _bad_rows(rows: list[list[str]], aviary: Aviary) -> list[list[str]]:
    """Rows of which something is wrong that a message might quote."""

    def of(number: int, **cells: str) -> list[str]:
        row = list(rows[number])
        row[2], row[6] = aviary.word("study of a bad row"), aviary.word("image id of a bad row")
        for name, value in cells.items():
            row[int(name[1:])] = value
        return row

    return [
        of(1, _5=aviary.word("split")),
        of(2, _4=aviary.word("view")),
        of(3, _0=f"../{aviary.word('path outside')}.png"),
        of(4, _0=f"file:///{aviary.word('URL outside')}"),
        of(5, _1=f"nowhere/{aviary.word('missing report')}.txt"),
        of(6, _0=f"{aviary.word('missing image')}.png"),
        of(7, _3=""),
        of(8, _2=rows[1][2]),
        [aviary.word("row that is too short")],
    ]  # fmt: skip


def openi(root: Path, aviary: Aviary, count: int, seed: int) -> None:
    """Reports in the layout of Open-I with canaries in every field that is no report; its identifiers are public."""
    for name in ("ecgen-radiology", "images"):
        (root / name).mkdir(parents=True)
    for number, good in enumerate(good_inputs(count, seed), start=1):
        study = f"CXR{number}"
        xml = openi_xml(study, {f"{study}_IM-1": f"PA {aviary.word('caption')}"}, good.report.replace("&", "&amp;"))
        xml = xml.replace("<eCitation>", f"<?{aviary.word('instruction')}?><!--{aviary.word('comment')}--><eCitation>")
        fields = ("meta", "licenseType", "pmcId", "docSource", "MeSH", "Author", "LastName", "ForeName", "Affiliation")
        told = "".join(f'<{f} {f}="{aviary.word(f"{f} attribute")}">{aviary.word(f)}</{f}>' for f in fields)
        told += f'<AbstractText Label="INDICATION">{aviary.word("indication")}</AbstractText>'
        told += f'<AbstractText Label="COMPARISON"><![CDATA[{aviary.word("comparison")}]]></AbstractText>'
        xml = xml.replace("<Abstract>", f"{told}<Abstract>")
        (root / "ecgen-radiology" / f"{number}.xml").write_text(xml, encoding="utf-8")
        (root / "images" / f"{study}_IM-1.png").write_bytes(_png(good, aviary))
    (root / "images" / "CXR900_IM-1.png").write_bytes(_png(good, aviary))
    (root / "ecgen-radiology" / "900.xml").write_text(f"<eCitation><uId id='CXR900'/>{aviary.word('broken XML')}<")
