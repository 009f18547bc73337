"""How well reports are read: `present` against the human labels of Open-I, beside what else one could use.

    python -m benchmarks.language --openi ROOT

Eight findings that the labels and the lexicon share, one by one and together, for the studies that the rules were
tuned on and those held out; a plain mention, and negspaCy on the same lexicon and sentences, beside it; and how the
findings that were missed are told. `benchmarks.sentences` measures how fast.
"""

from __future__ import annotations

import csv
import json
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.gold import GOLD, openi_reports, scores
from benchmarks.suite import HERE, Figure, run
from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.stages.sentences import ReportReader

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from medcutmix_pipeline.schemas.records import Report


def present(reports: Sequence[Report]) -> list[set[str]]:
    """What each report says is present."""
    return [{name for name, label in report.labels.items() if label == "present"} for report in reports]


def mentioned(reports: Sequence[Report]) -> list[set[str]]:
    """What each report mentions at all."""
    return [{m.disease for s in report.sentences for m in s.mentions} for report in reports]


def why_missed(finding: str, report: Report) -> str:
    """In which of a few ways a finding of the human labels was not called present."""
    mentions = [m for s in report.sentences for m in s.mentions if m.disease == finding]
    doubts = {m.rule for m in mentions if m.assertion == "uncertain"}
    text = report.text.lower()
    if doubts == {"hint"}:
        return "hinted at"
    if any("between" in rule or rule.endswith((": versus", ": vs")) for rule in doubts):
        return "one of two"
    if doubts:
        return "hedged"
    if finding == "Lung Lesion" and "calcified" in text:
        return "calcified"
    if finding == "Pleural Effusion" and "pericardial" in text:
        return "pericardial"
    return "denied" if mentions else "not named"


def missed(gold: Path, read: dict[str, Report]) -> Counter[str]:
    """How the findings that the human labels have and we do not were told: counts by kind."""
    kinds: Counter[str] = Counter()
    with gold.open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            report = read.get(row["study"])
            for finding, columns in GOLD.items():
                true = any(float(row[column]) > 0 for column in columns)
                if report is not None and true and report.labels.get(finding) != "present":
                    kinds[why_missed(finding, report)] += 1
    return kinds


def negspacy_present(texts: Sequence[str], work: Path) -> list[set[str]]:
    """What negspaCy, with the project's sentences and terms, does not call negated."""
    file = work / "texts.json"
    file.write_text(json.dumps(list(texts)), encoding="utf-8")
    command = [peers.python("language"), "-m", "benchmarks.sentences_runs", "negspacy", file, "--found"]
    done = subprocess.run(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True, check=True)
    return [set(found) for found in json.loads(done.stdout)]


def figures_of(name: str, gold: Path, found: dict[str, set[str]], half: str) -> list[Figure]:
    """Precision, recall and F1 of all findings together, and the findings' mean F1."""
    table = scores(gold, found, half)
    total = table.together
    return [
        Figure(f"{name}: precision", total.right / (total.right + total.extra), ""),
        Figure(f"{name}: recall", total.right / (total.right + total.missed), ""),
        Figure(f"{name}: micro F1", table.micro_f1, "", at_least=0.9 if name == "this stage" else None),
        Figure(f"{name}: macro F1", table.macro_f1, "", at_least=0.85 if name == "this stage" else None),
    ]


def measure(told: argparse.Namespace) -> list[Figure]:
    if told.openi is None:
        raise SystemExit("how well reports are read is measured on Open-I: give its folder with --openi")
    gold = told.openi / "labels" / "gold14.csv"
    raw = openi_reports(told.openi)
    reader = ReportReader(SentencesConfig())
    read = dict(zip(raw, reader.read_many(map(reader.clean, raw.values())), strict=True))
    ours = dict(zip(read, present(list(read.values())), strict=True))
    mention = dict(zip(read, mentioned(list(read.values())), strict=True))
    texts = [report.text for report in read.values()]
    negspacy = dict(zip(read, negspacy_present(texts, told.work), strict=True))
    figures = [
        *figures_of("this stage", gold, ours, "all"),
        *figures_of("this stage, half it was tuned on", gold, ours, "tuned"),
        *figures_of("this stage, half held out", gold, ours, "held out"),
        *figures_of("negspaCy, same terms and sentences", gold, negspacy, "all"),
        *figures_of("mention without assertion", gold, mention, "all"),
    ]
    for finding, score in scores(gold, ours).findings.items():
        figures.append(Figure(f"{finding}: F1", score.f1, ""))
        counts = (("right", score.right), ("extra", score.extra), ("missed", score.missed))
        figures += [Figure(f"{finding}: {what}", count, "reports") for what, count in counts]
    kinds = missed(gold, read)
    policy = kinds.total() - kinds["denied"] - kinds["not named"]
    figures.append(Figure("findings of the human labels not called present", kinds.total(), ""))
    figures.append(Figure("… of these, told in a way that the policy does not call present", policy, ""))
    figures += [Figure(f"… of these, {kind}", count, "") for kind, count in kinds.most_common()]
    return [Figure("reports of Open-I with human labels", len(raw), ""), *figures]


if __name__ == "__main__":
    run("language", measure, __doc__, openi=None)
