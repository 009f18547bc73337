"""What the components give, sentence by sentence: no Doc for a report, and each sentence of the corpus read once.

Reports repeat their sentences ("The lungs are clear."), and a sentence says the same wherever it stands. scispaCy's
tokeniser splits at white space first, so that the words of a sentence are those of its runs of characters, and it is
asked but once for each run.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from medcutmix_pipeline.schemas.records import Mention, Sentence
from medcutmix_pipeline.stages.sentences.boundaries import marker_end, split_sentences
from medcutmix_pipeline.stages.sentences.engine import CACHED_SENTENCES
from medcutmix_pipeline.stages.sentences.labels import behind_label
from medcutmix_pipeline.stages.sentences.phrases import split_words, split_words_of
from medcutmix_pipeline.stages.sentences.tokens import LONGEST_RUN

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.records import Assertion
    from medcutmix_pipeline.stages.sentences.engine import SentenceEngine
    from medcutmix_pipeline.stages.sentences.sections import SectionFinder
    from medcutmix_pipeline.stages.sentences.tokens import ReportTokenizer
    from medcutmix_pipeline.stages.sentences.wording import WordingReader

REMEMBERED_RUNS = 1 << 16
REMEMBERED_LENGTH = 600
"""Sentences up to this length are remembered."""

Place = tuple[int, int]
"""Where a word stands: its first character, and one past its last."""


class _Said(NamedTuple):
    """What a sentence says; offsets count from its first character."""

    begin: int
    """Where the sentence proper begins behind a list marker or a label."""
    mentions: tuple[tuple[str, Assertion, int, int, str], ...]
    diagnostic: bool
    comparison: bool


class DirectReader:
    """Reads clean texts to the very sentences that the four components give. For a plain English pipeline."""

    def __init__(
        self, tokenizer: ReportTokenizer, sections: SectionFinder, engine: SentenceEngine, wording: WordingReader
    ) -> None:
        self._tokenizer = tokenizer
        self._sections = sections
        self._engine = engine
        self._wording = wording
        self._words_of_run = lru_cache(maxsize=REMEMBERED_RUNS)(self._split_run)
        self._known = lru_cache(maxsize=CACHED_SENTENCES)(self._said)

    def forget(self) -> None:
        """Empty the memory of sentences."""
        self._known.cache_clear()

    def sentences(self, text: str) -> tuple[Sentence, ...] | None:
        """The sentences of a text; None where a token reaches over the end of one ("PTX.No"), or is no word at all."""
        found: list[Sentence] = []
        length = len(text)
        for section in self._sections.find(text):
            kind = section.kind
            if kind == "leave_out":
                continue
            for start, end in split_sentences(text, section.start, section.end):
                if (start and not text[start - 1].isspace()) or (end < length and not text[end].isspace()):
                    return None
                own = text[start:end]
                said = self._known(own) if end - start <= REMEMBERED_LENGTH else self._said(own)
                if said is None:
                    return None
                begin = start + said.begin
                body = own[said.begin :] if said.begin else own
                if not said.mentions:
                    found.append(Sentence(kind, begin, end, body))
                    continue
                mentions = tuple(
                    [
                        Mention(name, assertion, start + a, start + b, rule)
                        for name, assertion, a, b, rule in said.mentions
                    ]
                )
                found.append(Sentence(kind, begin, end, body, mentions, said.diagnostic, said.comparison))
        return tuple(found)

    def _said(self, sentence: str) -> _Said | None:
        runs = sentence.split(" ")
        if max(map(len, runs)) >= LONGEST_RUN:
            return None  # the tokeniser has another way with these
        begin = marker_end(sentence, 0, len(sentence))
        split = [self._words_of_run(run) for run in runs]
        words = tuple([word for own, _ in split for word in own])
        hits = self._engine.find(words)
        pairs = [pair for pair in zip(hits, self._engine.decide(words, hits), strict=True) if not pair[1].ignored]
        if not pairs:
            return _Said(begin, (), False, False)
        kept = hits if len(pairs) == len(hits) else tuple([hit for hit, _ in pairs])
        starts = accumulate([len(run) + 1 for run in runs], initial=0)
        places = [(at + a, at + b) for at, (_, own) in zip(starts, split, strict=False) for a, b in own]
        mentions = tuple(
            [
                (hit.finding, verdict.assertion, places[hit.start][0], places[hit.end - 1][1], verdict.rule)
                for hit, verdict in pairs
            ]
        )
        begin = behind_label(sentence, begin, len(sentence), (mention[:3] for mention in mentions))
        if mentions[0][2] < begin:
            mentions = tuple([mention for mention in mentions if mention[2] >= begin])
            kept = tuple([hit for hit in kept if places[hit.start][0] >= begin])
        skipped = len(list(split_words_of(sentence[:begin]))) if begin else 0
        alone, comparison = self._wording.judge(sentence[begin:], words, kept, skipped)
        asserted = any(assertion == "present" for _, assertion, _, _, _ in mentions)
        return _Said(begin, mentions, asserted and alone, comparison)

    def _split_run(self, run: str) -> tuple[tuple[str, ...], tuple[Place, ...]]:
        """The words of a run of characters, as the tokeniser splits it, and where they stand in it."""
        found = [
            (word, at + start, at + end)
            for token, at in self._tokenizer.pieces(run)
            for word, start, end in split_words(token)
        ]
        return tuple(word for word, _, _ in found), tuple((start, end) for _, start, end in found)
