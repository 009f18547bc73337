"""Images, and sentences to ask about them: phantoms whose truth is known, and Open-I."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.schemas.config import Config, SourceConfig
from medcutmix_pipeline.sources import open_source, read_bytes
from medcutmix_pipeline.sources.phantom import study
from medcutmix_pipeline.stages.attention.corpus import Pair, pairs_of
from medcutmix_pipeline.stages.ingest import ImageReject, decode, square
from medcutmix_pipeline.stages.sentences.reader import ReportReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


Box = tuple[float, float, float, float]


@dataclass
class Cases:
    """Images uint8 [N, s, s], what was said of them, and for phantoms the boxes of each image by finding."""

    images: NDArray[np.uint8]
    pairs: list[Pair]
    boxes: list[dict[str, list[Box]]] = field(default_factory=list)

    def only(self, keep: Sequence[bool]) -> Cases:
        return Cases(self.images, [p for p, k in zip(self.pairs, keep, strict=True) if k], self.boxes)


UNMATCHED = frozenset(Config().pairing.exclude)


def phantom_cases(seed: int, studies: int, size: int, contrast: float) -> Cases:
    reader = ReportReader(Config().sentences)
    images, pairs, boxes = [], [], []
    for index in range(studies):
        one = study(seed, index, size, contrast)
        report = reader.read(reader.clean(one.report))
        for image in one.images:
            pairs += pairs_of(len(images), report, image.view, one.patient_id, UNMATCHED)
            images.append(image.pixels)
            own: dict[str, list[Box]] = defaultdict(list)
            for truth in one.truth:
                if truth.image_id == image.image_id and truth.box is not None:
                    own[truth.finding].append(truth.box)
            boxes.append(own)
    return Cases(np.stack(images), pairs, boxes)


def openi_cases(root: Path, size: int) -> Cases:
    config = Config()
    reader = ReportReader(config.sentences)
    images, pairs = [], []
    for one in open_source(SourceConfig(kind="openi", root=str(root))).studies():
        text = reader.clean(one.report or "")
        if one.problem or not text:
            continue
        report = reader.read(text)
        for image in one.images:
            if image.view not in ("frontal", "lateral") or image.problem:
                continue
            try:
                pixels = decode(read_bytes(image.uri, config.ingest.max_bytes), config.ingest, at_least=size)
            except ImageReject:
                continue
            pairs += pairs_of(len(images), report, image.view, one.patient_id, UNMATCHED)
            images.append(square(pixels, size, config.shards.square))
    return Cases(np.stack(images), pairs)


def questions(cases: Cases) -> list[tuple[Pair, str, list[Box]]]:
    """Sentence, finding, and its boxes on the side that is named with it (left is on a frontal image's right)."""
    asked = []
    middle = cases.images.shape[1] / 2
    for pair in cases.pairs:
        for finding, place in pair.statement.places:
            boxes = cases.boxes[pair.image].get(finding, [])
            if pair.view == "frontal" and len(place.sides) == 1:
                left = "left" in place.sides
                boxes = [b for b in boxes if b[0] <= middle <= b[2] or (b[0] > middle) == left]
            if boxes:
                asked.append((pair, finding, boxes))
    return asked
