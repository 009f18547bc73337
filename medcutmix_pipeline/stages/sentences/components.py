"""The stage as spaCy components, each usable on its own: sections, sentences, findings, assertion.

    nlp = spacy.blank("en")
    nlp.add_pipe("medcutmix_sections")
    nlp.add_pipe("medcutmix_sentences")
    nlp.add_pipe("medcutmix_findings")
    nlp.add_pipe("medcutmix_assertion")
    doc = nlp("No pneumothorax, but there is a small left effusion.")
    [(span.text, span.label_, span._.assertion, span._.rule) for span in doc.spans["findings"]]

Sections are in `doc.spans["sections"]` (label: findings, impression, report, …), sentences in `doc.sents`.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np
import spacy
from spacy.attrs import SENT_START
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.schemas.records import Mention, Sentence
from medcutmix_pipeline.stages.sentences.boundaries import marker_end, split_sentences
from medcutmix_pipeline.stages.sentences.engine import SentenceEngine
from medcutmix_pipeline.stages.sentences.findings import Hit
from medcutmix_pipeline.stages.sentences.lexicon import finding_names, load_lexicon
from medcutmix_pipeline.stages.sentences.parsing import Parsed, Reading, WordReader, reading_of
from medcutmix_pipeline.stages.sentences.phrases import split_words_of
from medcutmix_pipeline.stages.sentences.sections import SectionFinder, SectionSpan
from medcutmix_pipeline.stages.sentences.tokens import ReportTokenizer
from medcutmix_pipeline.stages.sentences.wording import WordingReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacy.vocab import Vocab

    from medcutmix_pipeline.stages.sentences.assertion import Verdict
    from medcutmix_pipeline.stages.sentences.lexicon import Layers

SECTIONS = "medcutmix_sections"
SENTENCES = "medcutmix_sentences"
FINDINGS = "medcutmix_findings"
ASSERTION = "medcutmix_assertion"
SPOKEN = ("findings", "impression", "report")
LIMIT = 1 << 40
"""No limit on the length of a text: spaCy's own (1,000,000 characters) guards parsers that we do not use."""


def _layers(lexicon: str | None, mode: str) -> Layers:
    return load_lexicon(SentencesConfig.model_validate({"lexicon": lexicon, "lexicon_mode": mode}))


def _engine(lexicon: str | None, mode: str) -> SentenceEngine:
    return SentenceEngine(_layers(lexicon, mode))


class SectionComponent:
    """Puts the report's sections into `doc.spans["sections"]`."""

    def __init__(self, finder: SectionFinder) -> None:
        self._finder = finder

    def __call__(self, doc: Doc) -> Doc:
        """Find the sections."""
        reading = reading_of(doc)
        reading.sections = self._finder.find(reading.text)
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
        sections = reading.sections or [SectionSpan("report", 0, 0, len(reading.text))]
        reading.sentences = []
        opened: list[int] = []
        for section in sections:
            opened.append(bisect_left(reading.offsets, section.header))
            for start, end in split_sentences(reading.text, section.start, section.end):
                sentence = reading.parsed(section.kind, start, end)
                opened.append(bisect_left(reading.offsets, start))
                reading.sentences.append(sentence)
        starts = np.zeros(len(doc) + 1, dtype=np.uint64)
        starts[opened] = 1
        doc.from_array([SENT_START], starts[:-1, None])  # one by one would take time quadratic in the text
        return doc


class FindingComponent:
    """Puts mentions of findings into `doc.spans["findings"]`, labelled with the finding.

    An entity of `doc.ents` whose label is a finding counts too, so that a pipeline's own recogniser can add to the lexicon.
    """

    def __init__(self, engine: SentenceEngine, names: frozenset[str], vocab: Vocab) -> None:
        self._engine = engine
        self._names = names
        self._words = WordReader(vocab)

    def __call__(self, doc: Doc) -> Doc:
        """Find the mentions."""
        reading = reading_of(doc)
        sentences = reading.sentences if reading.sentences is not None else _sentences_of(doc, reading)
        for sentence in sentences:
            self._words.fill(reading, sentence)
            sentence.hits = self._engine.find(sentence.words)
        if doc.ents:
            self._add_entities(doc, sentences)
        spans = [reading.span(doc, sentence, hit) for sentence in sentences for hit in sentence.hits]
        doc.spans["findings"] = SpanGroup(doc, name="findings", spans=spans)
        return doc

    def _add_entities(self, doc: Doc, sentences: list[Parsed]) -> None:
        for entity in doc.ents:
            if entity.label_ not in self._names:
                continue
            for sentence in sentences:
                if sentence.first <= entity.start < sentence.last:
                    tokens = [place[0] + sentence.first for place in sentence.places]
                    start, end = bisect_left(tokens, entity.start), bisect_left(tokens, entity.end)
                    known = any(h.finding == entity.label_ and h.start < end and start < h.end for h in sentence.hits)
                    if end > start and not known:
                        added = (*sentence.hits, Hit(entity.label_, start, end, start))
                        sentence.hits = tuple(sorted(added, key=lambda h: (h.start, h.end, h.finding)))


