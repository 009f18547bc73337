"""The corpus as the fit sees it: images, what was said of them, and which sentence holds of which image."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.stages.attention.relations import Reading, relate
from medcutmix_pipeline.stages.attention.statements import Statement, one_sided, swap_sides
from medcutmix_pipeline.stages.attention.vocabulary import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

    from medcutmix_pipeline.schemas.records import Labels, View


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and one diagnostic sentence of its report.

    `image` is the image's row. `findings` are those that the sentence asserts as present. `labels` are the whole report's.
    An image of a report without a diagnostic sentence is given once, with an empty sentence and no findings: it serves as
    a counter-example.
    """

    image: int
    sentence: str
    findings: tuple[str, ...]
    view: View
    patient: str = field(repr=False)
    labels: Labels = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's material.

    `images` are rows, `mirrored` says which are flipped, `words` int64 [S, L] are the sentences, `target` int8 [S, B] is
    HOLDS, FAILS or OPEN for each sentence on each image.
    """

    images: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    words: NDArray[np.int64]
    target: NDArray[np.int8]


class Corpus:
    """Draws batches in which findings are balanced and sentences meet images of which they do not hold."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.told = [p for p in pairs if p.sentence]
        self.vocabulary = Vocabulary.learn((p.patient, p.sentence) for p in self.told)
        self._rows = sorted({p.image for p in pairs})
        place = {row: n for n, row in enumerate(self._rows)}
        self._image = np.array([place[p.image] for p in self.told], np.int64)
        statements = [Statement.of(p.sentence, frozenset(p.findings)) for p in self.told]
        readings = self._read(pairs, statements)
        self._sided = np.array([r.sided for r in readings], bool)
        kinds = sorted({s for own in statements for s in (own, own.mirrored())}, key=_order)
        number = {kind: n for n, kind in enumerate(kinds)}
        self._kind = np.array([number[s] for s in statements], np.int64)
        self._mirror = np.array([number[k.mirrored()] for k in kinds], np.int64)
        self._relation = relate(kinds, readings)
        findings = sorted({f for p in self.told for f in p.findings})
        self.facts = np.array(
            [
                [f in s.findings for f in findings]
                + [x in s.sides for x in ("left", "right")]
                + [x in s.zones for x in ("upper", "middle", "lower")]
                for s in statements
            ],
            np.float32,
        )
        self._one_sided = np.array([one_sided(p.sentence) for p in self.told], bool)
        self._chance = self._chances()
        self._pairs_of: list[list[int]] = [[] for _ in self._rows]
        for number_, row in enumerate(self._image):
            self._pairs_of[row].append(number_)
        self._plain = np.array([n for n in range(len(self._rows)) if n not in set(self._image.tolist())], np.int64)

    def _read(self, pairs: Sequence[Pair], statements: Sequence[Statement]) -> list[Reading]:
        said: dict[int, list[Statement]] = {row: [] for row in self._rows}
        for pair, statement in zip(self.told, statements, strict=True):
            said[pair.image].append(statement)
        first = {p.image: p for p in reversed(pairs)}
        return [Reading(first[row].labels, tuple(said[row]), first[row].view == "frontal") for row in self._rows]

    def _chances(self) -> NDArray[np.float64]:
        """How often each image is drawn: by its rarest finding, findings by the root of their number."""
        count = Counter(f for p in self.told for f in p.findings)
        weight = np.zeros(len(self._rows))
        for row, pair in zip(self._image, self.told, strict=True):
            weight[row] = max(weight[row], *(count[f] ** -0.5 for f in pair.findings))
        return weight / weight.sum()

    def draw(self, rng: Generator, size: int, plain_share: float, mirror_share: float) -> Batch:
        """A batch of `size` images: `plain_share` of them without any diagnostic sentence, as far as there are such."""
        plain = min(round(size * plain_share), len(self._plain))
        told = min(size - plain, int((self._chance > 0).sum()))
        images = np.concatenate(
            [
                rng.choice(len(self._rows), told, replace=False, p=self._chance),
                rng.choice(self._plain, plain, replace=False),
            ]
        )
        mirrored = (rng.random(len(images)) < mirror_share) & self._sided[images]
        own = [(n, k) for n, row in enumerate(images) for k in self._pairs_of[row]]
        column, pair = np.array([o[0] for o in own]), np.array([o[1] for o in own])
        flipped = mirrored[column]
        sentences = [
            swap_sides(self.told[k].sentence) if f else self.told[k].sentence for k, f in zip(pair, flipped, strict=True)
        ]
        kinds = np.where(flipped, self._mirror[self._kind[pair]], self._kind[pair])
        opposite = np.flatnonzero(self._one_sided[pair])
        sentences += [swap_sides(sentences[n]) for n in opposite]
        kinds = np.concatenate([kinds, self._mirror[kinds[opposite]]])
        target = np.where(mirrored, self._relation[self._mirror[kinds]][:, images], self._relation[kinds][:, images])
        target[np.arange(len(own)), column] = 1
        return Batch(np.array(self._rows)[images], mirrored, self.vocabulary.encode(sentences), target)


def _order(statement: Statement) -> tuple[list[str], list[str], list[str]]:
    return sorted(statement.findings), sorted(statement.sides), sorted(statement.zones)
