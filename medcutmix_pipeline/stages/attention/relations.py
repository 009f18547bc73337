"""Which sentences hold of which images, as far as the reports tell: the targets of the fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medcutmix_pipeline.schemas.records import Labels
    from medcutmix_pipeline.stages.attention.statements import Statement

HOLDS, FAILS, OPEN = 1, 0, -1
"""A statement holds of an image, does not, or the report leaves it open."""

_BITS = {"left": 1, "right": 2, "upper": 1, "middle": 2, "lower": 4}
_HALF = np.array([0, 1, -1, 0], np.int8)
"""By the bits of the sides: the sign of columns' places from the middle of a frontal picture."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a report says of one image: its labels, the statements made, and whether the picture can tell sides."""

    labels: Labels
    statements: tuple[Statement, ...]
    sided: bool


def relate(statements: Sequence[Statement], readings: Sequence[Reading]) -> NDArray[np.int8]:
    """HOLDS, FAILS or OPEN for each statement on each image: int8 [statements, images].

    A statement fails where one of its findings is denied or not mentioned, or where the report puts that finding only
    on other sides or in other zones. It is open where a finding is uncertain, or where the statement says more about
    place than the report does. Otherwise it holds. Sides are not asked of an image that cannot show them (a lateral).
    """
    out = np.empty((len(statements), len(readings)), np.int8)
    table = {f: _column(f, readings) for f in sorted({f for s in statements for f in s.findings})}
    sided = np.array([r.sided for r in readings], bool)
    for row, statement in enumerate(statements):
        verdict = np.full(len(readings), HOLDS, np.int8)
        for finding, place in statement.places:
            status, sides, zones = table[finding]
            verdict = _weakest(verdict, status)
            verdict = _weakest(verdict, np.where(sided, _place(_bits(place.sides), sides), HOLDS))
            verdict = _weakest(verdict, _place(_bits(place.zones), zones))
        out[row] = verdict
    return out


def halves(statements: Sequence[Statement], readings: Sequence[Reading]) -> NDArray[np.int8]:
    """On which half of an image its report puts a statement's findings: int8 [statements, images].

    -1 is the left half of the picture and 1 the right one, where by convention a patient's left is shown; 0 where the
    report names no side of one of them or both sides, and where the picture cannot tell.
    """
    table = {f: _column(f, readings)[1] for f in sorted({f for s in statements for f in s.findings})}
    sided = np.array([r.sided for r in readings], bool)
    out = np.zeros((len(statements), len(readings)), np.int8)
    for row, statement in enumerate(statements):
        told = np.array([table[finding] for finding in sorted(statement.findings)])
        out[row] = np.where(sided & told.all(0), _HALF[np.bitwise_or.reduce(told)], 0)
    return out


def _column(finding: str, readings: Sequence[Reading]) -> tuple[NDArray[np.int8], NDArray[np.int8], NDArray[np.int8]]:
    """For each image: whether it has the finding, and the sides and zones that its report names with it."""
    verdicts = {"present": HOLDS, "uncertain": OPEN}
    status = [verdicts.get(r.labels.get(finding, "absent"), FAILS) for r in readings]
    told = [[place for s in r.statements for f, place in s.places if f == finding] for r in readings]
    sides = [reduce(or_, (_bits(place.sides) for place in places), 0) for places in told]
    zones = [reduce(or_, (_bits(place.zones) for place in places), 0) for places in told]
    return np.array(status, np.int8), np.array(sides, np.int8), np.array(zones, np.int8)


def _place(asked: int, told: NDArray[np.int8]) -> NDArray[np.int8]:
    """Whether the places told include those asked."""
    if not asked:
        return np.full(told.shape, HOLDS, np.int8)
    verdict = np.full(told.shape, OPEN, np.int8)
    verdict[(told & asked) == asked] = HOLDS
    verdict[(told != 0) & ((told & asked) == 0)] = FAILS
    return verdict


def _weakest(a: NDArray[np.int8], b: NDArray[np.int8]) -> NDArray[np.int8]:
    """FAILS where either fails, else OPEN where either is open, else HOLDS."""
    both = np.where((a == OPEN) | (b == OPEN), OPEN, HOLDS)
    return np.where((a == FAILS) | (b == FAILS), FAILS, both).astype(np.int8)


def _bits(places: frozenset[str]) -> int:
    return sum(_BITS[place] for place in places)
