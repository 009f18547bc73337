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
from dataclasses import dataclass
from typing import TYPE_CHECKING

import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.schemas.records import Mention, Sentence
from medcutmix_pipeline.stages.sentences.boundaries import marker_end, split_sentences
from medcutmix_pipeline.stages.sentences.engine import SentenceEngine
from medcutmix_pipeline.stages.sentences.findings import Hit
from medcutmix_pipeline.stages.sentences.lexicon import finding_names, load_lexicon
from medcutmix_pipeline.stages.sentences.sections import SectionFinder, SectionSpan
from medcutmix_pipeline.stages.sentences.tokens import ReportTokenizer, WordReader, Words
from medcutmix_pipeline.stages.sentences.wording import WordingReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.stages.sentences.assertion import Verdict
    from medcutmix_pipeline.stages.sentences.lexicon import Layers

SECTIONS = "medcutmix_sections"
SENTENCES = "medcutmix_sentences"
FINDINGS = "medcutmix_findings"
ASSERTION = "medcutmix_assertion"
SPOKEN = ("findings", "impression", "report")
LIMIT = 1 << 40
"""No limit on the length of a text: spaCy's own (1,000,000 characters) guards parsers that we do not use."""


@dataclass(slots=True)
class Parsed:
    """A sentence between components; `starts` and `ends` are the words' character offsets."""

    section: str
    start: int
    end: int
    words: Words
    starts: list[int]
    ends: list[int]
    hits: tuple[Hit, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


def _layers(lexicon: str | None, mode: str) -> Layers:
    return load_lexicon(SentencesConfig.model_validate({"lexicon": lexicon, "lexicon_mode": mode}))


def _engine(lexicon: str | None, mode: str) -> SentenceEngine:
    return SentenceEngine(_layers(lexicon, mode))


class SectionComponent:
    """Puts the report's sections into `doc.spans["sections"]`."""

    def __init__(self, finder: SectionFinder) -> None:
        self._finder = finder

    def __call__(self, doc: Doc) -> Doc:
        found = self._finder.find(doc.text)
        doc.user_data[SECTIONS] = found
        spans = [
            doc.char_span(s.start, s.end, label=s.kind, alignment_mode="contract") for s in found if s.end > s.start
        ]
        doc.spans["sections"] = SpanGroup(doc, name="sections", spans=[span for span in spans if span is not None])
        return doc


class SentenceComponent:
    """Sets `doc.sents`: inside sections, with a list's marker in its item; a header is a sentence of its own."""

    def __call__(self, doc: Doc) -> Doc:
        text = doc.text
        sections = doc.user_data.get(SECTIONS) or [SectionSpan("report", 0, 0, len(text))]
        parsed: list[tuple[str, int, int]] = []
        opened: list[int] = []
        for section in sections:
            opened.append(section.header)
            for start, end in split_sentences(text, section.start, section.end):
                opened.append(start)
                parsed.append((section.kind, start, end))
        doc.user_data[SENTENCES] = parsed
        offsets = [token.idx for token in doc]
        for at in opened:
            number = bisect_left(offsets, at)
            if number < len(offsets):
                doc[number].is_sent_start = True
        return doc


class FindingComponent:
    """Puts mentions of findings into `doc.spans["findings"]`, labelled with the finding.

    An entity of `doc.ents` whose label is a finding counts too, so that a pipeline's own recogniser can add to the lexicon.
    """

    def __init__(self, engine: SentenceEngine, names: frozenset[str]) -> None:
        self._engine = engine
        self._names = names
        self._words = WordReader()

    def __call__(self, doc: Doc) -> Doc:
        words, starts, ends = self._words.read(doc)
        parsed: list[Parsed] = []
        spans: list[Span] = []
        for section, start, end in _sentences_of(doc):
            first, last = bisect_left(starts, start), bisect_left(starts, end)
            own = tuple(words[first:last])
            sentence = Parsed(section, start, end, own, starts[first:last], ends[first:last], self._engine.find(own))
            parsed.append(sentence)
        if doc.ents:
            self._add_entities(doc, parsed)
        for sentence in parsed:
            spans.extend(_spans(doc, sentence))
        doc.user_data[FINDINGS] = parsed
        doc.spans["findings"] = SpanGroup(doc, name="findings", spans=spans)
        return doc

    def _add_entities(self, doc: Doc, parsed: list[Parsed]) -> None:
        for entity in doc.ents:
            if entity.label_ not in self._names:
                continue
            for sentence in parsed:
                if sentence.start <= entity.start_char < sentence.end:
                    first, last = (
                        bisect_left(sentence.starts, entity.start_char),
                        bisect_left(sentence.starts, entity.end_char),
                    )
                    known = any(h.finding == entity.label_ and h.start < last and first < h.end for h in sentence.hits)
                    if last > first and not known:
                        hit = Hit(entity.label_, first, last, first)
                        sentence.hits = tuple(sorted((*sentence.hits, hit), key=lambda h: (h.start, h.end, h.finding)))


class AssertionComponent:
    """Sets `span._.assertion` and `span._.rule` on `doc.spans["findings"]`; mentions of history fall away."""

    def __init__(self, engine: SentenceEngine) -> None:
        self._engine = engine

    def __call__(self, doc: Doc) -> Doc:
        kept: list[Span] = []
        for sentence in doc.user_data.get(FINDINGS, ()):
            verdicts = self._engine.decide(sentence.words, sentence.hits)
            spans = _spans(doc, sentence)
            sentence.hits = tuple(h for h, v in zip(sentence.hits, verdicts, strict=True) if not v.ignored)
            for span, verdict in zip(spans, verdicts, strict=True):
                if not verdict.ignored:
                    span._.assertion, span._.rule = verdict.assertion, verdict.rule
                    kept.append(span)
            sentence.verdicts = tuple(v for v in verdicts if not v.ignored)
        doc.spans["findings"] = SpanGroup(doc, name="findings", spans=kept)
        return doc


def _sentences_of(doc: Doc) -> list[tuple[str, int, int]]:
    if SENTENCES in doc.user_data:
        found: list[tuple[str, int, int]] = doc.user_data[SENTENCES]
        return found
    if doc.has_annotation("SENT_START"):
        return [("report", sent.start_char, sent.end_char) for sent in doc.sents]
    return [("report", 0, len(doc.text))]


def _spans(doc: Doc, sentence: Parsed) -> list[Span]:
    spans = []
    for hit in sentence.hits:
        span = doc.char_span(
            sentence.starts[hit.start], sentence.ends[hit.end - 1], label=hit.finding, alignment_mode="expand"
        )
        spans.append(span)
    return spans


def read_sentences(doc: Doc, wording: WordingReader) -> Iterator[Sentence]:
    """The records of a Doc that all four components have seen, without sections that are no findings."""
    text = doc.text
    for parsed in doc.user_data[FINDINGS]:
        if parsed.section == "leave_out":
            continue
        start = marker_end(text, parsed.start, parsed.end)
        mentions = tuple(
            Mention(hit.finding, verdict.assertion, parsed.starts[hit.start], parsed.ends[hit.end - 1], verdict.rule)
            for hit, verdict in zip(parsed.hits, parsed.verdicts, strict=True)
        )
        body = text[start : parsed.end]
        words = parsed.words[bisect_left(parsed.starts, start) :]
        asserted = any(mention.assertion == "present" for mention in mentions)
        comparison = wording.compares(words)
        diagnostic = asserted and wording.stands_alone(body, words, parsed.hits, len(parsed.words) - len(words))
        yield Sentence(parsed.section, start, parsed.end, body, mentions, diagnostic, comparison)


def _register_extensions() -> None:
    for name in ("assertion", "rule"):
        if not Span.has_extension(name):
            Span.set_extension(name, default=None)


_register_extensions()
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
    return FindingComponent(_engine(lexicon, mode), frozenset(finding_names(_layers(lexicon, mode))))


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
