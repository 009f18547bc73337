"""Reports in, sentences and labels out: the `sentences` stage."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, cast

from medcutmix_pipeline.schemas.records import STRENGTH, Labels, Report, Sentence
from medcutmix_pipeline.stages.collector import collector_paused
from medcutmix_pipeline.stages.sentences.boundaries import forget_sections
from medcutmix_pipeline.stages.sentences.cleaning import ReportCleaner
from medcutmix_pipeline.stages.sentences.components import FindingComponent
from medcutmix_pipeline.stages.sentences.direct import DirectReader
from medcutmix_pipeline.stages.sentences.engine import shared_engine
from medcutmix_pipeline.stages.sentences.lexicon import finding_names, load_lexicon, part_of, sha256, shown_as
from medcutmix_pipeline.stages.sentences.parsing import reading_of
from medcutmix_pipeline.stages.sentences.phrases import split_phrase
from medcutmix_pipeline.stages.sentences.pipeline import build_pipeline, read_sentences
from medcutmix_pipeline.stages.sentences.sections import shared_finder
from medcutmix_pipeline.stages.sentences.wording import WordingReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medcutmix_pipeline.schemas.config import SentencesConfig
    from medcutmix_pipeline.stages.sentences.tokens import ReportTokenizer

NO_FINDING = "No Finding"
SUPPORT_DEVICES = "Support Devices"
READ_AT_ONCE = 512


class ReportReader:
    """Cleans and reads reports with one lexicon. Holds no report; the same text always gives the same answer."""

    def __init__(self, config: SentencesConfig) -> None:
        layers = load_lexicon(config)
        self._names = finding_names(layers)
        self.findings: tuple[str, ...] = (*(name for name in self._names if name != NO_FINDING), NO_FINDING)
        self.part_of = part_of(layers)
        self.shown_as = shown_as(layers)
        self.lexicon_sha256 = sha256(layers)
        self._cleaner = ReportCleaner(layers)
        self._wording = WordingReader(layers)
        self._engine = shared_engine(layers)
        self._nlp = build_pipeline(config)
        self._components = [component for _, component in self._nlp.pipeline]
        self._direct: DirectReader | None = None
        if config.model is None:  # nothing but our own components, which need no Doc
            tokenizer = cast("ReportTokenizer", self._nlp.tokenizer)
            self._direct = DirectReader(tokenizer, shared_finder(layers), self._engine, self._wording)

    def clean(self, raw: str) -> str:
        """Findings and impression of a raw report, tidied (see `ReportCleaner.clean`)."""
        return self._cleaner.clean(raw)

    def read(self, text: str) -> Report:
        """Sentences, mentions and labels of a clean or mixed text; every `sentence.text == text[start:end]`."""
        sentences = self._direct.sentences(text) if self._direct is not None else None
        if sentences is None:
            doc = self._nlp(text)
            text, sentences = reading_of(doc).text, tuple(read_sentences(doc, self._wording))
        return Report(text, sentences, self._labels(sentences))

    def read_many(self, texts: Iterable[str]) -> list[Report]:
        """The same for many texts, in order."""
        reports: list[Report] = []
        waiting = iter(texts)
        while True:
            with collector_paused():
                read = [self.read(text) for text in islice(waiting, READ_AT_ONCE)]
            if not read:
                return reports
            reports += read

    def forget(self) -> None:
        """Empty the memory of sentences already seen; nothing but time and memory depends on it."""
        self._engine.forget()
        self._wording.forget()
        self._cleaner.forget()
        forget_sections()
        if self._direct is not None:
            self._direct.forget()
        for component in self._components:
            if isinstance(component, FindingComponent):
                component.forget()

    def refers_back(self, sentence: str) -> bool:
        """Whether a sentence only makes sense behind the one that it speaks on about ("This is unchanged.")."""
        return self._wording.refers_back(split_phrase(sentence))

    def contradicts(self, host: Report, sentence: Sentence) -> bool:
        """Whether a normal statement of the host rules out what the sentence asserts: "the lungs are clear".

        The host's own findings stand beside its normal statements and are no contradiction, except with a statement
        that names what it would allow ("no acute fracture" allows an old one).
        """
        words = split_phrase(sentence.text)
        denials = {d for own in host.sentences for d in self._engine.denied(split_phrase(own.text))}
        for name in {m.disease for m in sentence.mentions if m.assertion == "present"}:
            for denial in denials:
                if denial.finding not in (name, self.part_of.get(name)):
                    continue
                if host.labels.get(name) in (None, "absent") or (denial.unless and denial.forbids(words)):
                    return True
        return False

    def _labels(self, sentences: tuple[Sentence, ...]) -> Labels:
        """The strongest assertion of each finding, in the lexicon's order; No Finding where the text shows none."""
        strongest: Labels = {}
        for sentence in sentences:
            for mention in sentence.mentions:
                known = strongest.get(mention.disease)
                if known is None or STRENGTH[mention.assertion] > STRENGTH[known]:
                    strongest[mention.disease] = mention.assertion
        labels = {name: strongest[name] for name in self._names if name in strongest}
        shown = any(said != "absent" for name, said in labels.items() if name != SUPPORT_DEVICES)
        if sentences and not shown:
            labels[NO_FINDING] = "present"
        return labels
