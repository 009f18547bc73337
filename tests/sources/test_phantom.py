"""Phantom studies: their pictures, reports and truth agree, and the same call gives the same bytes."""

from __future__ import annotations

import csv
import errno
import hashlib
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.pixels import apply_voi_lut

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.config import SourceConfig
from medcutmix_pipeline.sources.phantom import PREVALENCE, PhantomStudy, generate, study, write
from medcutmix_pipeline.sources.registry import open_source

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 128
STUDIES = 240

WORDS = {
    "Lung Lesion": r"nodules?|mass",
    "Consolidation": r"consolidat\w+|pneumonia",
    "Lung Opacity": r"opacit\w+|opacification",
    "Pleural Effusion": r"effusions?|pleural fluid",
    "Pneumothorax": r"pneumothorax",
    "Cardiomegaly": r"cardiomegaly|enlarge\w*|the heart|heart size|cardiac silhouette",
    "Enlarged Cardiomediastinum": r"mediastin\w+",
    "Atelectasis": r"atelectasis",
    "Edema": r"edema",
    "Fracture": r"fractured?s?",
    "Pleural Other": r"pleural thickening",
    "Pneumonia": r"pneumonia",
    "Support Devices": r"pacemaker|tubes?|catheter|line|port|intubated",
}
DENIAL = r"\b(no|without|neither|negative for|not)\b[^.;]*\b(?:{words})\b|\b(?:{words})\b(?:: none| is not widened)"
HEDGE = r"\b(may|could|possibl\w+|questionable|suspected|cannot be excluded|versus)\b"


@pytest.fixture(scope="module")
def corpus() -> list[PhantomStudy]:
    return [study(7, index, SIZE) for index in range(STUDIES)]


def told(report: str) -> list[str]:
    """The sentences of a report that tell of the study: line breaks joined, what comes before findings dropped."""
    text = re.sub(
        r"(?im)^ *(indication|comparison|technique|examination):\s*.*?(?=\n\s*\n|\n *[A-Z][A-Za-z ]+:|\Z)",
        "",
        report,
        flags=re.S,
    )
    return re.split(r"(?<=[.?])\s+", " ".join(text.split()))


def denied(report: str, finding: str) -> bool:
    pattern = DENIAL.format(words=WORDS[finding])
    return any(re.search(pattern, sentence, re.I) for sentence in told(report))


def files(directory: Path) -> dict[str, str]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.parametrize("image_format", ["png", "dicom"])
def test_same_call_gives_same_bytes_and_a_larger_corpus_begins_with_the_smaller(tmp_path, image_format):
    generate(tmp_path / "a", 6, 3, image_format=image_format, size=64)
    generate(tmp_path / "b", 6, 3, image_format=image_format, size=64)
    generate(tmp_path / "more", 9, 3, image_format=image_format, size=64)
    first, more = files(tmp_path / "a"), files(tmp_path / "more")
    assert first == files(tmp_path / "b")
    tables = {"studies.csv", "truth.csv"}
    assert {name: more.get(name) for name in first.keys() - tables} == {n: first[n] for n in first.keys() - tables}
    for name in tables:
        assert (tmp_path / "more" / name).read_bytes().startswith((tmp_path / "a" / name).read_bytes())


def test_several_processes_draw_the_same_corpus_as_one(tmp_path):
    seen = []
    alone = generate(tmp_path / "alone", 70, 3, size=64)  # more than the processes take at a time
    shared = generate(tmp_path / "shared", 70, 3, size=64, workers=2, progress=seen.append)
    assert files(tmp_path / "shared") == files(tmp_path / "alone")
    assert (shared.studies, shared.images, shared.findings) == (alone.studies, alone.images, alone.findings)
    assert seen == [1] * 70


def test_another_seed_gives_other_studies():
    one, other = study(1, 0, 64), study(2, 0, 64)
    assert one.report != other.report
    assert not np.array_equal(one.images[0].pixels, other.images[0].pixels)


