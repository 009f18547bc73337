"""How fast reports are read, beside what else takes reports apart.

    python -m benchmarks.sentences                    generated reports
    python -m benchmarks.sentences --openi ROOT       the reports of Open-I, which repeat less

Every way waits in a process of its own and goes through the corpus once in each round, by the clock, so the machine
must be idle otherwise. The project's stage takes raw reports and gives labels; before each time through it forgets
the sentences that it has read (not the words). The others take the cleaned texts, and do less: tokens; tokens and
sentences; negated terms.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.gold import openi_reports
from benchmarks.sentences_runs import RAW
from benchmarks.suite import HERE, Measured, run, side_by_side
from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.sources.phantom import study
from medcutmix_pipeline.stages.sentences import ReportReader

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from benchmarks.suite import Figure

GENERATED = {"small": 1000, "full": 10000}
ROUNDS = {"small": 2, "full": 7}
TIMES = 6
"""Two processes go through their halves so often in a round: once takes too short a time to tell how they share."""
SLOW, FEW = frozenset({"forgetful", "pysbd"}), 600
"""Ways that remember nothing and are slow, and how many reports they get: a rate needs no more."""
TOLD = {
    "tokeniser": "scispaCy's tokeniser alone, cleaned text to tokens",
    "pysbd": "scispaCy's tokeniser and pysbd, cleaned text to sentences",
    "negspacy": "negspaCy with the project's terms, cleaned text to negated terms",
}


class Waiting:
    """A way in its process, ready to go through its texts."""

    def __init__(self, stack: ExitStack, way: str, texts: list[str], file: Path) -> None:
        self.texts = len(texts)
        file.write_text(json.dumps(texts), encoding="utf-8")
        python = peers.python("language") if way in TOLD else sys.executable
        self._process = stack.enter_context(
            subprocess.Popen(
                [python, "-m", "benchmarks.sentences_runs", way, file],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=HERE.parent,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        )
        stack.callback(self._process.stdin.close)
        self._answer()

    def go(self, times: int = 1) -> None:
        self._process.stdin.write("go\n" * times)
        self._process.stdin.flush()

    def seconds(self, times: int = 1) -> float:
        """Of so many times through."""
        return sum(float(self._answer()) for _ in range(times))

    def rate(self) -> float:
        """Texts a second of one time through."""
        self.go()
        return self.texts / self.seconds()

    def _answer(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a way to read reports ended before it answered; what it said stands above")
        return line.strip()


def measure(told: argparse.Namespace) -> list[Figure]:
    raw = corpus(told)
    reader = ReportReader(SentencesConfig())
    clean = [reader.clean(text) for text in raw]
    where = "Open-I" if told.openi else "generated reports"
    print(f"{len(raw)} reports: {where}", flush=True)
    with ExitStack() as stack:
        alone = {
            way: Waiting(
                stack, way, (raw if way in RAW else clean)[: FEW if way in SLOW else None], told.work / f"{way}.json"
            )
            for way in ("whole", "cleaning", "remembering", "forgetful", *TOLD)
        }
        halves = [Waiting(stack, "whole", raw[i::2], told.work / f"half-{i}.json") for i in (0, 1)]
        ways = {way: one.rate for way, one in alone.items()}
        ways |= {"in turn": lambda: in_turn(halves), "at once": lambda: at_once(halves)}
        rates = side_by_side(ways, told.rounds or ROUNDS[told.size])
    return figures(rates, where)


def corpus(told: argparse.Namespace) -> list[str]:
    """Raw reports of Open-I, else of generated studies."""
    if told.openi:
        return list(openi_reports(told.openi).values())
    kept = told.work / f"reports-{GENERATED[told.size]}.json"
    if not kept.exists():
        reports = [study(11, index, 64).report for index in range(GENERATED[told.size])]
        kept.write_text(json.dumps(reports), encoding="utf-8")
    reports: list[str] = json.loads(kept.read_text(encoding="utf-8"))
    return reports


def in_turn(halves: list[Waiting]) -> float:
    """Reports a second of two processes of which one waits while the other reads."""
    spent = 0.0
    for half in halves:
        half.go(TIMES)
        spent += half.seconds(TIMES)
    return sum(half.texts for half in halves) * TIMES / spent


def at_once(halves: list[Waiting]) -> float:
    """Reports a second of two processes that read the same as `in_turn`, together."""
    for half in halves:
        half.go(TIMES)
    return sum(half.texts for half in halves) * TIMES / max([half.seconds(TIMES) for half in halves])


def figures(rates: dict[str, Measured], where: str) -> list[Figure]:
    whole = rates["whole"]
    unit = "reports/s"
    return [
        whole.figure(f"the stage on one core, raw report to labels, {where}", unit, at_least=3000),
        rates["at once"]
        .over(rates["in turn"])
        .figure("two processes at once ÷ one after the other", "×", at_least=1.8),
        rates["at once"].figure("the stage on two cores", unit),
        whole.over(rates["cleaning"]).figure("of its time, cleaning the raw reports", ""),
        rates["remembering"].figure("the stage on one core, every sentence seen before", unit),
        rates["forgetful"].figure("the stage on one core, nothing remembered from report to report", unit),
        *(rates[way].figure(what, unit) for way, what in TOLD.items()),
        *(whole.over(rates[way]).figure(f"the stage ÷ {what.split(',')[0]}", "×") for way, what in TOLD.items()),
    ]


if __name__ == "__main__":
    run("sentences", measure, __doc__, openi=None)
