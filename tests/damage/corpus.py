"""A corpus of good inputs, and the same with damaged ones among them; every damaged input has a study of its own.

Three trees in one folder: `images` (a manifest; damaged images), `reports` (a manifest; damaged rows and reports, and
images that are found out before shards are dealt), and `xml` (the layout of Open-I; damaged XML).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from medcutmix_pipeline.sources.phantom.dicom import write_dicom
from medcutmix_pipeline.sources.phantom.study import study
from tests.damage.images import DEADLY, DICOMS, IMAGES
from tests.damage.kinds import SAMPLE, Good, Kind
from tests.damage.texts import COLUMNS, REPORTS, ROWS, XMLS, RowKind
from tests.sources.source_trees import openi_xml
from tests.stages.ingest_files import jpeg_dicom, saved

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SIDE = 96


@dataclass(frozen=True)
class Damaged:
    """One damaged input: the kind, the outcomes that are right, and the study and image by the source's names.

    `image` is None where it is not known which images are meant; then the study's own reject tells.
    """

    kind: str
    codes: frozenset[str]
    study: str
    image: str | None


@dataclass
class Tree:
    """One tree: where it is with the damaged inputs, where without, and what was damaged."""

    name: str
    source: str
    damaged: Path
    good: Path
    inputs: list[Damaged] = field(default_factory=list)


def good_inputs(count: int, seed: int) -> list[Good]:
    """Generated studies with one image each, in the forms that are damaged."""
    return [_good(study(seed, number, SIDE), seed) for number in range(count)]


def _good(one: Any, seed: int) -> Good:
    pixels = one.images[0].pixels
    file = io.BytesIO()
    write_dicom(file, one, 0, seed)  # type: ignore[arg-type]  # pydicom writes to a file object as well
    picture = Image.fromarray(pixels)
    return Good(
        png=saved(picture, "PNG"),
        jpeg=saved(picture, "JPEG", quality=92),
        dicom=file.getvalue(),
        jpeg_dicom=jpeg_dicom(pixels, ViewPosition="PA"),
        report=one.report,
        xml=openi_xml("STUDY", {"IMAGE": "PA chest"}, one.report.strip().replace("&", "&amp;").replace("<", "&lt;")),
    )


class _Manifest:
    """A table in the making, with the files that it names, written to both trees or to the damaged one alone."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._tables = {root: _table(root) for root in (tree.damaged, tree.good)}
        self.line = 1 + 1
        self.last: list[str] = []

    def add_good(self, number: int, one: Good) -> None:
        suffix, content = (("png", one.png), ("jpg", one.jpeg), ("dcm", one.dicom))[number % 3]
        name, report = f"images/good-{number}.{suffix}", f"reports/good-{number}.txt"
        # A comma, quotes and a line break in a cell, so that a row gone wrong has something to run into.
        cells = [name, report, f"good-{number}", f'patient "{number // 2}",\nof {number}', "frontal", _split(number)]
        self.last = cells
        for root in self._tables:
            (root / name).write_bytes(content)
            (root / report).write_text(one.report, encoding="utf-8")
            self._write(root, _row(cells))

    def add(self, cells: Sequence[str]) -> None:
        self.add_raw(_row(cells))

    def add_raw(self, line: bytes) -> None:
        self._write(self.tree.damaged, line)

    def _write(self, root: Path, line: bytes) -> None:
        with (root / "studies.csv").open("ab") as table:
            table.write(line)
        if root == self.tree.damaged:
            self.line += line.count(b"\n") + line.count(b"\r")


def _table(root: Path) -> Path:
    for folder in ("images", "reports"):
        (root / folder).mkdir(parents=True)
    (root / "studies.csv").write_bytes(_row(COLUMNS))
    return root


