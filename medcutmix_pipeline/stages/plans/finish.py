"""From draft plans and maps to the plans that are written: weak maps leave, and all is numbered within its sample."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.schemas.records import AttentionMap, Plan
from medcutmix_pipeline.stages.attention.maps import finish_map, map_area

if TYPE_CHECKING:
    import numpy.typing as npt

    from medcutmix_pipeline.schemas.config import PlansConfig
    from medcutmix_pipeline.stages.attention.encoder import Attention
    from medcutmix_pipeline.stages.pairing.draft import Draft, DraftPlan


@dataclass(frozen=True)
class Attended:
    """The answers to a draft's requests, in their order.

    `maps` is uint8 [S, h, w], each with peak 255; `scores` float32 [S] in [0, 1].
    """

    maps: npt.NDArray[np.uint8]
    scores: npt.NDArray[np.float32]

    @classmethod
    def of(cls, seen: Attention, mass: float) -> Attended:
        """An encoder's answers in the form in which they are stored; `mass` as in `finish_map`."""
        maps = [finish_map(attention, mass) for attention in seen.maps]
        # Rounded, so that the last bits of a sum, which differ between processors, do not show.
        scores = np.round(seen.scores.astype(np.float64), 4).astype(np.float32)
        return cls(np.stack(maps) if maps else np.zeros((0, 1, 1), np.uint8), scores)


@dataclass
class SamplePlans:
    """What one sample carries: its maps, their pixels (uint8 [S, h, w]) and the plans in which it is the host."""

    maps: list[AttentionMap]
    pixels: npt.NDArray[np.uint8]
    plans: list[Plan]


@dataclass
class FinishedPlans:
    """The plans of one shard by host, and the mixes dropped so far, by reason."""

    by_sample: list[SamplePlans]
    dropped: Counter[str]


def finish_plans(draft: Draft, attended: Attended, config: PlansConfig) -> FinishedPlans:
    """Drop plans whose donor map is too weak, too small or too large, and keep just the maps that a plan needs.

    Reasons: `presence-low`, `map-too-small`, `map-too-large`.
    """
    dropped = Counter(draft.dropped)
    kept: list[DraftPlan] = []
    areas = [map_area(m) for m in attended.maps]
    for plan in draft.plans:
        reason = _weakness(areas[plan.donor_request], float(attended.scores[plan.donor_request]), config)
        if reason is None:
            kept.append(plan)
        else:
            dropped[reason] += 1
    requests = sorted({r for plan in kept for r in (plan.host_request, plan.donor_request)})
    place_in_sample, by_sample = _maps_by_sample(draft, attended, requests)
    for plan in kept:
        by_sample[plan.host].plans.append(
            Plan(
                plan_id=plan.plan_id,
                disease=plan.disease,
                host=plan.host,
                donor=plan.donor,
                host_map=place_in_sample[plan.host_request],
                donor_map=place_in_sample[plan.donor_request],
                lam=plan.lam,
                mix=plan.mix,
            )
        )
    return FinishedPlans(by_sample, dropped)


def _weakness(area: float, score: float, config: PlansConfig) -> str | None:
    if score < config.min_presence:
        return "presence-low"
    if area < config.min_map_area:
        return "map-too-small"
    if area > config.max_map_area:
        return "map-too-large"
    return None


def _maps_by_sample(draft: Draft, attended: Attended, requests: list[int]) -> tuple[dict[int, int], list[SamplePlans]]:
    own: dict[int, list[int]] = defaultdict(list)
    place_in_sample: dict[int, int] = {}
    for request in sorted(requests, key=lambda r: (draft.requests[r].sample, draft.requests[r].disease)):
        sample = draft.requests[request].sample
        place_in_sample[request] = len(own[sample])
        own[sample].append(request)
    by_sample = []
    for sample in range(len(draft.reports)):
        maps = [
            AttentionMap(draft.requests[r].disease, draft.requests[r].sentence, float(attended.scores[r]))
            for r in own[sample]
        ]
        by_sample.append(SamplePlans(maps, attended.maps[own[sample]], []))
    return place_in_sample, by_sample
