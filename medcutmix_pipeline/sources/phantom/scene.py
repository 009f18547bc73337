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
    "Edema": 0.08,
    "Enlarged Cardiomediastinum": 0.05,
    "Pleural Other": 0.05,
    "Support Devices": 0.15,
}
"""Share of studies in which each finding is drawn, before conflicts between findings take some away."""

NORMAL = 0.3
"""Share of studies that are kept free of acute findings."""

UNSURE = 0.4
"""Contrast of what the report is not sure of, as a share of the lesion's own."""

_CHRONIC = {
    "Cardiomegaly": 1.0,
    "Pleural Other": 1.0,
    "Enlarged Cardiomediastinum": 1.0,
    "Lung Lesion": 0.5,
    "Support Devices": 0.5,
}
"""Share of patients in whom a finding, where they have it, is there in all studies or in none."""

_UNCERTAIN = {
    "Pleural Effusion": 0.20,
    "Consolidation": 0.15,
    "Lung Lesion": 0.18,
    "Pneumothorax": 0.15,
    "Atelectasis": 0.22,
    "Fracture": 0.18,
    "Edema": 0.20,
    "Cardiomegaly": 0.15,
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
_ALONG: dict[Zone, float] = {"apical": 0.1, "upper": 0.24, "mid": 0.52, "lower": 0.80, "basal": 0.92}
_BILATERAL = {
    "Edema": 1.0,
    "Cardiomegaly": 1.0,
    "Enlarged Cardiomediastinum": 1.0,
    "Pleural Effusion": 0.25,
    "Atelectasis": 0.2,
    "Pleural Other": 0.3,
}
_DEVICES = ("tube", "line")
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
    own, lifelong = generator(seed, "scene", study), generator(seed, "chronic", patient)
    well = own.random() < normal
    chronic: list[Lesion] = []
    acute: list[Lesion] = []
    for name in PREVALENCE:
        share = prevalence.get(name, 0.0)
        kept = lifelong.random() < _CHRONIC.get(name, 0.0)
        always, now = _lesion(name, lifelong), _lesion(name, own)
        has_always, has_now = lifelong.random() < share, own.random() * (1 - normal) < share
        if kept and has_always:
            device = {"tube": "pacemaker", "line": "port"}.get(always.device, "")
            chronic.append(replace(always, chronic=follow_up and always.certain, device=device))
        elif has_now and not kept and not well:
            acute.append(now)
    # What is rare comes first, so that what is common does not crowd it out.
    acute.sort(key=lambda lesion: prevalence[lesion.finding])
    return tuple(_without_conflicts(chronic + acute))


def _lesion(name: str, rng: Generator) -> Lesion:
    """A lesion at random. It always takes the same draws, so that one finding's share does not change the others."""
    u = rng.random(12).tolist()
    zones = _ZONES.get(name, ("mid",))
    zone = zones[int(u[0] * len(zones))]
    side: Side = "left" if u[1] < 0.5 else "right"
    if u[2] < _BILATERAL.get(name, 0.0):
        side, zone = "both", zones[0]
    unsure = u[3] < _UNCERTAIN.get(name, 0.0)
    return Lesion(
        finding=name,
        side=side,
        zone=zone,
        grade=1 if unsure or u[4] < 0.4 else 2 if u[4] < 0.8 else 3,
        along=_ALONG[zone] + 0.1 * (u[5] - 0.5),
        across=0.15 + 0.7 * u[6],
        depth=0.2 + 0.6 * u[7],
        extent=u[8],
        rib=4 + int(5 * u[9]),
        device=_DEVICES[int(u[10] * len(_DEVICES))] if name == "Support Devices" else "",
        strength=UNSURE if unsure else 1.0,
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
        # A large heart hides what lies low in the left lung, but not fluid in the sulcus.
        return {("midline", lesion.finding)} | ({("left", "heart")} if lesion.finding == "Cardiomegaly" else set())
    cells = {(side, third) for side in sides for third in thirds}
    if ("left", "lower") in cells and lesion.finding not in ("Pleural Effusion", "Pneumothorax", "Edema"):
        cells.add(("left", "heart"))
    return cells
