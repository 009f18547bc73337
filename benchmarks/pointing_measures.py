"""How well maps point: against boxes, by the score, and by the side that a sentence names."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.stages.attention.statements import one_sided, sides_of, swap_sides, without_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.pointing_cases import Box, Cases
    from medcutmix_pipeline.stages.attention.encoder import Encoder
    from medcutmix_pipeline.stages.attention.fit import Pair

    Maps = NDArray[np.float32]


def enlarged(map_: Maps, size: int) -> NDArray[np.float64]:
    """A map at the image's size (bicubic), not negative."""
    return np.asarray(Image.fromarray(map_).resize((size, size), Image.Resampling.BICUBIC), np.float64).clip(0)


def peak_and_mass(map_: Maps, boxes: Sequence[Box], size: int) -> tuple[float, float, float, float]:
    """Of the map enlarged to the image (bicubic): hit of its peak, share of its mass inside, contrast-to-noise
    (Boecking et al. 2022, doi:10.1007/978-3-031-20059-5_1), and the boxes' share of the image."""
    spread = enlarged(map_, size)
    inside = np.zeros((size, size), bool)
    for x0, y0, x1, y1 in boxes:
        inside[int(y0) : int(np.ceil(y1)) + 1, int(x0) : int(np.ceil(x1)) + 1] = True
    within, without = spread[inside], spread[~inside]
    noise = np.sqrt(within.var() + without.var())
    contrast = (within.mean() - without.mean()) / noise if noise else 0.0
    hit = inside.flat[int(spread.argmax())]
    return float(hit), float(within.sum() / spread.sum()), float(contrast), float(inside.mean())


def table(asked: list[tuple[Pair, str, list[Box]]], maps: Maps, size: int) -> dict[str, list[float]]:
    """Means over the questions of each finding, and over all: hit, mass inside, contrast-to-noise, area, number."""
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for (_, finding, boxes), map_ in zip(asked, maps, strict=True):
        found = peak_and_mass(map_, boxes, size)
        rows[finding].append(found)
        rows["all"].append(found)
    return {name: [*np.mean(rows[name], 0).tolist(), len(rows[name])] for name in sorted(rows)}


def centre_prior(count: int, cells: int) -> Maps:
    axis = np.exp(-0.5 * (((np.arange(cells) + 0.5) / cells - 0.5) / 0.2) ** 2)
    return np.broadcast_to(np.outer(axis, axis).astype(np.float32), (count, cells, cells))


def gradient_saliency(images: NDArray[np.uint8], cells: int) -> Maps:
    """Magnitude of the image's gradient, averaged over each cell."""
    down, across = np.gradient(images.astype(np.float32), axis=(1, 2))
    step = images.shape[1] // cells
    return np.hypot(down, across).reshape(len(images), cells, step, cells, step).mean((2, 4))


def presence(encoder: Encoder, cases: Cases, asked: list[tuple[Pair, str, list[Box]]]) -> dict[str, list[float]]:
    """Per finding: the share of its images with a score of at least 0.5 for their sentence (sensitivity), and the share
    below of as many images whose reports deny the finding or do not name it (specificity)."""
    labels = {p.image: p.labels for p in cases.pairs}
    views = {p.image: p.view for p in cases.pairs}
    rows, others, sentences = [], [], []
    for number, (pair, finding, _) in enumerate(asked):
        free = [r for r in labels if labels[r].get(finding, "absent") == "absent" and views[r] == pair.view]
        if free:
            rows.append(pair.image)
            others.append(free[keyed_hash(0, "presence", str(number)) % len(free)])
            sentences.append((pair.sentence, finding))
    scores = [encoder.attend(cases.images, r, [s for s, _ in sentences]).scores for r in (rows, others)]
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for (_, finding), yes, no in zip(sentences, *scores, strict=True):
        for name in (finding, "all"):
            found[name].append((float(yes >= 0.5), float(no < 0.5)))
    return {name: np.mean(rates, 0).tolist() for name, rates in sorted(found.items())}


class Sided(NamedTuple):
    """How a map follows the side that a one-sided sentence of a frontal image names.

    `moved`: the true sentence has more of its map on the true side than the sentence with the other side named;
    `there`: most of the true sentence's map is on the true side; `found`: so it is without the words that name places,
    where the image alone can tell; `higher`: the true sentence has a higher score than the other.
    """

    patient: str
    left: bool
    moved: bool
    there: bool
    found: bool
    higher: bool


def sided(encoder: Encoder, cases: Cases) -> list[Sided]:
    """One for each one-sided sentence of a frontal image."""
    asked = [p for p in cases.pairs if p.view == "frontal" and one_sided(p.sentence)]
    rows = [p.image for p in asked]
    told, swapped, placeless = (
        encoder.attend(cases.images, rows, [change(p.sentence) for p in asked])
        for change in (str, swap_sides, without_places)
    )
    half = told.maps.shape[2] // 2
    on_left = [(m[:, :, half:].sum((1, 2)) / m.sum((1, 2))).tolist() for m in (told.maps, swapped.maps, placeless.maps)]
    out = []
    for k, (pair, own, other, bare) in enumerate(zip(asked, *on_left, strict=True)):
        left = sides_of(pair.sentence) == {"left"}
        sign = 1 if left else -1
        higher = bool(told.scores[k] > swapped.scores[k])
        halves = (sign * (own - other) > 0, sign * (own - 0.5) > 0, sign * (bare - 0.5) > 0)
        out.append(Sided(pair.patient, left, *halves, higher))
    return out


def balanced(rows: Sequence[Sided], what: str) -> float:
    """The share of the rows of which `what` is true, left and right weighing the same."""
    return float(np.mean([np.mean([getattr(r, what) for r in rows if r.left == left]) for left in (True, False)]))
