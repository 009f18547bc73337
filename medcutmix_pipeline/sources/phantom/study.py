"""One phantom study in memory: pictures, report and truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medcutmix_pipeline.hashing import keyed_unit

from .anatomy import draw_anatomy, generator
from .radiograph import render_frontal, render_lateral
from .reports import Circumstances, write_report
from .scene import NORMAL, PREVALENCE, draw_scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from medcutmix_pipeline.schemas.records import Assertion, View

    from .canvas import Box
    from .reports import Written
    from .scene import Lesion

Projection = Literal["PA", "AP", "LATERAL"]

LATERAL_SHARE = 0.43
"""Share of lateral views among studies of patients who can stand: about 0.4 of all studies."""

_BLOCK = 4
_FAMILIES: tuple[tuple[float, tuple[int, ...]], ...] = (
    (0.40, (0, 1, 2, 3)),
    (0.70, (0, 0, 2, 3)),
    (0.83, (0, 0, 0, 3)),
    (1.00, (0, 0, 2, 2)),
)
"""How four studies in a row are shared among patients: (cumulated probability, first study of each one's patient)."""


@dataclass(frozen=True, slots=True)
class PhantomImage:
    """A radiograph: `film` float32 [size, size] in [0, 1], bright where dense."""

    image_id: str
    view: View
    projection: Projection
    film: NDArray[np.float32]

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """The film as 8-bit grey, uint8 [size, size]."""
        return np.asarray(np.rint(self.film * 255), np.uint8)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the report says of a finding, and where an image shows it: a box in pixels, None where nothing shows."""

    image_id: str
    finding: str
    assertion: Assertion
    box: Box | None


@dataclass(frozen=True, slots=True)
class PhantomStudy:
    """A study with its truth. Every finding that the report names has at least one row of truth for each image."""

    study_id: str
    patient_id: str
    sex: str
    age: int
    images: tuple[PhantomImage, ...]
    report: str
    truth: tuple[Truth, ...]


def patient_of(seed: int, index: int) -> tuple[str, int]:
    """The patient of study number `index`, and which of the patient's studies it is, from 0."""
    block = index // _BLOCK
    draw = keyed_unit(seed, "family", str(block))
    first = next(starts for limit, starts in _FAMILIES if draw < limit)
    start = block * _BLOCK + first[index % _BLOCK]
    return f"P{start:05d}", index - start


def study(
    seed: int,
    index: int,
    size: int = 256,
    contrast: float = 1.0,
    *,
    prevalence: Mapping[str, float] = PREVALENCE,
    normal: float = NORMAL,
) -> PhantomStudy:
    """Study number `index`, which depends on nothing but the arguments.

    `size` is the images' side in pixels, `contrast` scales how far lesions stand out, `prevalence` is the share of
    studies with each finding and `normal` the share kept free of acute ones.
    """
    patient, ordinal = patient_of(seed, index)
    name = f"phantom-{index:06d}"
    anatomy = draw_anatomy(seed, patient)
    lesions = draw_scene(seed, patient, name, prevalence, normal, follow_up=ordinal > 0)
    rng = generator(seed, "report", name)
    bedridden = any(lesion.device in ("tube", "line") for lesion in lesions)
    with_lateral = rng.random() < LATERAL_SHARE and not bedridden
    portable = rng.random() < 0.25 or bedridden
    about = Circumstances(anatomy.sex, "pair" if with_lateral else "portable" if portable else "upright", ordinal > 0)
    written = write_report(rng, lesions, about)
    frontal_id, lateral_id = f"{name}-frontal", f"{name}-lateral"
    film, boxes = render_frontal(seed, frontal_id, anatomy, lesions, size, contrast)
    images = [PhantomImage(frontal_id, "frontal", "AP" if about.projection == "portable" else "PA", film)]
    truth = _truth(frontal_id, written, lesions, boxes)
    if with_lateral:
        film, boxes = render_lateral(seed, lateral_id, anatomy, lesions, size, contrast)
        images.append(PhantomImage(lateral_id, "lateral", "LATERAL", film))
        truth += _truth(lateral_id, written, lesions, boxes)
    age = min(anatomy.age + ordinal, 89)
    return PhantomStudy(name, patient, anatomy.sex, age, tuple(images), written.text, tuple(truth))


def _truth(image: str, written: Written, lesions: tuple[Lesion, ...], boxes: list[tuple[int, Box]]) -> list[Truth]:
    """A row for each box of each present finding, and one without a box for every other finding that is named."""
    rows = []
    for finding, assertion in sorted(written.labels.items()):
        shown: list[Box | None] = []
        if assertion == "present":
            shown += [box for number, box in boxes if number in written.lesions.get(finding, ())]
        rows += [Truth(image, finding, assertion, box) for box in shown or [None]]
    return rows
