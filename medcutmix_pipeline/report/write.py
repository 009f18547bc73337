"""Writing the page: whole or not at all."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from medcutmix_pipeline.dataset.rows import telling_damage
from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.outfile import unwritable
from medcutmix_pipeline.report.figures import figures
from medcutmix_pipeline.report.gallery import write_gallery
from medcutmix_pipeline.report.remark import percent
from medcutmix_pipeline.report.tally import tally_plans
from medcutmix_pipeline.report.verdict import headline, remarks
from medcutmix_pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from medcutmix_pipeline.dataset import Dataset
    from medcutmix_pipeline.report.told import Figures

MOST = 10_000
"""So many plans get into the gallery at most, where nothing else is asked for."""

PAGE = "index.html"
_MARK = '<meta name="generator" content="medcutmix-pipeline report'
_SCRIPTS = ("pixels.js", "gallery.js", "close.js", "start.js")


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        page: the file to open.
        plans: how many plans the gallery shows, of `of`.
        pictures: how many samples' pictures stand beside the page.
        bytes: size of the whole folder.
    """

    page: Path
    plans: int
    of: int
    pictures: int
    bytes: int


def write_report(dataset: Dataset, folder: Path, most: int = MOST) -> Written:
    """Write the page that shows a dataset, with all that it needs: it opens from a disk and fetches nothing.

    The folder appears, or takes the place of an older report, once it is whole. Memory holds one shard's samples, and
    of the whole dataset the numbers, the distinct sentences and the gallery's index.

    Args:
        dataset: a finished one.
        folder: where to write; missing, empty, or an older report.
        most: so many plans get into the gallery at most; the figures are of all.

    Raises:
        UsageError: the folder holds something else, or cannot be written.
        DataError: the dataset is damaged, or the disk is full or fails.
    """
    _refuse_others(folder)
    with telling_damage(dataset.where), _telling_misfits(dataset):
        plans = tally_plans(dataset, tuple(dataset.manifest.diseases))
        told = figures(dataset, plans)
    partial = folder.parent / f".{folder.name}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with _telling_misfits(dataset):
            shown, pictures = _fill(dataset, plans.sentences, told, partial, most)
        written = sum(path.stat().st_size for path in partial.rglob("*") if path.is_file())
        _put(partial, folder)
    except OSError as why:
        raise unwritable(folder, why) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Written(folder / PAGE, shown, dataset.manifest.counts.plans, pictures, written)


@contextlib.contextmanager
def _telling_misfits(dataset: Dataset) -> Iterator[None]:
    """While the block runs, a name in one table that another lacks is told as what it is."""
    try:
        yield
    except KeyError:
        raise DataError(
            f"tables and shards of {dataset.where} do not fit together: `medcutmix-pipeline validate` says where"
        ) from None


def _refuse_others(folder: Path) -> None:
    """UsageError unless the folder is missing, empty, or a report that may be replaced."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file: name a folder for the report")
    if folder.resolve() == Path.cwd():
        raise UsageError(f"the report takes the place of {folder}, in which you stand: name another folder")
    page = folder / PAGE
    ours = page.is_file() and _MARK in page.read_text(encoding="utf-8", errors="replace")[:2000]
    if not ours and any(folder.iterdir()):
        raise UsageError(f"{folder} holds something that is no report: name another folder, or empty it first")


def _put(partial: Path, folder: Path) -> None:
    """Put the new report in the old one's place."""
    old = folder.parent / f".{folder.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _fill(
    dataset: Dataset, sentences: Mapping[tuple[str, str], int], told: Figures, folder: Path, most: int
) -> tuple[int, int]:
    """Write all files; the page last. Returns how many plans and samples the gallery shows."""
    shards = dataset.manifest.config.get("shards", {})
    facts = {"map": shards.get("pixel_map", "donor"), "total": dataset.manifest.counts.plans}
    shown = write_gallery(dataset, sentences, facts, folder, most)
    found = remarks(told)
    page = _render(
        told=told,
        remarks=found,
        headline=headline(told, found),
        shown=shown,
        name=dataset.where.rstrip("/").rpartition("/")[2] if "://" in dataset.where else dataset.folder.resolve().name,
        version=__version__,
    )
    (folder / PAGE).write_text(page, encoding="utf-8")
    return shown.plans, shown.samples


def _render(**content: Any) -> str:
    loader = jinja2.PackageLoader("medcutmix_pipeline.report", "page")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["pc"] = percent
    source = files("medcutmix_pipeline.report") / "page"
    parts = "\n".join((source / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    script = f'(() => {{\n"use strict";\n{parts}}})();\n'
    # The page runs this script and the files beside it, and nothing else, whatever a report's text may hold.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    style = (source / "style.css").read_text(encoding="utf-8")
    template = environment.get_template("index.html")
    return template.render(script=script, script_hash=f"sha256-{digest}", style=style, **content)
