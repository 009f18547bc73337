"""Labels inside a section that name a part of the chest: "LUNGS/PLEURA: There is a right effusion."

Like the number of a list item, a label is no part of its sentence, so that a sentence which moves to another report
leaves it where it is. It belongs to the sentence where it says something: a side ("Right lung: opacity"), or what is
found ("Heart: enlarged", "Effusion: small").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medcutmix_pipeline.schemas.records import Assertion

_PART = (
    r"(?:lungs?|pulmonary|parenchyma|pleura[el]?|pleural|spaces?|surfaces?|airspaces?|airways?|trachea|hearts?|cardiac"
    r"|cardiovascular|cardiomediastinal|cardiomediastinum|mediastinum|mediastinal|silhouettes?|contours?|hila|hilum|hilar"
    r"|vessels?|vasculature|vascularity|aorta|diaphragms?|bones?|bony|osseous|skeletal|skeleton|musculoskeletal|spine|ribs?"
    r"|structures?|thorax|chest wall|soft tissues?|lines?|tubes?|drains?|catheters?|devices?|support|hardware|apparatus"
    r"|abdomen|upper abdomen|other|miscellaneous)"
)
_LABEL = rf"{_PART}(?:(?: ?[/,&] ?| and | or | ){_PART}){{0,7}} ?:\s+"
_AHEAD = re.compile(rf"(?=[A-Z]){_LABEL}(?=\S)", re.I)
_BEHIND = re.compile(rf"(?:^|(?<=\s)){_LABEL}$", re.I)
LONGEST = 100

Named = tuple[str, "Assertion", int]
"""A finding, what is said of it, and where its words begin."""


def label_end(text: str, start: int, end: int) -> int:
    """Where the words behind a label begin; `start` where the sentence has none."""
    if not text[start].isupper():
        return start
    match = _AHEAD.match(text, start, min(end, start + LONGEST))
    return match.end() if match else start


def label_start(text: str, floor: int, start: int) -> int:
    """Where the label begins that stands right before a sentence, and not before `floor`; `start` where none does."""
    if not text.endswith(": ", floor, start):
        return start
    match = _BEHIND.search(text, max(floor, start - LONGEST), start)
    return match.start() if match else start


def behind_label(text: str, start: int, end: int, named: Iterable[Named]) -> int:
    """Where a sentence begins that says something of the image, behind its label; `start` if the label says it.

    `named`: its findings in reading order. A heading such as "Lines and tubes" names again what follows.
    """
    if ":" not in text[start : min(end, start + LONGEST)]:
        return start
    findings = list(named)  # not before: most sentences have no label
    if all(said == "absent" for _, said, _ in findings):
        return start
    behind = label_end(text, start, end)
    told = {finding for finding, said, at in findings if at >= behind and said == "present"}
    return behind if all(at >= behind or finding in told for finding, _, at in findings) else start
