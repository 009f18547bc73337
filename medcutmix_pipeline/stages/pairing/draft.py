"""Draft plans: all that can be said of a mix before anybody has looked at the images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.stages.pairing.partners import partners, rings
from medcutmix_pipeline.stages.plans.compose import compose
from medcutmix_pipeline.stages.plans.donors import diagnostic_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.schemas.config import Config
    from medcutmix_pipeline.schemas.records import Mix, PlacedSample, Report, Sentence
    from medcutmix_pipeline.stages.sentences.reader import ReportReader


@dataclass(frozen=True, slots=True)
class DraftPlan:
    """A mix whose text passes the checks: places in the shard, and places of the two maps among the requests."""

    plan_id: str
    disease: str
    host: int
    donor: int
    host_request: int
    donor_request: int
    lam: float
    mix: Mix


@dataclass(frozen=True, slots=True)
class MapRequest:
    """A question to the encoder: where does this sample's image show what this sentence of its own report says?"""

    sample: int
    disease: str
    sentence: str


@dataclass
class Draft:
    """The draft plans of one shard, the maps they need, and how many mixes were dropped, by reason."""

    reports: list[Report]
    plans: list[DraftPlan] = field(default_factory=list)
    requests: list[MapRequest] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def draft_plans(samples: Sequence[PlacedSample], config: Config, reader: ReportReader) -> Draft:
    """Pair the samples of one shard and mix their reports.

    Donor and host share the finding, the view and the split, never the patient. For each finding a host gets up to
    `pairing.plans_per_host` donors; where only one direction of a pair passes the checks, only that one becomes a plan.
    """
    return _Drafting(samples, config, reader).run()


class _Drafting:
    def __init__(self, samples: Sequence[PlacedSample], config: Config, reader: ReportReader) -> None:
        self.samples, self.config, self.reader = samples, config, reader
        self.draft = Draft(reader.read_many([s.text for s in samples]))
        self._request_of: dict[tuple[int, str], int] = {}

    def run(self) -> Draft:
        allowed = [name for name in self.reader.findings if name not in self.config.pairing.exclude]
        matchable = {
            place: [name for name in allowed if report.labels.get(name) == "present"]
            for place, report in enumerate(self.draft.reports)
        }
        for finding, ring in rings(self.samples, matchable, self.config.seed):
            self._pair_up(finding, ring)
        self.draft.plans.sort(key=lambda p: (p.host, p.disease, p.donor))
        return self.draft

    def _pair_up(self, disease: str, ring: list[int]) -> None:
        wanted = self.config.pairing.plans_per_host
        donors: Counter[int] = Counter()
        for a, b in partners(ring, wanted):
            if self.samples[a].patient_id == self.samples[b].patient_id:
                continue
            if donors[a] >= wanted or donors[b] >= wanted:
                continue
            for host, donor in ((a, b), (b, a)):
                if self._try(disease, host, donor):
                    donors[host] += 1

    def _try(self, disease: str, host: int, donor: int) -> bool:
        lent = diagnostic_sentence(self.draft.reports[donor], disease)
        mix = "donor-poor" if lent is None else compose(self.draft.reports[host], lent, disease, self.reader)
        if isinstance(mix, str) or lent is None:
            self.draft.dropped[str(mix)] += 1
            return False
        host_id, donor_id = self.samples[host].sample_id, self.samples[donor].sample_id
        self.draft.plans.append(
            DraftPlan(
                plan_id=f"{keyed_hash(0, 'plan', host_id, donor_id, disease):016x}",
                disease=disease,
                host=host,
                donor=donor,
                host_request=self._request(host, disease),
                donor_request=self._request(donor, disease),
                lam=draw_lambda(self.config.plans.alpha, self.config.seed, host_id, donor_id, disease),
                mix=mix,
            )
        )
        return True

    def _request(self, place: int, disease: str) -> int:
        """One map serves a sample and finding in both roles: as a host's own lesion and as a donor's."""
        if (place, disease) not in self._request_of:
            self._request_of[place, disease] = len(self.draft.requests)
            sentence = own_sentence(self.draft.reports[place], disease)
            self.draft.requests.append(MapRequest(place, disease, sentence.text))
        return self._request_of[place, disease]


def own_sentence(report: Report, disease: str) -> Sentence:
    """The sentence in which a report says best that the finding is present: one that could be lent, else the first."""
    best = diagnostic_sentence(report, disease)
    return best or next(s for s in report.sentences if s.asserts(disease))


def draw_lambda(alpha: float, seed: int, host_id: str, donor_id: str, disease: str) -> float:
    """λ ~ Beta(α, α) in [0, 1], the share of the host that is kept, from a generator keyed by the plan alone."""
    key = keyed_hash(seed, "lambda", host_id, donor_id, disease)
    draw = np.random.Generator(np.random.Philox(key=key)).beta(alpha, alpha)
    return round(float(draw), 6)