def test_listing_and_truth_name_files_that_exist_with_boxes_inside_them(tmp_path):
    summary = generate(tmp_path / "p", 30, 5, size=96)
    with (tmp_path / "p/studies.csv").open(newline="") as handle:
        listing = list(csv.DictReader(handle))
    with (tmp_path / "p/truth.csv").open(newline="") as handle:
        truth = list(csv.DictReader(handle))
    assert list(listing[0]) == ["image", "report_path", "study_id", "patient_id", "view"]
    assert list(truth[0]) == ["study", "image", "finding", "assertion", "x0", "y0", "x1", "y1", "width", "height"]
    assert len(listing) == summary.images == len({row["image"] for row in listing})
    assert {row["study_id"] for row in listing} == {f"phantom-{n:06d}" for n in range(30)}
    assert {row["view"] for row in listing} == {"frontal", "lateral"}
    for row in listing:
        assert (tmp_path / "p" / row["report_path"]).read_text(encoding="utf-8").strip()
        with Image.open(tmp_path / "p" / row["image"]) as image:
            assert (image.mode, image.size) == ("L", (96, 96))
    assert {row["image"] for row in truth} <= {row["image"] for row in listing}
    boxes = [[int(row[name]) for name in ("x0", "y0", "x1", "y1", "width", "height")] for row in truth if row["x0"]]
    assert boxes
    assert all(0 <= x0 < x1 <= w == 96 and 0 <= y0 < y1 <= h == 96 for x0, y0, x1, y1, w, h in boxes)
    assert all(row["assertion"] == "present" for row in truth if row["x0"])


def test_dicom_shows_what_the_png_shows(tmp_path):
    generate(tmp_path / "png", 24, 9, size=80)
    generate(tmp_path / "dcm", 24, 9, size=80, image_format="dicom")
    kinds, views = set(), set()
    for path in sorted((tmp_path / "dcm/images").glob("*.dcm")):
        dataset = pydicom.dcmread(path)
        assert dataset.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
        assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit) == (16, 12, 11)
        kinds.add(dataset.PhotometricInterpretation)
        views.add(dataset.ViewPosition)
        shown = np.clip(apply_voi_lut(dataset.pixel_array, dataset) / 4095, 0, 1)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            shown = 1 - shown
        expected = np.asarray(Image.open(tmp_path / "png/images" / f"{path.stem}.png"), float) / 255
        assert np.abs(shown - expected).max() < 1 / 200
    assert kinds == {"MONOCHROME1", "MONOCHROME2"}
    assert {"PA", "LL"} <= views <= {"PA", "AP", "LL"}


def test_every_asserted_finding_shows_in_the_frontal_image(corpus):
    for one in corpus:
        frontal = one.images[0]
        assert frontal.view == "frontal"
        for row in one.truth:
            if row.image_id == frontal.image_id:
                assert (row.box is not None) == (row.assertion == "present"), (one.study_id, row.finding)


@pytest.mark.parametrize("finding", sorted(PREVALENCE))
def test_a_lesion_changes_the_picture_inside_its_box_and_hardly_elsewhere(finding):
    """Against the same exposure of the same patient without the lesion."""
    drawn = 0
    for index in range(0, 40, 4):
        ill, well = (study(5, index, SIZE, prevalence=p, normal=0.0) for p in ({finding: 1.0}, {}))
        image, reference = ill.images[0], well.images[0]
        boxes = [row.box for row in ill.truth if row.image_id == image.image_id and row.finding == finding and row.box]
        if not boxes:  # told as uncertain
            continue
        drawn += 1
        change = np.abs(image.film - reference.film)
        near, inside = np.zeros_like(change, bool), np.zeros_like(change, bool)
        for x0, y0, x1, y1 in boxes:
            inside[y0:y1, x0:x1] = True
            near[max(y0 - 4, 0) : y1 + 4, max(x0 - 4, 0) : x1 + 4] = True
        assert change[inside].max() > 0.10
        assert change[inside].mean() > 4 * change[~near].mean()
        # The share that lies elsewhere in a pneumothorax is the lung that has drawn in and become denser.
        assert change[near].sum() > (0.5 if finding == "Pneumothorax" else 0.9) * change.sum()
    assert drawn >= 5