def _row(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode()


def _split(number: int) -> str:
    return "validate" if number % 5 == 4 else "train"


def _put(folder: Path, stem: str, kind: Kind, one: Good, rng: np.random.Generator) -> str:
    """The damaged thing at its place below `folder`; returns what the table calls it."""
    if kind.place is not None:
        reference = kind.place(folder / f"{stem}.png", one)
        return (
            reference
            if reference.startswith(("/", "file:", "..")) or ":" in reference
            else f"{folder.name}/{reference}"
        )
    assert kind.make is not None
    name = f"{stem}{kind.suffix or '.png'}"
    (folder / name).write_bytes(kind.make(one, rng))
    return f"{folder.name}/{name}"


def image_tree(
    folder: Path, goods: Sequence[Good], times: int, seed: int, heavy: int = 0, name: str = "images", deadly: int = 0
) -> Tree:
    """Damaged images of every kind, `times` times its share, each in a study of its own among the good ones.

    `heavy`, `deadly`: how many of each kind that is heavy, and of files that kill the process that decodes them.
    """
    tree = Tree(name, "manifest", folder / "damaged" / name, folder / "good" / name)
    table, rng = _Manifest(tree), np.random.default_rng(seed)
    wanted = [k for k in IMAGES for _ in range(heavy if k.heavy else round(times * k.share))] + DEADLY * deadly
    waiting = [wanted[i] for i in rng.permutation(len(wanted))]
    for number, one in enumerate(goods):
        table.add_good(number, one)
        for place in range(number * len(waiting) // len(goods), (number + 1) * len(waiting) // len(goods)):
            kind, name = waiting[place], f"bad-{place}"
            (tree.damaged / "reports" / f"{name}.txt").write_text(one.report, encoding="utf-8")
            image = _put(tree.damaged / "images", name, kind, one, rng)
            table.add([image, f"reports/{name}.txt", name, name, "frontal", _split(place)])
            tree.inputs.append(Damaged(kind.name, kind.codes, name, image))
    return tree


def report_tree(folder: Path, goods: Sequence[Good], times: int, seed: int) -> Tree:
    """Damaged reports, rows, and images of no told view: all are rejected before shards are dealt."""
    tree = Tree("reports", "manifest", folder / "damaged" / "reports", folder / "good" / "reports")
    table, rng = _Manifest(tree), np.random.default_rng(seed + 1)
    # A DICOM header names the view, so that the picture itself is looked at later.
    early = [k for k in IMAGES if SAMPLE not in k.codes and not k.heavy and k not in DICOMS]
    reports = [k for k in REPORTS if SAMPLE not in k.codes for _ in range(round(times * k.share))]
    wanted: list[Kind | RowKind] = [*early, *reports, *ROWS * times]
    waiting = [wanted[i] for i in rng.permutation(len(wanted))]
    for number, one in enumerate(goods):
        table.add_good(number, one)
        for place in range(number * len(waiting) // len(goods), (number + 1) * len(waiting) // len(goods)):
            _add_early(table, waiting[place], f"bad-{place}", one, rng)
    return tree


def _add_early(table: _Manifest, kind: Kind | RowKind, name: str, one: Good, rng: np.random.Generator) -> None:
    root, inputs = table.tree.damaged, table.tree.inputs
    cells = [f"images/{name}.png", f"reports/{name}.txt", name, name, "frontal", "train"]
    (root / "images" / f"{name}.png").write_bytes(one.png)
    (root / "reports" / f"{name}.txt").write_text(one.report, encoding="utf-8")
    if isinstance(kind, RowKind):
        for more in range(kind.rejects):
            study = {"own": name, "good": table.last[2], "line": f"row-{table.line + more}"}[kind.study]
            image = {"own": cells[0], "good": table.last[0], "": None}[kind.image]
            inputs.append(Damaged(kind.name, frozenset({kind.code}), study, image))
        table.add_raw(kind.make(cells, table.last))
        return
    if kind in IMAGES:
        (root / "images" / f"{name}.png").unlink()
        cells[0] = _put(root / "images", name, kind, one, rng)
        cells[4] = ""  # the view is not told, so that the picture is looked at while reports are read
        inputs.append(Damaged(kind.name, kind.codes, name, cells[0]))
    else:
        (root / "reports" / f"{name}.txt").unlink()
        cells[1] = _put(root / "reports", name, kind, one, rng)
        inputs.append(Damaged(kind.name, kind.codes, name, cells[0]))
    table.add(cells)


def xml_tree(folder: Path, goods: Sequence[Good], times: int, seed: int) -> Tree:
    """Damaged XML among good ones, in the layout of Open-I."""
    tree = Tree("xml", "openi", folder / "damaged" / "xml", folder / "good" / "xml")
    rng = np.random.default_rng(seed + 2)
    for root in (tree.damaged, tree.good):
        for name in ("ecgen-radiology", "images"):
            (root / name).mkdir(parents=True)
        for number, one in enumerate(goods):
            _add_xml(root, f"CXR{number + 1}", one, one.xml)
    kinds = [k for k in XMLS for _ in range(round(times * k.share))]
    for place, kind in enumerate(kinds):
        one, study = goods[place % len(goods)], f"CXR{9001 + place}"
        named = Good(one.png, one.jpeg, one.dicom, one.jpeg_dicom, one.report, _named(one.xml, study))
        path = tree.damaged / "ecgen-radiology" / f"{study[3:]}.xml"
        if kind.place is not None:
            kind.place(path, named)
        else:
            assert kind.make is not None
            path.write_bytes(kind.make(named, rng))
        (tree.damaged / "images" / f"{study}_IM-0001-1001.png").write_bytes(one.png)
        tree.inputs.append(Damaged(kind.name, kind.codes, study, None))
    return tree


def _named(xml: str, study: str) -> str:
    return xml.replace('"STUDY"', f'"{study}"').replace('"IMAGE"', f'"{study}_IM-0001-1001"')


def _add_xml(root: Path, study: str, one: Good, xml: str) -> None:
    (root / "ecgen-radiology" / f"{study[3:]}.xml").write_text(_named(xml, study), encoding="utf-8")
    (root / "images" / f"{study}_IM-0001-1001.png").write_bytes(one.png)
