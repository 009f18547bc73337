"""A phantom report in the making: what it states and what it may still deny."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .phrases import Statement, parse, tell
from .scene import PREVALENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.random import Generator

    from medcutmix_pipeline.schemas.records import Labels

    from .scene import Lesion

_PART = {
    "Support Devices": "devices",
    "Pleural Effusion": "pleura",
    "Pneumothorax": "pleura",
    "Pleural Other": "pleura",
    "Cardiomegaly": "heart",
    "Enlarged Cardiomediastinum": "heart",
    "Fracture": "bones",
}
_AIRSPACE = frozenset({"Consolidation", "Lung Opacity", "Pneumonia", "Atelectasis", "Edema"})
_DENIAL_NEEDS = {
    "Pneumonia": _AIRSPACE - {"Atelectasis", "Edema"},
    "Consolidation": frozenset({"Lung Opacity", "Pneumonia"}),
    "Lung Opacity": _AIRSPACE | {"Lung Lesion"},
}
"""A finding is not denied where one of these is stated: the two would read as a contradiction."""

_EVERY = frozenset(PREVALENCE) | {"Pneumonia"}
_GROUPS = {
    "lung finding": _AIRSPACE | {"Lung Lesion"},
    "acute finding": _EVERY - {"Support Devices"},
    "any finding": _EVERY,
}


@dataclass(slots=True)
class Draft:
    """A report in the making: what was stated and denied so far."""

    rng: Generator
    lesions: Sequence[Lesion]
    stated: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    said: list[Statement] = field(default_factory=list)

    def keep(self, statement: Statement) -> Statement:
        """Add a statement, and remember what it says."""
        for name, assertion in statement.labels.items():
            (self.denied if assertion == "absent" else self.stated).add(name)
        self.said.append(statement)
        return statement

    def assert_all(self, kind: str) -> dict[str, list[Statement]]:
        """A statement for each lesion, by the part of the chest that it belongs to."""
        parts: dict[str, list[Statement]] = {name: [] for name in ("devices", "lungs", "pleura", "heart", "bones")}
        known = {lesion.finding for lesion in self.lesions} | self.stated
        for number, lesion in enumerate(self.lesions):
            statement = self.keep(tell(self.rng, number, lesion, kind, known))
            parts[_PART.get(lesion.finding, "lungs")].append(statement)
        return parts

    def deny(self, options: Iterable[str], repeat: bool = False) -> list[Statement]:
        """One of the options that is true and says something new; none where no option is left."""
        free = []
        for phrase in options:
            text, labels = parse(phrase)
            stale = not repeat and any(name in self.denied for name in labels)
            if not stale and not any(self.stated & _ruled_out_by(name) for name in labels):
                free.append((text, labels))
        if not free:
            return []
        text, labels = free[int(self.rng.integers(len(free)))]
        denied: Labels = {name: "absent" for name, assertion in labels.items() if assertion == "absent"}
        return [self.keep(Statement(text, denied))]


def _ruled_out_by(name: str) -> frozenset[str]:
    """The findings that, where stated, forbid denying `name`, which may be a group of findings."""
    return _GROUPS.get(name) or _DENIAL_NEEDS.get(name, frozenset()) | {name}