def test_contrast_makes_lesions_fainter_and_leaves_their_place():
    easy, hard = (study(5, 0, SIZE, contrast, prevalence={"Consolidation": 1.0}, normal=0.0) for contrast in (1.0, 0.3))
    well = study(5, 0, SIZE, prevalence={}, normal=0.0)
    assert [row.box for row in easy.truth] == [row.box for row in hard.truth]
    change = [np.abs(s.images[0].film - well.images[0].film).sum() for s in (easy, hard)]
    assert 0.15 < change[1] / change[0] < 0.6


def test_the_side_in_the_text_is_the_patients_and_so_mirrored_in_the_picture(corpus):
    checked = Counter()
    for one in corpus:
        for finding in ("Pneumothorax", "Pleural Effusion", "Fracture", "Pleural Other", "Lung Lesion"):
            boxes = [
                r.box for r in one.truth if r.image_id == one.images[0].image_id and r.finding == finding and r.box
            ]
            about = [s for s in told(one.report) if re.search(rf"\b({WORDS[finding]})\b", s, re.I)]
            sides = {side.lower() for s in about for side in re.findall(r"\b(left|right)\b", s, re.I)}
            if len(boxes) != 1 or len(sides) != 1:
                continue
            middle = (boxes[0][0] + boxes[0][2]) / 2
            assert (middle > SIZE / 2) == (sides == {"left"}), (one.study_id, finding)
            checked[finding] += 1
    assert min(checked.values()) >= 5
    assert len(checked) == 5


def test_report_says_what_truth_says(corpus):
    """By a reading of the text that knows nothing of the generator: keywords, denials, hedges."""
    for one in corpus:
        sentences = told(one.report)
        for finding, assertion in {(row.finding, row.assertion) for row in one.truth}:
            named = [s for s in sentences if re.search(rf"\b({WORDS[finding]})\b", s, re.I)]
            assert named, (one.study_id, finding)
            negative = denied(one.report, finding)
            if assertion == "absent":
                assert negative or any("normal" in s.lower() for s in sentences), (one.study_id, finding)
            elif assertion == "uncertain":
                assert all(re.search(HEDGE, s, re.I) for s in named), (one.study_id, finding, named)
            elif not (finding == "Consolidation" and "pneumonia" in " ".join(named)):
                assert not negative, (one.study_id, finding, named)


def test_nothing_is_called_normal_or_clear_that_is_not(corpus):
    lung = {"Lung Lesion", "Consolidation", "Lung Opacity", "Atelectasis", "Edema", "Pneumonia"}
    for one in corpus:
        there = {row.finding for row in one.truth if row.assertion != "absent"}
        text = " ".join(told(one.report)).lower()
        if "lungs are clear" in text.replace("elsewhere the lungs are clear", ""):
            assert not there & lung, one.study_id
        if "normal chest" in text or "no acute cardiopulmonary" in text:
            assert not there - {"Support Devices"}, one.study_id
        if re.search(r"heart size is normal|heart is normal|normal heart|silhouette is normal", text):
            assert "Cardiomegaly" not in there, one.study_id


def test_corpus_is_varied(corpus):
    present = Counter(f for one in corpus for f in {r.finding for r in one.truth if r.assertion == "present"})
    assert set(PREVALENCE) <= set(present)
    assert min(present[name] for name in PREVALENCE) >= 4
    many = Counter(len({r.finding for r in one.truth if r.assertion == "present"}) for one in corpus)
    assert min(many[0], many[1], many[2]) > 20
    studies_of = Counter(one.patient_id for one in corpus)
    assert 0.12 < sum(n > 1 for n in studies_of.values()) / len(studies_of) < 0.35
    assert 0.3 < sum(len(one.images) == 2 for one in corpus) / len(corpus) < 0.5
    assert sum(r.assertion == "uncertain" for one in corpus for r in one.truth) / len(corpus) > 0.1


def test_reports_come_in_many_styles(corpus):
    reports = [one.report for one in corpus]
    share = {
        "findings": r"(?im)^ *findings(?: and impression)?:",
        "impression": r"(?im)^ *impression:",
        "numbered": r"(?m)^ *(?:impression: ?)?1\. ",
        "placeholder": r"___",
        "title case": r"(?m)^ *Findings:",
    }
    rate = {name: sum(bool(re.search(p, text)) for text in reports) / len(reports) for name, p in share.items()}
    assert all(0.03 < value < 0.97 for value in rate.values()), rate
    assert len({text.split(":")[0].strip() for text in reports}) > 5
    neither = [
        text for text in reports if not re.search(share["findings"], text) and not re.search(share["impression"], text)
    ]
    assert len(neither) >= 8
    wrapped = [text for text in reports if max(map(len, text.splitlines())) <= 84]
    assert 0.3 < len(wrapped) / len(reports) < 0.9


