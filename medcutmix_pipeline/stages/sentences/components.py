"""The components: sections, sentences, findings, assertion. `pipeline` registers and joins them."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup

from medcutmix_pipeline.stages.sentences.boundaries import split_sentences
from medcutmix_pipeline.stages.sentences.findings import Hit
from medcutmix_pipeline.stages.sentences.parsing import Parsed, Reading, WordReader, reading_of
from medcutmix_pipeline.stages.sentences.phrases import split_phrase
from medcutmix_pipeline.stages.sentences.sections import SectionFinder, SectionSpan

if TYPE_CHECKING:
    from spacy.vocab import Vocab

    from medcutmix_pipeline.stages.sentences.assertion import Verdict
    from medcutmix_pipeline.stages.sentences.engine import SentenceEngine

SECTIONS = "medcutmix_sections"
SENTENCES = "medcutmix_sentences"
FINDINGS = "medcutmix_findings"
ASSERTION = "medcutmix_assertion"
SPOKEN = ("findings", "impression", "report")
LIMIT = 1 << 40
"""No limit on the length of a text: spaCy's own (1,000,000 characters) guards parsers that we do not use."""


class SectionComponent:
    """Puts the report's sections into `doc.spans["sections"]`."""

    def __init__(self, finder: SectionFinder, spans: bool = True) -> None:
        self._finder = finder
        self._spans = spans

    def __call__(self, doc: Doc) -> Doc:
        """Find the sections."""
        reading = reading_of(doc)
        reading.sections = self._finder.find(reading.text)
        if not self._spans:
            return doc
        spans = []
        for section in reading.sections:
            first, last = bisect_left(reading.offsets, section.start), bisect_left(reading.offsets, section.end)
            if last > first:
                spans.append(Span(doc, first, last, label=section.kind))
        doc.spans["sections"] = SpanGroup(doc, name="sections", spans=spans)
        return doc


class SentenceComponent:
    """Sets `doc.sents`: inside sections, with a list's marker in its item; a header is a sentence of its own."""

    def __call__(self, doc: Doc) -> Doc:
        """Find the sentences."""
        reading = reading_of(doc)
        sections = reading.sections or (SectionSpan("report", 0, 0, len(reading.text)),)
        reading.sentences = []
        opened: list[int] = []
        for section in sections:
            opened.append(bisect_left(reading.offsets, section.header))
            for start, end in split_sentences(reading.text, section.start, section.end):
                sentence = reading.parsed(section.kind, start, end)
                opened.append(bisect_left(reading.offsets, start))
                reading.sentences.append(sentence)
        # All others are said to be none: where nothing is said, spaCy takes a lone sentence for a Doc without any.
        starts = np.full(len(doc) + 1, -1, dtype=np.int64)
        starts[opened] = 1
        column: Any = starts[:-1, None].view(np.uint64)
        doc.from_array(["SENT_START"], column)  # one by one would take time quadratic in the text
        return doc


class FindingComponent:
    """Puts mentions of findings into `doc.spans["findings"]`, labelled with the finding.

    An entity of `doc.ents` whose label is a finding counts too, so that a pipeline's own recogniser can add to the
    lexicon; and so does an abbreviation that scispaCy's `abbreviation_detector` has found for a term of the lexicon.
    """

    def __init__(self, engine: SentenceEngine, names: frozenset[str], vocab: Vocab, spans: bool = True) -> None:
        self._engine = engine
        self._spans = spans
        self._names = names
        self._words = WordReader(vocab)

    def __call__(self, doc: Doc) -> Doc:
        """Find the mentions."""
        reading = reading_of(doc)
        sentences = reading.sentences if reading.sentences is not None else _sentences_of(doc, reading)
        for sentence in sentences:
            self._words.fill(reading, sentence)
            sentence.hits = self._engine.find(sentence.words)
        for name, start, end in self._other_names(doc):
            _add_name(sentences, name, start, end)
        if self._spans:
            spans = [reading.span(doc, sentence, hit) for sentence in sentences for hit in sentence.hits]
            doc.spans["findings"] = SpanGroup(doc, name="findings", spans=spans)
        return doc

    def forget(self) -> None:
        """Empty the memory of sentences."""
        self._words.forget()

    def _other_names(self, doc: Doc) -> list[tuple[str, int, int]]:
        """Findings named by entities or by abbreviations that the report defines, with their tokens."""
        names = [(e.label_, e.start, e.end) for e in doc.ents if e.label_ in self._names] if doc.ents else []
        if Doc.has_extension("abbreviations"):  # scispaCy's detector is in the pipeline, or has been imported
            for short in doc._.abbreviations:
                hits = self._engine.find(split_phrase(str(short._.long_form)))
                names.extend((hit.finding, short.start, short.end) for hit in hits)
        return names