class AssertionComponent:
    """Says what `span._.assertion` and `span._.rule` give for `doc.spans["findings"]`; mentions of history fall away."""

    def __init__(self, engine: SentenceEngine) -> None:
        self._engine = engine

    def __call__(self, doc: Doc) -> Doc:
        """Decide on each mention."""
        reading = reading_of(doc)
        spans: list[Span] = []
        for sentence in reading.sentences or ():
            if not sentence.hits:
                continue
            verdicts = self._engine.decide(sentence.words, sentence.hits)
            said = [(h, v) for h, v in zip(sentence.hits, verdicts, strict=True) if not v.ignored]
            sentence.hits, sentence.verdicts = tuple(h for h, _ in said), tuple(v for _, v in said)
            for hit, verdict in said:
                span = reading.span(doc, sentence, hit)
                reading.verdicts[span.start, span.end, span.label] = verdict
                spans.append(span)
        doc.spans["findings"] = SpanGroup(doc, name="findings", spans=spans)
        return doc


def _sentences_of(doc: Doc, reading: Reading) -> list[Parsed]:
    """Sentences where no component of ours has found them: another one's, or the whole text as one."""
    if doc.has_annotation("SENT_START"):
        reading.sentences = [reading.parsed("report", sent.start_char, sent.end_char) for sent in doc.sents]
    else:
        reading.sentences = [reading.parsed("report", 0, len(reading.text))]
    return reading.sentences


def read_sentences(doc: Doc, wording: WordingReader) -> Iterator[Sentence]:
    """The records of a Doc that all four components have seen, without sections that are no findings."""
    reading = reading_of(doc)
    for parsed in reading.sentences or ():
        if parsed.section == "leave_out":
            continue
        start = marker_end(reading.text, parsed.start, parsed.end)
        body = reading.text[start : parsed.end]
        if not parsed.hits:
            yield Sentence(parsed.section, start, parsed.end, body)
            continue
        mentions = tuple(
            Mention(hit.finding, verdict.assertion, *reading.characters(parsed, hit), verdict.rule)
            for hit, verdict in zip(parsed.hits, parsed.verdicts, strict=True)
        )
        skipped = len(list(split_words_of(reading.text[parsed.start : start]))) if start > parsed.start else 0
        alone, comparison = wording.judge(body, parsed.words, parsed.hits, skipped)
        asserted = any(mention.assertion == "present" for mention in mentions)
        yield Sentence(parsed.section, start, parsed.end, body, mentions, asserted and alone, comparison)


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

_DEFAULT = {"lexicon": None, "mode": "extend"}


@Language.factory(SECTIONS, default_config=_DEFAULT)
def create_sections(nlp: Language, name: str, lexicon: str | None, mode: str) -> SectionComponent:
    """Sections by their headers."""
    return SectionComponent(SectionFinder(_layers(lexicon, mode)))


@Language.factory(SENTENCES)
def create_sentences(nlp: Language, name: str) -> SentenceComponent:
    """Sentence boundaries; stands before a parser, which keeps to them."""
    return SentenceComponent()


@Language.factory(FINDINGS, default_config=_DEFAULT)
def create_findings(nlp: Language, name: str, lexicon: str | None, mode: str) -> FindingComponent:
    """Mentions of findings."""
    return FindingComponent(_engine(lexicon, mode), frozenset(finding_names(_layers(lexicon, mode))), nlp.vocab)


@Language.factory(ASSERTION, default_config=_DEFAULT)
def create_assertion(nlp: Language, name: str, lexicon: str | None, mode: str) -> AssertionComponent:
    """Assertions of the findings."""
    return AssertionComponent(_engine(lexicon, mode))


def build_pipeline(config: SentencesConfig) -> Language:
    """scispaCy's tokeniser and the four components, on top of `config.model` where one is named.

    Raises UsageError where the model is not installed.
    """
    settings = {"lexicon": config.lexicon, "mode": config.lexicon_mode}
    if config.model is None:
        nlp = spacy.blank("en")
    else:
        try:
            nlp = spacy.load(config.model)
        except OSError as error:
            raise UsageError(f"sentences.model {config.model}: no such spaCy pipeline is installed") from error
    nlp.max_length = LIMIT
    nlp.tokenizer = ReportTokenizer(nlp)
    nlp.add_pipe(SENTENCES, first=True)
    nlp.add_pipe(SECTIONS, first=True, config=settings)
    nlp.add_pipe(FINDINGS, last=True, config=settings)
    nlp.add_pipe(ASSERTION, last=True, config=settings)
    return nlp
