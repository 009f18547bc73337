"""A pool: the samples of some shards, paired, shuffled together and dealt to batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.loader.epochs.matching import Atom, match_samples, pack, shuffled
from medcutmix_pipeline.loader.reading.courtesy import at_full_speed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medcutmix_pipeline.loader.epochs.epoch import Piece
    from medcutmix_pipeline.loader.reading.shard import Plan, Sample, Shard

_ROUND = 8
"""Epochs in which partners meet again only where there is no new pair. A longer round costs more to replay."""


@dataclass(frozen=True)
class Draws:
    """What chance has for each sample of a shard in an epoch, in the shard's order.

    Attributes:
        mixed: whether it is mixed where its partner comes into its batch.
        which: in [0, 1), which of several plans with the partner it follows.
        lam: its λ; None: the plan's own.
    """

    mixed: list[bool]
    which: list[float]
    lam: list[float] | None


@dataclass(frozen=True)
class Chance:
    """All that is left to chance in an epoch; every generator is keyed with what it is for, so no order matters.

    Attributes:
        seed, epoch: as the user gives them.
        share: probability with which a host that has a partner is mixed.
        alpha: λ is drawn from Beta(α, α) for each host and epoch; None: the plan's own λ is taken.
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

    def draws(self, shard: Shard) -> Draws:
        """The draws for a shard's samples, the same for whoever reads it in this epoch."""
        rng, samples = self.generator("loader.draws", shard.name), len(shard.samples)
        mixed, which = rng.random(samples) < self.share, rng.random(samples)
        lam = None if self.alpha is None else rng.beta(self.alpha, self.alpha, samples).tolist()
        return Draws(mixed.tolist(), which.tolist(), lam)


class Drawn(NamedTuple):
    """A sample on its way into a batch, and the draws of its shard."""

    sample: Sample
    repeats: bool
    draws: Draws


class Row(NamedTuple):
    """A row of a batch before it is decoded.

    `donor` is the row in the batch from which this one takes by `plan`, keeping `lam` of itself; None where it is not
    mixed. `partner` is the key that two partners share and nobody else: transforms draw from it, so that both are
    cropped alike.
    """

    sample: Sample
    partner: str
    repeats: bool = False
    donor: int | None = None
    plan: Plan | None = None
    lam: float = 1.0

    def unmixed(self) -> Row:
        """The row as it is where nothing is mixed into it."""
        return self._replace(donor=None, plan=None, lam=1.0)


def piece_atoms(
    shard: Shard, piece: Piece, chance: Chance, pause: Callable[[], None] = at_full_speed
) -> list[Atom[Drawn]]:
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
        atoms = match_samples(shard.edges, len(shard.samples), draws, pause)
    taken = pack(atoms, piece.sizes)[piece.index] if len(piece.sizes) > 1 else atoms
    drawn = chance.draws(shard)
    return [tuple([Drawn(shard.samples[i], piece.repeats, drawn) for i in atom]) for atom in taken]


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
    atoms = [atom for piece, shard in pieces for atom in piece_atoms(shard, piece, chance, pause)]
    if chance.shuffle:
        atoms = shuffled(atoms, chance.generator("loader.pool", name))
    total = sum(map(len, atoms))
    batches = []
    for taken in pack(atoms, [batch] * (total // batch)):
        batches.append(_rows(taken))
        pause()
    return batches


def _rows(atoms: Sequence[Atom[Drawn]]) -> list[Row]:
    rows: list[Row] = []
    for atom in atoms:
        if len(atom) == 1:
            rows.append(Row(atom[0].sample, atom[0].sample.key, atom[0].repeats))
            continue
        one, other = atom
        shared, place = min(one.sample.key, other.sample.key), len(rows)
        rows.append(_row(one, other.sample, shared, place + 1))
        rows.append(_row(other, one.sample, shared, place))
    return rows


def _row(host: Drawn, donor: Sample, shared: str, donor_row: int) -> Row:
    """The row of a sample beside its partner, from whom it takes where chance and plans have it so."""
    sample, draws = host.sample, host.draws
    plans = sample.plans_with(donor.place) if draws.mixed[sample.place] else ()
    if not plans:
        return Row(sample, shared, host.repeats)
    plan = sample.plan(plans[int(draws.which[sample.place] * len(plans))])
    lam = plan.lam if draws.lam is None else draws.lam[sample.place]
    return Row(sample, shared, host.repeats, donor_row, plan, lam)
