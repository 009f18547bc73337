"""Loaders of a test dataset, and whether their batches are the same."""

import torch

from medcutmix_pipeline.loader import MixLoader


def same(one, other):
    """Whether two batches are the same to the bit."""
    return (
        one.keys == other.keys
        and one.texts == other.texts
        and one.labels == other.labels
        and one.state == other.state
        and list(one.plan.plan_ids) == list(other.plan.plan_ids)
        and one.plan.draw == other.plan.draw
        and all(
            torch.equal(getattr(one.plan, f), getattr(other.plan, f))
            for f in ("donor", "active", "lam", "donor_map", "host_map", "study", "findings")
        )
        and torch.equal(one.images, other.images)
        and torch.equal(one.repeated, other.repeated)
    )


def all_same(batches, others):
    """Whether there are as many batches as others, some at least, and each is the same to the bit."""
    batches, others = list(batches), list(others)
    return len(batches) == len(others) > 0 and all(map(same, batches, others))


def loaders(dataset, world, batch=4, **options):
    return [
        MixLoader(dataset, batch, rank=r, world_size=world, mix=1.0, pool_shards=2, seed=9, **options)
        for r in range(world)
    ]
