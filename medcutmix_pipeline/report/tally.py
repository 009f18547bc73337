"""One pass over a dataset's tables: all that the page tells in numbers, shard by shard."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.remembering import Remembered
from medcutmix_pipeline.report.columns import PRESENT, UNCERTAIN, label_codes, words
from medcutmix_pipeline.report.diversity import Pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from medcutmix_pipeline.dataset import Dataset

VALUES = ("lambda", "map_area", "donor_score", "host_score")
_COLUMNS = (
    *("plan_id", "split", "host_id", "donor_id", "disease", "view", "donor_sentence"),
    *("host_labels", "mixed_labels", "host_text", "mixed_text"),
    *VALUES,
)


@dataclass
class SampleTally:
    """What the samples say. Arrays run along `findings`."""

    findings: tuple[str, ...]
    said: NDArray[np.int64]
    """[3, findings]: samples whose report says absent, uncertain, present."""
    together: NDArray[np.int64]
    """[findings, findings]: samples in which both are present."""
    total: int = 0
    hosts: int = 0
    alone: int = 0
    """Samples with a finding to be matched on, and yet without a plan."""
    unmatchable: int = 0
    """Samples without a finding to be matched on."""
    views: Counter[str] = field(default_factory=Counter)
    studies: int = 0


def tally_samples(dataset: Dataset, findings: tuple[str, ...], excluded: frozenset[str]) -> SampleTally:
    """Count findings over the samples, and who takes part in mixes.

    Args:
        dataset: a finished one.
        findings: which are counted, in this order.
        excluded: findings on which nothing is matched.
    """
    size, seen = len(findings), Remembered()  # a study's views may be in two shards
    told = SampleTally(findings, np.zeros((3, size), np.int64), np.zeros((size, size), np.int64))
    matched = np.array([f not in excluded for f in findings], bool)
    for batch in _tables(dataset, "samples", ("study_id", "view", "labels", "n_plans")):
        codes = label_codes(batch["labels"], findings)
        present = codes == PRESENT
        told.said += np.stack([(codes == code).sum(axis=0) for code in range(1, PRESENT + 1)])
        told.together += present.T.astype(np.int64) @ present.astype(np.int64)
        host = batch["n_plans"].to_numpy() > 0
        matchable = present[:, matched].any(axis=1)
        told.total += len(codes)
        told.hosts += int(host.sum())
        told.alone += int((matchable & ~host).sum())
        told.unmatchable += int((~matchable & ~host).sum())
        told.views.update(batch["view"].to_pylist())
        told.studies += sum(seen.before(keyed_hash(0, "study", s)) is None for s in set(batch["study_id"].to_pylist()))
    return told


@dataclass
class FindingTally:
    """What the plans that are matched on one finding say."""

    plans: int = 0
    hosts: int = 0
    donors: int = 0
    most_lent: int = 0
    """How many plans the busiest donor sample lends to."""
    gained: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """[findings]: plans whose mixed report has a finding present that the host's does not have."""
    lost: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass
class PlanTally:
    """What the plans say. Arrays run along `findings`."""

    findings: tuple[str, ...]
    present: NDArray[np.int64]
    together: NDArray[np.int64]
    by_finding: dict[str, FindingTally]
    values: dict[str, list[NDArray[np.float32]]] = field(default_factory=lambda: {name: [] for name in VALUES})
    matched: list[NDArray[np.int64]] = field(default_factory=list)
    """Place of the finding on which each plan is matched, in the plans' order."""
    total: int = 0
    drifted: int = 0
    """Plans whose mixed report says present of a finding that the host's report does not."""
    partners: Counter[int] = field(default_factory=Counter)
    """Distinct donors of a host → hosts."""
    lends: Counter[int] = field(default_factory=Counter)
    """Plans that a donor lends to → donors."""
    sentences: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(finding, donor's sentence) → plans that put it in."""
    pairs: Pairs = field(default_factory=Pairs)

    def column(self, name: str) -> NDArray[np.float32]:
        """One of `VALUES` over all plans."""
        return np.concatenate(self.values[name]) if self.values[name] else np.zeros(0, np.float32)

    def matched_on(self, finding: str) -> NDArray[np.bool_]:
        """Which plans are matched on a finding."""
        if not self.matched:
            return np.zeros(0, bool)
        chosen: NDArray[np.bool_] = np.concatenate(self.matched) == self.findings.index(finding)
        return chosen


def tally_plans(dataset: Dataset, findings: tuple[str, ...]) -> PlanTally:
    """Count over the plans. A donor stands in its host's shard, so that hosts and donors are done with each shard."""
    size = len(findings)
    told = PlanTally(
        findings,
        np.zeros(size, np.int64),
        np.zeros((size, size), np.int64),
        {f: FindingTally(gained=np.zeros(size, np.int64), lost=np.zeros(size, np.int64)) for f in findings},
    )
    for batch in _tables(dataset, "plans", _COLUMNS):
        if batch.num_rows:
            _add_labels(told, batch)
            _add_people(told, batch)
            told.pairs.add(batch)
    return told


def _add_labels(told: PlanTally, batch: pa.Table) -> None:
    mixed = label_codes(batch["mixed_labels"], told.findings)
    host = label_codes(batch["host_labels"], told.findings)
    present = mixed == PRESENT
    told.total += len(mixed)
    told.present += present.sum(axis=0)
    told.together += present.T.astype(np.int64) @ present.astype(np.int64)
    # a doubt that becomes a finding, or the other way round, is no change of what the report is about
    gained, lost = present & (host < UNCERTAIN), (host == PRESENT) & (mixed < UNCERTAIN)
    told.drifted += int(gained.any(axis=1).sum())
    matched = words(batch["disease"], told.findings)
    told.matched.append(matched)
    for name in VALUES:
        told.values[name].append(batch[name].to_numpy().astype(np.float32))
    for place in np.unique(matched[matched >= 0]):
        own = told.by_finding[told.findings[place]]
        own.plans += int((matched == place).sum())
        own.gained += gained[matched == place].sum(axis=0)
        own.lost += lost[matched == place].sum(axis=0)


def _add_people(told: PlanTally, batch: pa.Table) -> None:
    hosts, donors = batch["host_id"].to_pylist(), batch["donor_id"].to_pylist()
    diseases = batch["disease"].to_pylist()
    told.sentences.update(zip(diseases, batch["donor_sentence"].to_pylist(), strict=True))
    told.partners.update(Counter(host for host, _ in set(zip(hosts, donors, strict=True))).values())
    told.lends.update(Counter(donors).values())
    for disease, number in Counter(disease for _, disease in set(zip(hosts, diseases, strict=True))).items():
        told.by_finding[disease].hosts += number
    for (_, disease), plans in Counter(zip(donors, diseases, strict=True)).items():
        own = told.by_finding[disease]
        own.donors += 1
        own.most_lent = max(own.most_lent, plans)


def _tables(dataset: Dataset, kind: str, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    """The files of a table one by one, in order."""
    whole = dataset.table(kind)
    for fragment in whole.get_fragments():
        yield fragment.to_table(schema=whole.schema, columns=list(columns))
