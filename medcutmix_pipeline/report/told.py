"""What the page tells besides the gallery, laid out: the types that its template and its verdict read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medcutmix_pipeline.report.charts import Bar, Cell, Spread
    from medcutmix_pipeline.report.diversity import NGrams
    from medcutmix_pipeline.schemas.manifest import DatasetManifest

LOW_PRESENCE = 0.2
"""A presence score below which a map may point anywhere."""


@dataclass(frozen=True)
class Part:
    """A part of a step of the flow. `kept`: it goes on to the next step."""

    label: str
    count: int
    kept: bool = False


@dataclass(frozen=True)
class Step:
    """A step of the flow from studies to plans: all that arrives, and what becomes of it."""

    label: str
    total: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Reason:
    """Why something was left out, in the code's and in plain words."""

    code: str
    words: str
    count: int
    what: str = ""


@dataclass(frozen=True)
class FindingRow:
    """One finding, before and after. Shares are of all samples and of all mixed reports."""

    name: str
    present: int
    uncertain: int
    absent: int
    share_before: float
    share_after: float
    matched: bool
    plans: int
    hosts: int
    donors: int
    most_lent: int
    area: Spread | None
    presence: Spread | None


@dataclass(frozen=True)
class Sentence:
    """A donor's sentence and how many plans put it in; `share` is of the plans matched on its finding."""

    finding: str
    text: str
    plans: int
    share: float


@dataclass(frozen=True)
class Matrix:
    """Findings by findings."""

    names: tuple[str, ...]
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Figures:
    """What the page tells."""

    manifest: DatasetManifest
    steps: tuple[Step, ...]
    rejects: tuple[Reason, ...]
    dropped: tuple[Reason, ...]
    findings: tuple[FindingRow, ...]
    views: dict[str, int]
    lam: Spread | None
    area: Spread | None
    area_high: float
    presence: Spread | None
    host_presence: Spread | None
    given: Spread | None
    """Share of the donor in the mixed picture, mean of (1 − λ) · map."""
    low_presence: int
    """Plans whose donor map has a presence score below `LOW_PRESENCE`."""
    before: Matrix
    after: Matrix
    comes_along: Matrix
    partners: tuple[Bar, ...]
    lends: tuple[Bar, ...]
    reuse: tuple[Bar, ...]
    sentences: tuple[Sentence, ...]
    distinct_sentences: int
    ngrams: tuple[NGrams, ...]
    compared: int
    longer: float
    drifted: int
    shards_drawn: bool
