"""How well and how fast reports are read, beside what else one could use.

    python -m benchmarks.language --root ../shared/data/openi

prints `present` against the human labels of Open-I (8 findings), per finding and together, for the studies that the
rules were tuned on and those held out; plain mention and negspaCy on the same lexicon and sentences beside it; and
reports per second. negspaCy is used where it is installed (`pip install negspacy`); it is no dependency of the project.
The rates are in CPU seconds of one core, the best of several rounds for every 25 reports; those of wall time need an
otherwise idle machine.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib.util
import multiprocessing
import time
import warnings
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import spacy

from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.stages.sentences import ReportReader
from medcutmix_pipeline.stages.sentences.lexicon import load_lexicon
from medcutmix_pipeline.stages.sentences.phrases import each_spelling
from medcutmix_pipeline.stages.sentences.tokens import ReportTokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medcutmix_pipeline.schemas.records import Report

GOLD = {
    "Atelectasis": ("Atelectasis",),
    "Cardiomegaly": ("Cardiomegaly",),
    "Pleural Effusion": ("Effusion",),
    "Pneumonia": ("Pneumonia",),
    "Pneumothorax": ("Pneumothorax",),
    "Consolidation": ("Consolidation",),
    "Edema": ("Edema",),
    "Lung Lesion": ("Mass", "Nodule"),
}
"""Our finding → the columns of the human labels that mean it."""

ROUNDS = 5
FEW = 25


@dataclass(frozen=True)
class Score:
    """Counts of reports of which a finding is present."""

    right: int
    extra: int
    missed: int

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / max(1, 2 * self.right + self.extra + self.missed)


@dataclass(frozen=True)
class Scores:
    """Scores by finding, and all together."""

    findings: dict[str, Score]

    @property
    def together(self) -> Score:
        """The sums over findings."""
        return Score(*(sum(getattr(s, k) for s in self.findings.values()) for k in ("right", "extra", "missed")))

    @property
    def micro_f1(self) -> float:
        """F1 of the sums."""
        return self.together.f1

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the findings."""
        return sum(score.f1 for score in self.findings.values()) / len(self.findings)


def openi_reports(root: Path) -> dict[str, str]:
    """Study → raw report, all sections, of an Open-I folder."""
    reports = {}
    for path in sorted((root / "ecgen-radiology").glob("*.xml")):
        tree = ET.parse(path).getroot()
        uid = tree.find("uId")
        parts = [f"{part.get('Label')}: {part.text or ''}" for part in tree.iter("AbstractText")]
        reports[uid.get("id", "") if uid is not None else path.stem] = "\n\n".join(parts)
    return reports


def held_out(study: str) -> bool:
    """Whether the study was kept aside while the rules were written: half of them, by the hash of the name."""
    return hashlib.sha256(study.encode()).digest()[0] % 2 == 1


def scores(gold: Path, found: dict[str, set[str]], half: str = "all") -> Scores:
    """Findings called present against the human labels; `half`: tuned, held out or all."""
    counts = {finding: [0, 0, 0] for finding in GOLD}
    with gold.open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            study = row["study"]
            if study not in found or (half != "all" and held_out(study) != (half == "held out")):
                continue
            for finding, columns in GOLD.items():
                true = any(float(row[column]) > 0 for column in columns)
                said = finding in found[study]
                counts[finding][0 if true and said else 1 if said else 2] += true or said
    return Scores({finding: Score(*count) for finding, count in counts.items()})


def present(reports: Sequence[Report]) -> list[set[str]]:
    """What each report says is present."""
    return [{name for name, label in report.labels.items() if label == "present"} for report in reports]


def mentioned(reports: Sequence[Report]) -> list[set[str]]:
    """What each report mentions at all."""
    return [{m.disease for s in report.sentences for m in s.mentions} for report in reports]


def negspacy_present(texts: Sequence[str]) -> tuple[list[set[str]], Callable[[Sequence[str]], Any]] | None:
    """negspaCy with our tokeniser, sentences and terms, and a function that runs it again; None where it is missing."""
    if importlib.util.find_spec("negspacy") is None:
        return None
    importlib.import_module("negspacy.negation")
    nlp = spacy.blank("en")
    nlp.tokenizer = ReportTokenizer(nlp)
    nlp.add_pipe("medcutmix_sections")
    nlp.add_pipe("medcutmix_sentences")
    ruler: Any = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    for layer in load_lexicon(SentencesConfig()):
        for finding in layer.findings:
            for terms, label in ((finding.terms, finding.name), (finding.exclude, "NONE")):
                ruler.add_patterns([{"label": label, "pattern": spelling} for spelling in each_spelling(terms)])
    nlp.add_pipe("negex", config={"ent_types": list(GOLD)})
    found = [{e.label_ for e in doc.ents if e.label_ in GOLD and not e._.negex} for doc in nlp.pipe(texts)]
    return found, lambda few: list(nlp.pipe(few))


