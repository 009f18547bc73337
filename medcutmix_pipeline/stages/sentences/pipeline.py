"""The stage as a spaCy pipeline of four registered components, each usable on its own.

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

from typing import TYPE_CHECKING

import spacy
from spacy.language import Language

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import SentencesConfig
from medcutmix_pipeline.schemas.records import Mention, Sentence
from medcutmix_pipeline.stages.sentences.boundaries import marker_end
from medcutmix_pipeline.stages.sentences.components import (
    AssertionComponent,
    FindingComponent,
    SectionComponent,
    SentenceComponent,
)
from medcutmix_pipeline.stages.sentences.engine import SentenceEngine, shared_engine
from medcutmix_pipeline.stages.sentences.labels import behind_label
from medcutmix_pipeline.stages.sentences.lexicon import finding_names, load_lexicon
from medcutmix_pipeline.stages.sentences.parsing import reading_of
from medcutmix_pipeline.stages.sentences.phrases import split_words_of
from medcutmix_pipeline.stages.sentences.sections import shared_finder
from medcutmix_pipeline.stages.sentences.tokens import ReportTokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spacy.tokens import Doc

    from medcutmix_pipeline.stages.sentences.lexicon import Layers
    from medcutmix_pipeline.stages.sentences.wording import WordingReader

SECTIONS = "medcutmix_sections"
SENTENCES = "medcutmix_sentences"
FINDINGS = "medcutmix_findings"
ASSERTION = "medcutmix_assertion"
LIMIT = 1 << 40
"""No limit on the length of a text: spaCy's own (1,000,000 characters) guards parsers that we do not use."""


def _layers(lexicon: str | None, mode: str) -> Layers:
    return load_lexicon(SentencesConfig.model_validate({"lexicon": lexicon, "lexicon_mode": mode}))


def _engine(lexicon: str | None, mode: str) -> SentenceEngine:
    return shared_engine(_layers(lexicon, mode))


_DEFAULT = {"lexicon": None, "mode": "extend", "spans": True}
"""`spans: false` leaves out `doc.spans`, for callers that take `read_sentences` and have no use for them."""


@Language.factory(SECTIONS, default_config=_DEFAULT)
def create_sections(nlp: Language, name: str, lexicon: str | None, mode: str, spans: bool) -> SectionComponent:
    """Sections by their headers."""
    return SectionComponent(shared_finder(_layers(lexicon, mode)), spans)


@Language.factory(SENTENCES)
def create_sentences(nlp: Language, name: str) -> SentenceComponent:
    """Sentence boundaries; stands before a parser, which keeps to them."""
    return SentenceComponent()


@Language.factory(FINDINGS, default_config=_DEFAULT)
def create_findings(nlp: Language, name: str, lexicon: str | None, mode: str, spans: bool) -> FindingComponent:
    """Mentions of findings."""
    return FindingComponent(_engine(lexicon, mode), frozenset(finding_names(_layers(lexicon, mode))), nlp.vocab, spans)


@Language.factory(ASSERTION, default_config=_DEFAULT)
def create_assertion(nlp: Language, name: str, lexicon: str | None, mode: str, spans: bool) -> AssertionComponent:
    """Assertions of the findings."""
    return AssertionComponent(_engine(lexicon, mode), spans)


def build_pipeline(config: SentencesConfig) -> Language:
    """scispaCy's tokeniser and the four components, on top of `config.model` where one is named.

    Raises UsageError where the model is not installed.
    """
    settings = {"lexicon": config.lexicon, "mode": config.lexicon_mode, "spans": False}
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
        start = behind_label(reading.text, start, parsed.end, ((m.disease, m.assertion, m.start) for m in mentions))
        body = reading.text[start : parsed.end]
        kept = [i for i, mention in enumerate(mentions) if mention.start >= start]
        mentions, hits = tuple(mentions[i] for i in kept), tuple(parsed.hits[i] for i in kept)
        skipped = len(list(split_words_of(reading.text[parsed.start : start]))) if start > parsed.start else 0
        alone, comparison = wording.judge(body, parsed.words, hits, skipped)
        asserted = any(mention.assertion == "present" for mention in mentions)
        yield Sentence(parsed.section, start, parsed.end, body, mentions, asserted and alone, comparison)