def _add_name(sentences: list[Parsed], name: str, start: int, end: int) -> None:
    """Add a hit on tokens `start` to `end` to their sentence, unless the finding is named there already."""
    for sentence in sentences:
        if not sentence.first <= start < sentence.last:
            continue
        tokens = [place[0] + sentence.first for place in sentence.places]
        first, last = bisect_left(tokens, start), bisect_left(tokens, end)
        known = any(h.finding == name and h.start < last and first < h.end for h in sentence.hits)
        if last > first and not known:
            added = (*sentence.hits, Hit(name, first, last, first))
            sentence.hits = tuple(sorted(added, key=lambda h: (h.start, h.end, h.finding)))


class AssertionComponent:
    """Gives the spans in `doc.spans["findings"]` their `_.assertion` and `_.rule`; mentions of history fall away."""

    def __init__(self, engine: SentenceEngine, spans: bool = True) -> None:
        self._engine = engine
        self._spans = spans

    def __call__(self, doc: Doc) -> Doc:
        """Decide on each mention."""
        reading = reading_of(doc)
        for sentence in reading.sentences or ():
            if not sentence.hits:
                continue
            sentence.verdicts = self._engine.decide(sentence.words, sentence.hits)
            if any(verdict.ignored for verdict in sentence.verdicts):
                kept = [i for i, verdict in enumerate(sentence.verdicts) if not verdict.ignored]
                sentence.hits = tuple(sentence.hits[i] for i in kept)
                sentence.verdicts = tuple(sentence.verdicts[i] for i in kept)
        if self._spans:
            doc.spans["findings"] = SpanGroup(doc, name="findings", spans=self._said(doc, reading))
        return doc

    def _said(self, doc: Doc, reading: Reading) -> list[Span]:
        spans: list[Span] = []
        for sentence in reading.sentences or ():
            for hit, verdict in zip(sentence.hits, sentence.verdicts, strict=True):
                span = reading.span(doc, sentence, hit)
                reading.verdicts[span.start, span.end, span.label] = verdict
                spans.append(span)
        return spans


def _sentences_of(doc: Doc, reading: Reading) -> list[Parsed]:
    """Sentences where no component of ours has found them: another one's, or the whole text as one."""
    if doc.has_annotation("SENT_START"):
        reading.sentences = [reading.parsed("report", sent.start_char, sent.end_char) for sent in doc.sents]
    else:
        reading.sentences = [reading.parsed("report", 0, len(reading.text))]
    return reading.sentences


def _verdict_of(span: Span) -> Verdict | None:
    return reading_of(span.doc).verdicts.get((span.start, span.end, span.label))


def _assertion_of(span: Span) -> str | None:
    verdict = _verdict_of(span)
    return verdict.assertion if verdict else None


def _rule_of(span: Span) -> str | None:
    verdict = _verdict_of(span)
    return verdict.rule if verdict else None


Span.set_extension("assertion", getter=_assertion_of, force=True)
Span.set_extension("rule", getter=_rule_of, force=True)