def rate(run: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> float:
    """Reports per CPU second: for each few reports the best of `ROUNDS`, so that other processes disturb little."""
    total = 0.0
    for start in range(0, len(texts), FEW):
        few, best = texts[start : start + FEW], float("inf")
        for _ in range(ROUNDS):
            begun = time.process_time()
            run(few)
            best = min(best, time.process_time() - begun)
        total += best
    return len(texts) / total


def read_all(reader: ReportReader, raw: Sequence[str]) -> list[Report]:
    """The whole stage."""
    return reader.read_many(map(reader.clean, raw))


def pysbd_rate(nlp: Any, texts: Sequence[str]) -> float:
    """scispaCy's tokeniser and pysbd's sentences."""
    import pysbd

    splitter = pysbd.Segmenter(language="en", clean=False)
    return rate(lambda few: [(nlp.tokenizer(text), splitter.segment(text)) for text in few], texts[:300])


def _timed_reader(raw: list[str], ready: Any, go: Any, seconds: Any) -> None:
    reader = ReportReader(SentencesConfig())
    read_all(reader, raw)
    ready.release()
    go.wait()
    start = time.perf_counter()
    for _ in range(ROUNDS):
        read_all(reader, raw)
    seconds.put(time.perf_counter() - start)


def wall_rate(raw: list[str], cores: int) -> float:
    """Reports per second of wall time on `cores` processes, each reading its share, after they have all started."""
    context = multiprocessing.get_context("spawn")
    ready, go, seconds = context.Semaphore(0), context.Event(), context.Queue()
    shares = [raw[i::cores] for i in range(cores)]
    workers = [context.Process(target=_timed_reader, args=(share, ready, go, seconds)) for share in shares]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    go.set()
    slowest = max(seconds.get() for _ in workers)
    for worker in workers:
        worker.join()
    return len(raw) * ROUNDS / slowest


def print_accuracy(root: Path, reports: dict[str, str], reader: ReportReader) -> None:
    """The tables of F1."""
    gold = root / "labels" / "gold14.csv"
    read = read_all(reader, list(reports.values()))
    ours = dict(zip(reports, present(read), strict=True))
    print("present against human labels, all studies\n\nfinding             right extra missed    F1")
    for finding, score in scores(gold, ours).findings.items():
        print(f"{finding:18} {score.right:6} {score.extra:5} {score.missed:6}  {score.f1:.3f}")
    engines = {"ours": ours, "mention alone": dict(zip(reports, mentioned(read), strict=True))}
    other = negspacy_present([report.text for report in read])
    if other is not None:
        engines["negspaCy"] = dict(zip(reports, other[0], strict=True))
    print("\nengine          studies    micro P     R    F1   macro F1")
    for name, found in engines.items():
        for half in ("all", "tuned", "held out"):
            table = scores(gold, found, half)
            total = table.together
            precision, recall = total.right / (total.right + total.extra), total.right / (total.right + total.missed)
            print(f"{name:15} {half:9} {precision:8.3f} {recall:.3f} {table.micro_f1:.3f}   {table.macro_f1:.3f}")
    if other is None:
        print("negspaCy is not installed here: left out")


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


def print_missed(root: Path, reports: dict[str, str], reader: ReportReader) -> None:
    """How the findings that the human labels have and we do not were told."""
    read = dict(zip(reports, read_all(reader, list(reports.values())), strict=True))
    kinds = ("one of two", "hedged", "hinted at", "calcified", "pericardial", "denied", "not named")
    counts = {finding: dict.fromkeys(kinds, 0) for finding in GOLD}
    with (root / "labels" / "gold14.csv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            for finding, columns in GOLD.items():
                report = read.get(row["study"])
                true = any(float(row[column]) > 0 for column in columns)
                if report is not None and true and report.labels.get(finding) != "present":
                    counts[finding][why_missed(finding, report)] += 1
    print("\nmissed, by how the report tells it\n" + " " * 18 + "".join(f"{kind:>12}" for kind in kinds))
    for finding, row_counts in counts.items():
        print(f"{finding:18}" + "".join(f"{row_counts[kind]:12}" for kind in kinds))


def print_rates(reports: dict[str, str], reader: ReportReader) -> None:
    """The table of reports per second."""
    raw = list(reports.values())
    texts = [reader.clean(text) for text in raw]
    plain = spacy.blank("en")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from scispacy.custom_tokenizer import combined_rule_tokenizer

        plain.tokenizer = combined_rule_tokenizer(plain)
    print(f"\nreports per CPU second, one core, {len(raw)} reports, best of {ROUNDS} for each {FEW}")
    print(f"  scispaCy tokeniser alone           {rate(lambda few: list(plain.tokenizer.pipe(few)), texts):8.0f}")
    print(f"  scispaCy tokeniser and pysbd       {pysbd_rate(plain, texts):8.0f}")
    other = negspacy_present(texts)
    if other is not None:
        print(f"  negspaCy, same lexicon             {rate(other[1], texts):8.0f}")
    print(f"  the whole stage, raw to labels     {rate(lambda few: read_all(reader, few), raw):8.0f}")
    print(f"    with nothing remembered          {rate(lambda few: _forgetful(reader, few), raw):8.0f}")
    one, two = wall_rate(raw, 1), wall_rate(raw, 2)
    print(f"reports per second of wall time: {one:.0f} on one core, {two:.0f} on two ({two / one:.2f} ×)")


def _forgetful(reader: ReportReader, raw: Sequence[str]) -> None:
    """The whole stage, forgetting everything after each report: what a corpus without any repetition would cost."""
    for text in raw:
        reader.read(reader.clean(text))
        reader.forget()


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path("../shared/data/openi"), help="folder of Open-I")
    parser.add_argument("--only", choices=("accuracy", "rates"), help="print one table")
    options = parser.parse_args()
    reports = openi_reports(options.root)
    reader = ReportReader(SentencesConfig())
    if options.only != "rates":
        print_accuracy(options.root, reports, reader)
        print_missed(options.root, reports, reader)
    if options.only != "accuracy":
        print_rates(reports, reader)


if __name__ == "__main__":
    main()