def test_each_finding_is_told_in_at_least_six_ways():
    for finding in PREVALENCE:
        ways = defaultdict(set)
        for index in range(36):
            one = study(11, index, 64, prevalence={finding: 1.0}, normal=0.0)
            if any(row.assertion == "present" and row.finding == finding for row in one.truth):
                for sentence in told(one.report):
                    if re.search(rf"\b({WORDS[finding]})\b", sentence, re.I):
                        ways[finding].add(re.sub(r"\b(left|right)\b", "<side>", sentence.lower()))
        assert len(ways[finding]) >= 6, finding


def test_studies_of_a_patient_share_the_chest(corpus):
    """Frontal films of one patient correlate more than films of two patients, whatever pose and exposure."""

    def distance(one, other):
        """1 - correlation, at the best of small shifts of the field."""
        core = (slice(8, -8), slice(10, -10))
        shifts = [(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4)]
        return min(1 - np.corrcoef(np.roll(one, s, (0, 1))[core].ravel(), other[core].ravel())[0, 1] for s in shifts)

    patients = defaultdict(list)
    for index, one in enumerate(corpus):
        patients[one.patient_id].append(index)
    several = [group for group in patients.values() if len(group) > 1][:20]
    films = [[study(7, index, 64, prevalence={}).images[0].film for index in group[:2]] for group in several]
    same = [distance(first, second) for first, second in films]
    other = [distance(a[0], b[1]) for a, b in zip(films, films[1:] + films[:1], strict=True)]
    assert np.median(same) < 0.7 * np.median(other)
    assert all(len({corpus[index].sex for index in group}) == 1 for group in several)


def test_the_patients_right_is_on_the_images_left():
    """The heart points to the patient's left: more of its shadow lies on the image's right."""
    right_heavier = 0
    for index in range(20):
        film = study(13, index, SIZE, prevalence={}, normal=1.0).images[0].film
        band = film[int(0.58 * SIZE) : int(0.68 * SIZE)]
        right_heavier += band[:, SIZE // 2 : int(0.70 * SIZE)].mean() > band[:, int(0.30 * SIZE) : SIZE // 2].mean()
    assert right_heavier == 20


@pytest.mark.parametrize(
    "arguments",
    [
        {"studies": 0},
        {"size": 8},
        {"contrast": 0.0},
        {"normal": 1.5},
        {"prevalence": {"Consolidation": 2.0}},
        {"prevalence": {"Hernia": 0.1}},
    ],
)
def test_impossible_arguments_are_usage_errors_and_write_nothing(tmp_path, arguments):
    call = {"studies": 2, "seed": 1, **arguments}
    with pytest.raises(UsageError):
        generate(tmp_path / "p", **call)
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("why", "told"),
    [(OSError(errno.ENOSPC, "No space left on device"), DataError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_what_ends_early_leaves_nothing_so_that_the_same_call_works_again(tmp_path, monkeypatch, why, told):
    drawn = iter([write._write_files])

    def failing(*job):
        return next(drawn, broken)(*job)

    def broken(*_job):
        raise why

    with monkeypatch.context() as patched:
        patched.setattr(write, "_write_files", failing)
        with pytest.raises(told):
            generate(tmp_path, 3, 1, size=64)
    assert not list(tmp_path.iterdir())
    assert generate(tmp_path, 3, 1, size=64).studies == 3


def test_a_folder_with_files_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        generate(tmp_path, 2, 1)
    assert files(tmp_path).keys() == {"notes.txt"}


def test_the_phantom_source_reads_what_was_written(tmp_path):
    summary = generate(tmp_path / "p", 8, 4, size=64)
    found = list(open_source(SourceConfig(kind="phantom", root=str(tmp_path / "p"))).studies())
    assert len(found) == 8
    assert sum(len(one.images) for one in found) == summary.images
    assert not any(one.problem or image.problem for one in found for image in one.images)
