"""What there is to see of a plan or a sample: images, maps and words, gathered from tables and shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from medcutmix_pipeline.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medcutmix_pipeline.dataset.members import Member
    from medcutmix_pipeline.dataset.open import Dataset

Row = dict[str, Any]


@dataclass(frozen=True)
class PlanView:
    """A plan to look at.

    Attributes:
        row: of the plans table.
        host, donor, mix: 8-bit greyscale; the mix is what a trainer sees that mixes pixels softly (`shards.pixel`).
        host_map, donor_map: uint8 [h, w], peak 255, of the sentence that is cut and of the one that is put in.
    """

    row: Row
    host: Image.Image
    donor: Image.Image
    host_map: NDArray[np.uint8]
    donor_map: NDArray[np.uint8]
    mix: Image.Image


@dataclass(frozen=True)
class SampleView:
    """A sample to look at: its row of the samples table, its image, and (map, what the record says of it) pairs."""

    row: Row
    image: Image.Image
    maps: list[tuple[NDArray[np.uint8], Row]]


def view(dataset: Dataset, identifier: str) -> PlanView | SampleView:
    """The plan or the sample of that id.

    Raises:
        UsageError: there is neither.
        DataError: a shard is damaged.
    """
    plans = dataset.plans.where("plan_id", [identifier])
    return view_plan(dataset, plans[0]) if plans else view_sample(dataset, dataset.sample(identifier))


def view_plan(dataset: Dataset, row: Row) -> PlanView:
    """Read both samples of a plan and carry it out on the pixels.

    Raises:
        DataError: a shard is damaged, or does not hold what the plan names.
    """
    from medcutmix_pipeline.stages.pixel.mix import mix_pixels  # brings torch, which takes seconds

    host, donor = dataset.member(row["host_id"]), dataset.member(row["donor_id"])
    try:
        told = next(p for p in host.record["plans"] if p["plan_id"] == row["plan_id"])
        host_map, donor_map = host.maps[told["host_map"]], donor.maps[told["donor_map"]]
    except (KeyError, IndexError, StopIteration, TypeError):
        raise DataError(
            f"{dataset.folder}: plan {row['plan_id']} does not fit its shard: `medcutmix-pipeline validate` says more"
        ) from None
    mixed = mix_pixels(np.asarray(host.image), np.asarray(donor.image), donor_map, row["lambda"])
    return PlanView(row, host.image, donor.image, host_map, donor_map, Image.fromarray(mixed))


def view_sample(dataset: Dataset, row: Row) -> SampleView:
    """Read a sample. Raises DataError where its shard is damaged."""
    member: Member = dataset.member(row["sample_id"])
    return SampleView(row, member.image, list(zip(member.maps, member.record.get("maps", []), strict=False)))
