"""A pool: the samples of some shards, paired, shuffled together and dealt to batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.hashing import keyed_hash, keyed_unit
from medcutmix_pipeline.loader.epochs.matching import Atom, match_samples, pack, shuffled
from medcutmix_pipeline.loader.reading.courtesy import at_full_speed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medcutmix_pipeline.loader.epochs.epoch import Piece
    from medcutmix_pipeline.loader.reading.shard import Plan, Sample, Shard

_ROUND = 8
"""Epochs in which partners meet again only where there is no new pair. A longer round costs more to replay."""


@dataclass(frozen=True)
class Chance:
    """All that is left to chance in an epoch; every draw is a keyed hash of what it is for, so no order matters.

    Attributes:
        seed, epoch: as the user gives them.
        share: probability with which a host that has a partner is mixed.
        alpha: λ is drawn from Beta(α, α) for each plan and epoch; None: the plan's own λ is taken.
        shuffle: False keeps the order of the shards; nothing is paired then.
    """

    seed: int
    epoch: int
    share: float
    alpha: float | None
    shuffle: bool = True

    def generator(self, purpose: str, *names: str) -> np.random.Generator:
        """A generator that depends on seed, epoch, purpose and names alone."""
        return np.random.Generator(np.random.Philox(key=keyed_hash(self.seed, purpose, str(self.epoch), *names)))

    def mixes(self, plan: Plan) -> bool:
        """Whether a host whose partner came into the batch is mixed in this epoch."""
        return keyed_unit(self.seed, "loader.mix", str(self.epoch), plan.plan_id) < self.share

    def lam(self, plan: Plan) -> float:
        """λ of a plan in this epoch."""
        if self.alpha is None:
            return plan.lam
        if self.alpha == 1:
            return keyed_unit(self.seed, "loader.lambda", str(self.epoch), plan.plan_id)
        return float(self.generator("loader.lambda", plan.plan_id).beta(self.alpha, self.alpha))


@dataclass(frozen=True)
class Row:
    """A row of a batch before it is decoded.

    `donor` is the row in the batch from which this one takes by `plan`; None where it is not mixed. `partner` is the
    key that two partners share and nobody else: transforms draw from it, so that both are cropped alike.
    """

    sample: Sample
    partner: str
    repeats: bool = False
    donor: int | None = None
    plan: Plan | None = None


def piece_atoms(
    shard: Shard, piece: Piece, chance: Chance, pause: Callable[[], None] = at_full_speed
) -> list[Atom[Sample]]:
    """What a piece holds of its shard in this epoch: pairs and single samples, in random order.

    The matching covers the whole shard and is cut where the epoch's layout says; every piece of the shard, on whatever
    rank, comes from the same matching.
    """
    if not chance.shuffle or chance.share == 0:
        numbers = range(len(shard.samples))
        singles: list[Atom[int]] = [(i,) for i in numbers]
        atoms = shuffled(singles, chance.generator("loader.order", shard.name)) if chance.shuffle else singles
    else:
        first = chance.epoch - chance.epoch % _ROUND
        epochs = [replace(chance, epoch=epoch) for epoch in range(first, chance.epoch + 1)]
        draws = [epoch.generator("loader.match", shard.name) for epoch in epochs]
        atoms = match_samples(shard.samples, draws, pause, shard.edges)
    taken = pack(atoms, piece.sizes)[piece.index] if len(piece.sizes) > 1 else atoms
    return [tuple(shard.samples[i] for i in atom) for atom in taken]


def pool_batches(
    pieces: Sequence[tuple[Piece, Shard]],
    chance: Chance,
    batch: int,
    name: str,
    pause: Callable[[], None] = at_full_speed,
) -> list[list[Row]]:
    """The batches of a pool, each of exactly `batch` rows, partners always together.

    `name` tells this pool from others of the epoch. `pause` is called after every batch and now and then before.
    """
    atoms = [
        tuple((sample, piece.repeats) for sample in atom)
        for piece, shard in pieces
        for atom in piece_atoms(shard, piece, chance, pause)
    ]
    if chance.shuffle:
        atoms = shuffled(atoms, chance.generator("loader.pool", name))
    total = sum(map(len, atoms))
    batches = []
    for taken in pack(atoms, [batch] * (total // batch)):
        batches.append(_rows(taken, chance))
        pause()
    return batches


def _rows(atoms: Sequence[Atom[tuple[Sample, bool]]], chance: Chance) -> list[Row]:
    rows: list[Row] = []
    for atom in atoms:
        shared = min(sample.key for sample, _ in atom)
        for place, (sample, repeats) in enumerate(atom):
            donor = atom[1 - place][0] if len(atom) == 2 else None
            plan = _plan(sample, donor, chance) if donor is not None else None
            row = len(rows) + (1 - 2 * place) if plan is not None else None
            rows.append(Row(sample, shared, repeats, row, plan))
    return rows


def _plan(host: Sample, donor: Sample, chance: Chance) -> Plan | None:
    """The plan by which a host takes from its partner in this epoch; None where it stays as it is."""
    plans = host.plans_with(donor.place)
    if not plans:
        return None
    drawn = keyed_unit(chance.seed, "loader.plan", str(chance.epoch), host.key) if len(plans) > 1 else 0.0
    plan = plans[int(drawn * len(plans))]
    return plan if chance.mixes(plan) else None
