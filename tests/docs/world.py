"""What the pages take for granted: a copy of Open-I, a table of studies, a finished dataset. All of it generated."""

from __future__ import annotations

import csv
import re
import shutil
from typing import TYPE_CHECKING

from medcutmix_pipeline.sources.phantom import generate
from tests.sources.source_trees import openi_xml, write

if TYPE_CHECKING:
    from pathlib import Path

STUDIES = 80


def make_world(root: Path, dataset: Path) -> Path:
    """A folder in which the pages' commands can be run.

    Args:
        dataset: a finished dataset of generated studies, which stands under the names that the pages use.
    """
    generate(root / "studies", STUDIES, seed=3, size=64)
    with (root / "studies" / "studies.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for place in ("data/openi", "openi"):
        _open_i(root / place, root / "studies", rows)
    shutil.copytree(root / "studies", root, dirs_exist_ok=True)
    shutil.copy(root / "studies" / rows[0]["image"], root / "chest.png")
    with (root / "reports.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("study", "study_id", "report", "text"))
        for row in {r["study_id"]: r for r in rows}.values():
            text = (root / "studies" / row["report_path"]).read_text("utf-8")
            table.writerow((row["study_id"], row["study_id"], text, text))
    for place in ("dataset", "out/openi", "demo/dataset", "DATASET", "OUT"):
        shutil.copytree(dataset, root / place)
    return root


def _open_i(root: Path, studies: Path, rows: list[dict[str, str]]) -> None:
    """The studies in the layout of Open-I: a report in XML, which names its images."""
    images: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        images.setdefault(row["study_id"], []).append(row)
    for number, of_study in enumerate(images.values(), 1):
        report = (studies / of_study[0]["report_path"]).read_text("utf-8")
        findings, impression = (_section(report, name) for name in ("Findings", "Impression"))
        if not findings + impression:
            findings = " ".join(report.rpartition(":")[2].split())  # told under another header, or under none
        names = {}
        for place, row in enumerate(of_study, 1):
            name = f"CXR{number}_IM-{number:04d}-{place}001"
            names[name] = f"Xray chest, {row['view']}"
            write(root / "images" / f"{name}.png", (studies / row["image"]).read_bytes())
        write(root / "ecgen-radiology" / f"{number}.xml", openi_xml(f"CXR{number}", names, findings, impression))


def _section(report: str, name: str) -> str:
    found = re.search(rf"^{name}:\s*(.*?)(?=^\w[\w ]*:|\Z)", report, re.M | re.S | re.I)
    return " ".join(found[1].split()) if found else ""
