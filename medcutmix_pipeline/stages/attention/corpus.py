"""The corpus as the fit sees it: images, what was said of them, and which sentence holds of which image."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.stages.attention.relations import Reading, halves, relate
from medcutmix_pipeline.stages.attention.statements import (
    SIDES,
    ZONES,
    Statement,
    one_sided,
    swap_sides,
    without_places,
)
from medcutmix_pipeline.stages.attention.told import statement_of
from medcutmix_pipeline.stages.attention.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from medcutmix_pipeline.schemas.records import Labels, Report, View


_PLAIN_SHARE, _MIRROR_SHARE = 0.25, 0.5
"""Shares of a batch: images of which nothing is told, and of all frontal images those that are mirrored."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and one diagnostic sentence of its report.

    `image` is the image's row, `findings` are those that the sentence asserts as present, `labels` are the report's.
    An image of a report without a diagnostic sentence is given once, with an empty sentence and no findings: it serves
    as a counter-example. `told` has the findings with their places; without it, all of them are where the sentence
    names a place.
    """

    image: int
    sentence: str
    findings: tuple[str, ...]
    view: View
    patient: str = field(repr=False)
    labels: Labels = field(default_factory=dict, repr=False)
    told: Statement | None = None

    @property
    def statement(self) -> Statement:
        """What the sentence says."""
        return self.told or Statement.of(self.sentence, frozenset(self.findings))


def pairs_of(row: int, report: Report, view: View, patient: str, unmatched: frozenset[str]) -> Iterator[Pair]:
    """What an image's report says of it: a pair for each sentence that asserts a finding, or the one without.

    Findings in `unmatched` are those on which nothing is matched: no map of them is ever used, and nothing is learnt
    of them.
    """
    told = False
    for sentence in report.sentences:
        findings = frozenset(m.disease for m in sentence.mentions if m.assertion == "present") - unmatched
        if sentence.diagnostic and findings:
            told = True
            statement = statement_of(sentence, findings)
            yield Pair(row, sentence.text, tuple(sorted(findings)), view, patient, report.labels, statement)
    if not told:
        yield Pair(row, "", (), view, patient, report.labels)


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's material.

    `images` are rows, `mirrored` says which are flipped, `words` int64 [S, L] are sentences of which no two say the
    same, `target` int8 [S, B] is HOLDS, FAILS or OPEN for each sentence on each image, and `half` int8 [S, B] the half
    of the picture on which the report has it, as in `halves`.
    """

    images: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    words: NDArray[np.int64]
    target: NDArray[np.int8]
    half: NDArray[np.int8]


class Corpus:
    """Draws batches in which findings are balanced and sentences meet images of which they do not hold.

    `vocabulary` is another corpus's, None to learn one from these pairs. `told` are the pairs with a sentence and
    findings; `claims` float32 [told, findings + 5] says which findings, sides and zones each of them names.
    """

    def __init__(self, pairs: Sequence[Pair], vocabulary: Vocabulary | None = None) -> None:
        self.told = [p for p in pairs if p.sentence and p.findings]
        self.vocabulary = vocabulary or Vocabulary.learn((p.patient, p.sentence) for p in self.told)
        self._rows = sorted({p.image for p in pairs})
        place = {row: n for n, row in enumerate(self._rows)}
        self._of_image: list[list[int]] = [[] for _ in self._rows]
        for k, pair in enumerate(self.told):
            self._of_image[place[pair.image]].append(k)
        statements = [p.statement for p in self.told]
        self.claims = _claims(statements)
        self._one_sided = [one_sided(p.sentence) for p in self.told]
        kinds = sorted({k for s in statements for k in (s, s.mirrored(), s.anywhere())}, key=_order)
        number = {kind: n for n, kind in enumerate(kinds)}
        self._kind = [number[s] for s in statements]
        self._mirror = np.array([number[k.mirrored()] for k in kinds], np.int64)
        self._anywhere = [number[k.anywhere()] for k in kinds]
        readings = self._readings(pairs, statements)
        self._sided = np.array([r.sided for r in readings], bool)
        self._relation, self._half = relate(kinds, readings), halves(kinds, readings)
        self._chance = self._chances()
        self._plain = np.flatnonzero(self._chance == 0)

    def _readings(self, pairs: Sequence[Pair], statements: Sequence[Statement]) -> list[Reading]:
        first = {p.image: p for p in reversed(pairs)}
        return [
            Reading(first[row].labels, tuple(statements[k] for k in own), first[row].view == "frontal")
            for row, own in zip(self._rows, self._of_image, strict=True)
        ]

    def _chances(self) -> NDArray[np.float64]:
        """How often each image is drawn: by the rarest finding told of it, findings by the root of their number."""
        count = Counter(f for p in self.told for f in p.findings)
        weight = [
            max((count[f] ** -0.5 for k in own for f in self.told[k].findings), default=0.0) for own in self._of_image
        ]
        return np.array(weight) / sum(weight)

    def draw(self, rng: Generator, size: int, vague: float) -> Batch:
        """A batch of `size` images, or as many as there are, and all that is said of them.

        A share `vague` of the sentences is asked without its places, so that more images show what it says. The others
        are asked with the opposite side too, where they name one.
        """
        plain = min(round(size * _PLAIN_SHARE), len(self._plain))
        told = min(size - plain, len(self._rows) - len(self._plain))
        images = np.concatenate(
            [
                rng.choice(len(self._rows), told, replace=False, p=self._chance),
                rng.choice(self._plain, plain, replace=False),
            ]
        ).astype(np.int64)
        mirrored = (rng.random(len(images)) < _MIRROR_SHARE) & self._sided[images]
        asked: dict[int, str] = {}
        for row, flipped in zip(images, mirrored, strict=True):
            for k in self._of_image[row]:
                self._ask(asked, k, bool(flipped), rng.random() < vague)
        kinds = np.array(list(asked), np.int64)
        flipped = self._mirror[kinds]
        target = np.where(mirrored, self._relation[flipped][:, images], self._relation[kinds][:, images])
        half = np.where(mirrored, -self._half[flipped][:, images], self._half[kinds][:, images])
        words = self.vocabulary.encode(list(asked.values()))
        return Batch(np.array(self._rows)[images], mirrored, words, target, half)

    def _ask(self, asked: dict[int, str], pair: int, mirrored: bool, vague: bool) -> None:
        """Add a pair's sentence under the number of its statement, unless one that says the same is there."""
        sentence, kind = self.told[pair].sentence, self._kind[pair]
        if vague:
            asked.setdefault(self._anywhere[kind], without_places(sentence))
            return
        for swapped in (mirrored, not mirrored) if self._one_sided[pair] else (mirrored,):
            asked.setdefault(
                int(self._mirror[kind]) if swapped else kind, swap_sides(sentence) if swapped else sentence
            )


def _claims(statements: Sequence[Statement]) -> NDArray[np.float32]:
    findings = sorted({f for s in statements for f in s.findings})
    rows = [
        [f in s.findings for f in findings] + [x in place.sides for x in SIDES] + [x in place.zones for x in ZONES]
        for s, place in ((s, s.place) for s in statements)
    ]
    return np.array(rows, np.float32)


def _order(statement: Statement) -> list[tuple[str, list[str], list[str]]]:
    return [(finding, sorted(place.sides), sorted(place.zones)) for finding, place in statement.places]
