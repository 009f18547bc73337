"""Draft plans: all that can be said of a mix before anybody has looked at the images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from medcutmix_pipeline.hashing import framed, framed_hashes
from medcutmix_pipeline.stages.collector import collector_paused
from medcutmix_pipeline.stages.pairing.chance import draw_lambdas
from medcutmix_pipeline.stages.pairing.partners import partners, rings
from medcutmix_pipeline.stages.plans.compose import compose
from medcutmix_pipeline.stages.plans.donors import diagnostic_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.schemas.config import Config
    from medcutmix_pipeline.schemas.records import Mix, PlacedSample, Report
    from medcutmix_pipeline.stages.sentences.reader import ReportReader


class DraftPlan(NamedTuple):
    """A mix whose text passes the checks: places in the shard, and places of the two maps among the requests.

    A tuple, because a frozen dataclass takes four times as long to make, and a sample has some five of them.
    """

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
    with collector_paused():
        return _Drafting(samples, config, reader).run()


class _Drafting:
    def __init__(self, samples: Sequence[PlacedSample], config: Config, reader: ReportReader) -> None:
        self.samples, self.config, self.reader = samples, config, reader
        self.draft = Draft(reader.read_many([s.text for s in samples]))
        self._lent = [diagnostic_sentences(report) for report in self.draft.reports]
        self._pairs: list[tuple[int, str, int, Mix]] = []  # host, finding, donor

    def run(self) -> Draft:
        allowed = [name for name in self.reader.findings if name not in self.config.pairing.exclude]
        matchable = {
            place: [name for name in allowed if report.labels.get(name) == "present"]
            for place, report in enumerate(self.draft.reports)
        }
        for finding, ring in rings(self.samples, matchable, self.config.seed):
            self._pair_up(finding, ring)
        self._name_plans()
        return self.draft

    def _pair_up(self, disease: str, ring: list[int]) -> None:
        wanted = self.config.pairing.plans_per_host
        donors = dict.fromkeys(ring, 0)
        for a, b in partners(ring, wanted, donors):
            if self.samples[a].patient_id == self.samples[b].patient_id:
                continue
            for host, donor in ((a, b), (b, a)):
                if self._try(disease, host, donor):
                    donors[host] += 1

    def _try(self, disease: str, host: int, donor: int) -> bool:
        lent = self._lent[donor].get(disease)
        mix = "donor-poor" if lent is None else compose(self.draft.reports[host], lent, disease, self.reader)
        if isinstance(mix, str):
            self.draft.dropped[mix] += 1
            return False
        self._pairs.append((host, disease, donor, mix))
        return True

    def _name_plans(self) -> None:
        """Give each plan its name, its λ, and the maps that it needs."""
        samples = [framed(sample.sample_id) for sample in self.samples]
        diseases = {name: framed(name) for name in self.reader.findings}
        names = [samples[host] + samples[donor] + diseases[disease] for host, disease, donor, _ in self._pairs]
        ids = framed_hashes(0, "plan", names)
        lambdas = draw_lambdas(self.config.plans.alpha, framed_hashes(self.config.seed, "lambda", names))
        # One map serves a sample and finding in both roles: as a host's own lesion and as a donor's.
        request_of: dict[tuple[int, str], int] = {}
        ask = request_of.setdefault
        self.draft.plans = [
            DraftPlan(
                f"{plan_id:016x}",
                disease,
                host,
                donor,
                ask((host, disease), len(request_of)),
                ask((donor, disease), len(request_of)),
                lam,
                mix,
            )
            for (host, disease, donor, mix), plan_id, lam in zip(self._pairs, ids, lambdas, strict=True)
        ]
        self.draft.plans.sort(key=attrgetter("host", "disease", "donor"))
        self.draft.requests = [MapRequest(place, name, self._own_sentence(place, name)) for place, name in request_of]

    def _own_sentence(self, place: int, disease: str) -> str:
        """In which a report says best that the finding is present: one that could be lent, else the first."""
        best = self._lent[place].get(disease)
        return (best or next(s for s in self.draft.reports[place].sentences if s.asserts(disease))).text
