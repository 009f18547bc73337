"""One way to read reports, in a process of its own: goes once through its reports at each line of its input.

    python -m benchmarks.sentences_runs WAY REPORTS.json           prints the seconds of each time
    python -m benchmarks.sentences_runs negspacy REPORTS.json --found    prints what is present in each report

Runs with the packages of `requirements/language.txt`; `benchmarks/sentences.py` and `benchmarks/language.py` start it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
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


def whole(raw: Sequence[str]) -> Callable[[], Any]:
    """The whole stage, raw report to labels, once through the corpus with nothing remembered from before."""
    reader = ReportReader(SentencesConfig())

    def once() -> None:
        reader.forget()
        reader.read_many(map(reader.clean, raw))

    return once


def remembering(raw: Sequence[str]) -> Callable[[], Any]:
    """The whole stage, over sentences that it has all seen before."""
    reader = ReportReader(SentencesConfig())
    reader.read_many(map(reader.clean, raw))
    return lambda: reader.read_many(map(reader.clean, raw))


def forgetful(raw: Sequence[str]) -> Callable[[], Any]:
    """The whole stage, forgetting after each report: what a corpus without any repetition costs."""
    reader = ReportReader(SentencesConfig())

    def once() -> None:
        for text in raw:
            reader.read(reader.clean(text))
            reader.forget()

    return once


def cleaning(raw: Sequence[str]) -> Callable[[], Any]:
    """The stage's first step alone: sections chosen, names and dates and place-holders taken out."""
    reader = ReportReader(SentencesConfig())

    def once() -> None:
        reader.forget()
        for text in raw:
            reader.clean(text)

    return once


def tokeniser(texts: Sequence[str]) -> Callable[[], Any]:
    """scispaCy's tokeniser alone."""
    plain = _scispacy()
    return lambda: [plain.tokenizer(text) for text in texts]


def pysbd(texts: Sequence[str]) -> Callable[[], Any]:
    """scispaCy's tokeniser and pysbd's sentences."""
    from pysbd import Segmenter

    plain, splitter = _scispacy(), Segmenter(language="en", clean=False)
    return lambda: [(plain.tokenizer(text), splitter.segment(text)) for text in texts]


def negspacy(texts: Sequence[str]) -> Callable[[], Any]:
    """negspaCy's negation with the project's tokeniser, sentences and terms."""
    import negspacy.negation  # noqa: F401 -- registers the component

    nlp = spacy.blank("en")
    nlp.tokenizer = ReportTokenizer(nlp)
    nlp.add_pipe("medcutmix_sections")
    nlp.add_pipe("medcutmix_sentences")
    ruler: Any = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    names = set()
    for layer in load_lexicon(SentencesConfig()):
        for finding in layer.findings:
            names.add(finding.name)
            for terms, label in ((finding.terms, finding.name), (finding.exclude, "NONE")):
                ruler.add_patterns([{"label": label, "pattern": spelling} for spelling in each_spelling(terms)])
    nlp.add_pipe("negex", config={"ent_types": sorted(names)})

    def once() -> list[list[str]]:
        return [sorted({e.label_ for e in doc.ents if e.label_ in names and not e._.negex}) for doc in nlp.pipe(texts)]

    return once


WAYS = {way.__name__: way for way in (whole, remembering, forgetful, cleaning, tokeniser, pysbd, negspacy)}
RAW = frozenset({"whole", "remembering", "forgetful", "cleaning"})
"""These take reports as they come; the others take them cleaned."""


def _scispacy() -> Any:
    plain = spacy.blank("en")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from scispacy.custom_tokenizer import combined_rule_tokenizer

        plain.tokenizer = combined_rule_tokenizer(plain)
    return plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("reports", type=Path, help="a list of texts, as JSON")
    parser.add_argument("--found", action="store_true", help="print what is present, as JSON, and end")
    told = parser.parse_args()
    once = WAYS[told.way](json.loads(told.reports.read_text(encoding="utf-8")))
    if told.found:
        print(json.dumps(once()))
        return
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        once()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
