"""Phantom studies on disk: images, reports, the listing and the truth."""

from __future__ import annotations

import csv
import multiprocessing
import shutil
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from PIL import Image

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.outfile import unwritable

from .dicom import write_dicom
from .scene import NORMAL, PREVALENCE
from .study import PhantomStudy, study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

STUDY_COLUMNS = ("image", "report_path", "study_id", "patient_id", "view")
TRUTH_COLUMNS = ("study", "image", "finding", "assertion", "x0", "y0", "x1", "y1", "width", "height")
_TABLES = ("studies.csv", "truth.csv")
_FOLDERS = ("images", "reports")

_CHUNK = 32  # studies that a process draws before it asks for more


@dataclass(frozen=True, slots=True)
class PhantomSummary:
    """What was written: counts, and the number of studies that assert each finding."""

    directory: Path
    studies: int
    patients: int
    images: int
    findings: dict[str, int]


class _Job(NamedTuple):
    """What is the same for all studies of a corpus."""

    directory: Path
    seed: int
    image_format: str
    size: int
    contrast: float
    prevalence: dict[str, float]
    normal: float


class _Told(NamedTuple):
    """What the tables and the summary tell of one study."""

    patient: str
    listing: list[tuple[Any, ...]]
    truth: list[tuple[Any, ...]]
    present: set[str]


def generate(
    directory: Path,
    studies: int,
    seed: int,
    *,
    image_format: Literal["png", "dicom"] = "png",
    size: int = 256,
    contrast: float = 1.0,
    prevalence: Mapping[str, float] | None = None,
    normal: float = NORMAL,
    progress: Callable[[int], None] | None = None,
    workers: int = 1,
) -> PhantomSummary:
    """Write `studies` phantom studies into `directory`, which must be empty or not exist; all of them, or none.

    `studies.csv` lists the images in the columns of the `manifest` source, paths relative to the directory. `truth.csv`
    has the findings that each report names and, for those asserted, boxes in pixels of the image file (`x1`, `y1` are
    the first beyond; `width`, `height` are the image's). The same arguments give the same bytes, and a study does not
    depend on how many there are. `progress` is called with 1 after each study. With `workers` above 1, so many
    processes draw them, which are started anew: a script that asks for them needs its `if __name__ == "__main__"`.

    Raises UsageError for an argument out of range, or where the directory cannot be written or is not empty; DataError
    where the disk is full or fails.
    """
    shares = dict(PREVALENCE if prevalence is None else prevalence)
    _check(studies, size, contrast, shares, normal)
    if workers < 1:
        raise UsageError("phantoms are drawn by at least 1 process")
    _prepare(directory)
    job = _Job(directory, seed, image_format, size, contrast, shares, normal)
    findings: Counter[str] = Counter()
    patients: set[str] = set()
    images = 0
    with _emptied_on_failure(directory), ExitStack() as stack:
        listing, truth = (_table(stack, directory / name) for name in _TABLES)
        listing.writerow(STUDY_COLUMNS)
        truth.writerow(TRUTH_COLUMNS)
        for told in _drawn(stack, job, studies, workers):
            listing.writerows(told.listing)
            truth.writerows(told.truth)
            findings.update(told.present)
            patients.add(told.patient)
            images += len(told.listing)
            if progress:
                progress(1)
    return PhantomSummary(directory, studies, len(patients), images, dict(sorted(findings.items())))


def _drawn(stack: ExitStack, job: _Job, studies: int, workers: int) -> Iterator[_Told]:
    """Every study in order, drawn here or in processes of a pool that ends with the stack."""
    if workers == 1:
        return map(partial(_draw, job), range(studies))
    # Not forked: whoever calls may hold threads, and a forked child would inherit their locks.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    stack.callback(pool.shutdown, cancel_futures=True)
    return pool.map(partial(_draw, job), range(studies), chunksize=_CHUNK)


def _draw(job: _Job, index: int) -> _Told:
    """Draw a study and write its files."""
    one = study(job.seed, index, job.size, job.contrast, prevalence=job.prevalence, normal=job.normal)
    paths = _write_files(job.directory, one, job.image_format, job.seed)
    report = f"reports/{one.study_id}.txt"
    return _Told(
        one.patient_id,
        [(paths[image.image_id], report, one.study_id, one.patient_id, image.view) for image in one.images],
        [
            (one.study_id, paths[row.image_id], row.finding, row.assertion, *(row.box or ("",) * 4), job.size, job.size)
            for row in one.truth
        ],
        {row.finding for row in one.truth if row.assertion == "present"},
    )


def _check(studies: int, size: int, contrast: float, shares: Mapping[str, float], normal: float) -> None:
    if studies < 1:
        raise UsageError("a phantom corpus needs at least 1 study")
    if not 64 <= size <= 4096:
        raise UsageError("the side of phantom images must be from 64 to 4096 pixels")
    if not 0.1 <= contrast <= 3:
        raise UsageError("the contrast of phantom lesions must be from 0.1 to 3")
    unknown = sorted(set(shares) - set(PREVALENCE))
    if unknown:
        raise UsageError(f"phantoms cannot show {unknown[0]!r}; they show {', '.join(PREVALENCE)}")
    if not all(0 <= share <= 1 for share in (*shares.values(), normal)):
        raise UsageError("prevalence and the share of normal studies must be from 0 to 1")


def _prepare(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(f"{directory} is not empty; phantom studies are written into a new folder")
        for folder in _FOLDERS:
            (directory / folder).mkdir()
    except OSError as error:
        raise unwritable(directory, error) from error


@contextmanager
def _emptied_on_failure(directory: Path) -> Iterator[None]:
    """Whatever ends the block early leaves the directory empty: so the same call can be made again."""
    try:
        yield
    except BaseException as why:
        for folder in _FOLDERS:
            shutil.rmtree(directory / folder, ignore_errors=True)
        for table in _TABLES:
            (directory / table).unlink(missing_ok=True)
        if isinstance(why, OSError):
            raise unwritable(directory, why) from why
        raise


def _table(stack: ExitStack, path: Path) -> Any:
    handle = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
    return csv.writer(handle, lineterminator="\n")


def _write_files(directory: Path, one: PhantomStudy, image_format: str, seed: int) -> dict[str, str]:
    """Write a study's report and images; returns the path of each image relative to the directory."""
    (directory / "reports" / f"{one.study_id}.txt").write_text(one.report, encoding="utf-8", newline="\n")
    paths = {}
    for number, image in enumerate(one.images):
        name = f"images/{image.image_id}.{'dcm' if image_format == 'dicom' else 'png'}"
        if image_format == "dicom":
            write_dicom(directory / name, one, number, seed)
        else:
            Image.fromarray(image.pixels).save(directory / name, compress_level=1)
        paths[image.image_id] = name
    return paths
