"""The reader against truth: human labels of real reports, and the generator's own for phantoms."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from benchmarks.language import GOLD, openi_reports, scores
from medcutmix_pipeline.sources.phantom import generate

if TYPE_CHECKING:
    from pathlib import Path

    from medcutmix_pipeline.stages.sentences import ReportReader


@pytest.fixture(scope="module")
def found(shared_data: Path, reader: ReportReader) -> dict[str, set[str]]:
    reports = openi_reports(shared_data / "openi")
    read = reader.read_many(map(reader.clean, reports.values()))
    return {
        study: {finding for finding, label in report.labels.items() if label == "present"}
        for study, report in zip(reports, read, strict=True)
    }


@pytest.mark.parametrize("half", ["tuned", "held out", "all"])
def test_present_agrees_with_human_labels(half: str, found: dict[str, set[str]], shared_data: Path) -> None:
    table = scores(shared_data / "openi" / "labels" / "gold14.csv", found, half)
    assert len(table.findings) == len(GOLD) == 8
    assert table.micro_f1 >= 0.90
    assert table.macro_f1 >= 0.85


def test_phantom_reports_are_read_as_they_were_meant(tmp_path: Path, reader: ReportReader) -> None:
    generate(tmp_path / "phantom", 500, seed=23, size=64)
    truth: dict[str, dict[str, str]] = {}
    with (tmp_path / "phantom" / "truth.csv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            truth.setdefault(row["study"], {})[row["finding"]] = row["assertion"]
    same = total = 0
    for path in sorted((tmp_path / "phantom" / "reports").iterdir()):
        labels = reader.read(reader.clean(path.read_text(encoding="utf-8"))).labels
        told = truth.get(path.stem, {})
        for finding in (labels.keys() | told.keys()) - {"No Finding"}:
            total += 1
            same += labels.get(finding) == told.get(finding)
    assert total > 1500
    assert same >= 0.99 * total
