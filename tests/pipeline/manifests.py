"""Random manifests: studies of every kind that a source may hold, good and bad, as tables with tiny images."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import strategies as st
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("study_id", "patient_id", "split", "view", "image_id", "image", "report")

# What each sentence asserts, by the plain meaning of its words.
SENTENCES = {
    "There is a small left pleural effusion.": "Pleural Effusion",
    "Moderate right pleural effusion is seen.": "Pleural Effusion",
    "A large left-sided pleural effusion is present.": "Pleural Effusion",
    "There is mild cardiomegaly.": "Cardiomegaly",
    "Moderate cardiomegaly is present.": "Cardiomegaly",
    "There is a right upper lobe consolidation.": "Consolidation",
    "A small right apical pneumothorax is seen.": "Pneumothorax",
    "No pleural effusion.": None,
    "There is no pneumothorax.": None,
    "Possible pneumonia at the left base.": None,
    "The bony thorax is intact.": None,
    "Größe unverändert, ohne Befund – 変化なし.": None,
}
EMPTY_REPORTS = ("", "   ", "FINDINGS:", "INDICATION: Cough.", "FINDINGS:\n\nIMPRESSION:\n")
VIEWS = ("frontal", "PA", "lateral", "oblique", "")
SPLITS = ("", "train", "val", "test")
BROKEN = ("missing", "empty", "truncated", "text", "blank", "outside")


@dataclass(frozen=True)
class Picture:
    """One image: how good it is, its side in pixels, and what the table says of its view and name."""

    kind: str
    side: int
    view: str
    named: bool


@dataclass(frozen=True)
class Entry:
    """One study; `patient` and `study` are numbers, so that some of them come twice."""

    study: int
    patient: int | None
    split: str
    report: str
    pictures: tuple[Picture, ...]


def _mostly(usual: st.SearchStrategy, other: st.SearchStrategy, times: int = 5) -> st.SearchStrategy:
    """One of `other` in some `times` draws."""
    return st.integers(1, times).flatmap(lambda n: other if n == times else usual)


_pictures = st.builds(
    Picture,
    kind=_mostly(st.just("good"), st.sampled_from(BROKEN)),
    side=st.integers(32, 48),
    view=_mostly(st.just("frontal"), st.sampled_from(VIEWS), 3),
    named=st.booleans(),
)
_texts = st.lists(st.sampled_from(list(SENTENCES)), min_size=1, max_size=5, unique=True).map(
    lambda told: "FINDINGS: " + " ".join(told)
)


@st.composite
def manifests(draw: st.DrawFn, least: int = 4, most: int = 16) -> list[Entry]:
    """Studies of a few patients; in some manifests without a split of their own."""
    splits = draw(st.sampled_from(((), ("train",), SPLITS)))
    entries = st.builds(
        Entry,
        study=st.integers(0, 60),
        patient=_mostly(st.integers(0, 11), st.none(), 12),
        split=st.sampled_from(splits) if splits else st.just(""),
        report=_mostly(_texts, st.sampled_from(EMPTY_REPORTS), 8),
        pictures=st.lists(_pictures, min_size=1, max_size=3).map(tuple),
    )
    return draw(st.lists(entries, min_size=least, max_size=most))


def study_name(entry: Entry) -> str:
    return f"étude-{entry.study}-研究"


def patient_name(entry: Entry) -> str:
    return "" if entry.patient is None else f"Ærø Ñandú {entry.patient:03d}-患者"


def png(side: int, seed: int) -> bytes:
    """A grey square with a bright spot, unlike every other."""
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 90, (side, side), dtype=np.uint8)
    y, x = draw.integers(0, side - 8, 2)
    pixels[y : y + 8, x : x + 8] += 120
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def write_picture(path: Path, picture: Picture, seed: int) -> None:
    good = png(picture.side, seed)
    blank = io.BytesIO()
    Image.new("L", (picture.side, picture.side), 40).save(blank, "PNG")
    content = {
        "good": good,
        "empty": b"",
        "truncated": good[: len(good) // 2],
        "text": b"no picture at all",
        "blank": blank.getvalue(),
    }
    if picture.kind in content:
        path.write_bytes(content[picture.kind])


def write_manifest(entries: list[Entry], root: Path) -> None:
    """`root`/studies.csv with the images that it names."""
    root.mkdir(parents=True)
    with (root / "studies.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for number, entry in enumerate(entries):
            for place, picture in enumerate(entry.pictures):
                name = f"Bild {number}-{place} ü.png"
                write_picture(root / name, picture, seed=number * 10 + place)
                table.writerow(
                    {
                        "study_id": study_name(entry),
                        "patient_id": patient_name(entry),
                        "split": entry.split,
                        "view": picture.view,
                        "image_id": f"画像-{number}-{place}" if picture.named else "",
                        "image": f"../{name}" if picture.kind == "outside" else name,
                        "report": entry.report,
                    }
                )


def write_corpus(root: Path) -> None:
    """Twenty-four studies of twenty patients, one of them with a broken image."""
    told = list(SENTENCES)
    entries = [
        Entry(
            study=n,
            patient=n % 20,
            split="",
            report=f"FINDINGS: {told[n % 7]} {told[7 + n % 5]}",
            pictures=(Picture("truncated" if n == 9 else "good", 32 + n % 16, "frontal", named=True),),
        )
        for n in range(24)
    ]
    write_manifest(entries, root)
