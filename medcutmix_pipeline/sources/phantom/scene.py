"""What a phantom study shows: which findings, how severe, on which side and at what height."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from .anatomy import generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

Side = Literal["left", "right", "both"]
Zone = Literal["apical", "upper", "mid", "lower", "basal"]

PREVALENCE: dict[str, float] = {
    "Pleural Effusion": 0.16,
    "Consolidation": 0.14,
    "Lung Lesion": 0.14,
    "Cardiomegaly": 0.14,
    "Pneumothorax": 0.11,
    "Atelectasis": 0.11,
    "Fracture": 0.10,
    "Lung Opacity": 0.09,
    "Edema": 0.07,
    "Enlarged Cardiomediastinum": 0.05,
    "Pleural Other": 0.05,
    "Support Devices": 0.18,
}
"""Share of studies in which each finding is drawn, before conflicts between findings take some away."""

NORMAL = 0.3
"""Share of studies that are kept free of acute findings."""

_CHRONIC = ("Cardiomegaly", "Lung Lesion", "Support Devices", "Pleural Other")
_UNCERTAIN = {
    "Pleural Effusion": 0.18,
    "Consolidation": 0.12,
    "Lung Lesion": 0.15,
    "Pneumothorax": 0.12,
    "Atelectasis": 0.18,
    "Fracture": 0.12,
    "Edema": 0.15,
    "Cardiomegaly": 0.10,
}
_ZONES: dict[str, tuple[Zone, ...]] = {
    "Lung Lesion": ("upper", "mid", "lower"),
    "Consolidation": ("upper", "mid", "lower"),
    "Lung Opacity": ("upper", "mid", "lower"),
    "Atelectasis": ("basal", "basal", "basal", "mid"),
    "Pleural Effusion": ("basal",),
    "Pneumothorax": ("apical",),
    "Pleural Other": ("apical",),
}
_DEVICES = ("pacemaker", "tube", "line", "port")
_CONFLICTS: dict[str, tuple[str, ...]] = {
    "Edema": ("Consolidation", "Lung Opacity", "Pneumothorax"),
    "Pneumothorax": ("Pleural Other", "Edema"),
}


@dataclass(frozen=True, slots=True)
class Lesion:
    """A finding as it is drawn and told.

    `grade` is 1 to 3 (small or mild, moderate, large or severe). `along` (0 apex, 1 diaphragm), `across` (0 medial, 1
    lateral) and `depth` (0 front, 1 back) say where in its lung it lies, `extent` is its own size in [0, 1], `rib` the
    number of the broken rib. `strength` scales its contrast: 1, or less where the report is not sure.
    """

    finding: str
    side: Side = "both"
    zone: Zone = "mid"
    grade: int = 1
    along: float = 0.5
    across: float = 0.5
    depth: float = 0.5
    extent: float = 0.5
    rib: int = 6
    device: str = ""
    strength: float = 1.0
    chronic: bool = False

    @property
    def certain(self) -> bool:
        """Whether the report asserts it, so that the picture must show it."""
        return self.strength >= 1


def draw_scene(
    seed: int, patient: str, study: str, prevalence: Mapping[str, float], normal: float, follow_up: bool
) -> tuple[Lesion, ...]:
    """The lesions of a study. What is chronic belongs to the patient and is there in all of the patient's studies."""
    own = generator(seed, "scene", study)
    lifelong = generator(seed, "chronic", patient)
    well = own.random() < normal
    found: list[Lesion] = []
    for name, share in prevalence.items():
        kept = bool(lifelong.random() < 0.5) and name in _CHRONIC
        acute, always = _lesion(name, own), replace(_lesion(name, lifelong), strength=1.0, chronic=follow_up)
        has_always, has_acute = lifelong.random() < share, own.random() * (1 - normal) < share
        if kept and has_always:
            found.append(always)
        elif has_acute and not kept and not well:
            found.append(acute)
    return tuple(_without_conflicts(found))


def _lesion(name: str, rng: Generator) -> Lesion:
    along = {"apical": 0.1, "upper": 0.24, "mid": 0.52, "lower": 0.80, "basal": 0.92}
    zones = _ZONES.get(name, ("mid",))
    zone = zones[int(rng.integers(len(zones)))]
    side: Side = "left" if rng.random() < 0.5 else "right"
    if name in ("Edema", "Cardiomegaly", "Enlarged Cardiomediastinum"):
        side = "both"
    elif rng.random() < {"Pleural Effusion": 0.25, "Atelectasis": 0.2, "Pleural Other": 0.3}.get(name, 0.0):
        side, zone = "both", zones[0]
    unsure = rng.random() < _UNCERTAIN.get(name, 0.0)
    grade = 1 if unsure else 1 + int(rng.choice(3, p=(0.4, 0.4, 0.2)))
    return Lesion(
        finding=name,
        side=side,
        zone=zone,
        grade=grade,
        along=along[zone] + rng.uniform(-0.05, 0.05),
        across=rng.uniform(0.15, 0.85),
        depth=rng.uniform(0.2, 0.8),
        extent=rng.random(),
        rib=int(rng.integers(4, 9)),
        device=_DEVICES[int(rng.integers(len(_DEVICES)))] if name == "Support Devices" else "",
        strength=0.4 if unsure else 1.0,
    )


def _without_conflicts(found: list[Lesion]) -> list[Lesion]:
    """Leave out what would hide another lesion or contradict its sentence: one lesion for each lung third."""
    kept: list[Lesion] = []
    taken: set[tuple[str, str]] = set()
    for lesion in found:
        cells = _cells(lesion)
        clash = any(other.finding in _CONFLICTS.get(lesion.finding, ()) for other in kept)
        clash = clash or any(lesion.finding in _CONFLICTS.get(other.finding, ()) for other in kept)
        if not clash and not (cells & taken):
            kept.append(lesion)
            taken |= cells
    return kept


def _cells(lesion: Lesion) -> set[tuple[str, str]]:
    """The thirds of the lungs that a lesion takes for itself."""
    sides = ("left", "right") if lesion.side == "both" else (lesion.side,)
    thirds: tuple[str, ...] = {"apical": ("upper",), "basal": ("lower",)}.get(lesion.zone, (lesion.zone,))
    if lesion.finding == "Pleural Effusion":
        thirds = ("lower", "mid")[: 1 if lesion.grade == 1 else 2]
    elif lesion.finding == "Pneumothorax":
        thirds = ("upper", "mid") if lesion.grade < 3 else ("upper", "mid", "lower")
    elif lesion.finding == "Fracture":
        thirds = ("mid",) if lesion.rib < 7 else ("lower",)
    elif lesion.finding == "Edema":
        thirds = ("mid", "lower")
    elif lesion.finding in ("Cardiomegaly", "Enlarged Cardiomediastinum", "Support Devices"):
        return {("midline", lesion.finding)}
    return {(side, third) for side in sides for third in thirds}
