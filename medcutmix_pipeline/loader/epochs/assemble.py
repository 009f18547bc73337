"""From the rows of a batch to its tensors: decoding on many threads into one buffer, then texts and plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch

from medcutmix_pipeline.loader.batch import MixBatch
from medcutmix_pipeline.loader.epochs.planned import batch_plan
from medcutmix_pipeline.loader.epochs.pool import Row
from medcutmix_pipeline.loader.reading.courtesy import at_full_speed
from medcutmix_pipeline.loader.reading.decode import Undecodable, decode_into, decode_maps
from medcutmix_pipeline.loader.reading.shard import mixed_text
from medcutmix_pipeline.loader.reading.tar import ShardError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Executor, Future

    from numpy.typing import NDArray
    from torch import Tensor

    from medcutmix_pipeline.loader.epochs.common import Common
    from medcutmix_pipeline.loader.epochs.pool import Chance

Texts = Literal["mixed", "original", "appended"]


class Transform(Protocol):
    """Changes an image, and the maps that belong to it along with it."""

    def __call__(self, image: Tensor, maps: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Image uint8 [1, H, W] and maps uint8 [k, h, w] (k from 0 to 2) to the same after the change.

        All images must leave with the same size and dtype, maps with the shape in which they came. Draw from `rng`
        only: partners get the same numbers, so that a crop takes both from the same place, and so does a replay.
        """


@dataclass(frozen=True)
class Wishes:
    """What the user asked of a batch."""

    image_size: int | None
    max_pixels: int
    texts: Texts
    findings: Sequence[str]
    skip: bool
    transform: Transform | None = None
    tokenizer: Callable[[list[str]], Mapping[str, Any]] | None = None
    normalize: tuple[Sequence[float] | float, Sequence[float] | float] | None = None
    pin_memory: bool = False


@dataclass
class Decoded:
    """What a thread made of a row: the changed image where there is a transform, and the maps that are asked of it."""

    image: Tensor | None = None
    host_map: NDArray[np.uint8] | None = None
    lent_map: NDArray[np.uint8] | None = None
    problem: str | None = None


@dataclass
class Pending:
    """A batch whose rows are being decoded."""

    rows: list[Row]
    pixels: Tensor
    common: Common
    decoding: list[Future[list[Decoded]]]


def start_batch(
    rows: list[Row],
    pixels: Tensor,
    common: Common,
    wishes: Wishes,
    chance: Chance,
    executor: Executor,
    threads: int,
) -> Pending:
    """Begin to decode a batch into `pixels`, uint8 [B, 1, H, W]."""
    lent = {row.donor: row.plan.donor_map for row in rows if row.donor is not None and row.plan is not None}
    share = max(1, -(-len(rows) // (2 * threads)))
    arrays = pixels[:, 0].numpy()

    def decode(first: int) -> list[Decoded]:
        numbers = range(first, min(first + share, len(rows)))
        return [_decode(rows[i], lent.get(i), arrays[i], common.grid, wishes, chance) for i in numbers]

    return Pending(rows, pixels, common, [executor.submit(decode, i) for i in range(0, len(rows), share)])


def finish_batch(
    pending: Pending, wishes: Wishes, chance: Chance, number: int, pause: Callable[[], None] = at_full_speed
) -> MixBatch:
    """Wait for a batch's rows and put them together; `pause` is called between the steps.

    Raises:
        ShardError: a sample cannot be used, with shard and key; with `wishes.skip` only where none of the pool can.
        UsageError: the transform changed the shape of maps.
    """
    decoded = [row for part in pending.decoding for row in part.result()]
    rows = pending.rows
    skipped = [
        f"shard {r.sample.shard}, sample {r.sample.key}: {d.problem}"
        for r, d in zip(rows, decoded, strict=True)
        if d.problem
    ]
    if skipped:
        if not wishes.skip:
            raise ShardError(skipped[0])
        if len(skipped) == len(rows):
            _fetch_stand_in(pending, decoded, wishes, chance)
    images = _images(pending.pixels, decoded)
    if skipped:
        rows, images = _replaced(rows, images, decoded)
    pause()
    labels = [dict(row.plan.labels if row.plan else row.sample.labels) for row in rows]
    pause()
    plan = batch_plan(rows, labels, decoded, pending.common.grid, wishes.findings, chance, number, pause)
    pause()
    original = [row.sample.text for row in rows]
    texts = _texts(rows, original, wishes.texts)
    pause()
    batch = MixBatch(
        images=images,
        texts=texts,
        original_texts=original,
        keys=[row.sample.key for row in rows],
        labels=labels,
        plan=plan,
        repeated=torch.tensor([row.repeats for row in rows]),
        tokens=wishes.tokenizer(texts) if wishes.tokenizer else None,
        skipped=skipped,
    )
    if wishes.normalize is not None:
        mean, std = wishes.normalize
        channels = max(np.size(mean), np.size(std))
        batch = replace(batch, images=batch.normalised(mean, std, channels).contiguous())
    return batch.pin_memory() if wishes.pin_memory else batch


def _texts(rows: Sequence[Row], original: list[str], which: Texts) -> list[str]:
    if which == "original":
        return original
    mixed = [mixed_text(row.sample.text, row.plan) if row.plan else row.sample.text for row in rows]
    return mixed if which == "mixed" else original + [text for text, row in zip(mixed, rows, strict=True) if row.plan]


def _decode(
    row: Row, lent: int | None, pixels: NDArray[np.uint8], grid: tuple[int, int], wishes: Wishes, chance: Chance
) -> Decoded:
    sample = row.sample
    if sample.problem is not None:
        return Decoded(problem=sample.problem)
    made = Decoded()
    try:
        decode_into(sample, pixels, wishes.max_pixels, resize=wishes.image_size is not None)
        if row.plan is not None or lent is not None:
            maps = decode_maps(sample)
            if maps.shape[1:] != grid:
                raise Undecodable("its maps and others have not the same size: load datasets of two encoders apart")
            made.host_map = maps[row.plan.host_map] if row.plan is not None else None
            made.lent_map = maps[lent] if lent is not None else None
    except Undecodable as why:
        return Decoded(problem=str(why))
    if wishes.transform is not None:
        _change(made, pixels, wishes.transform, chance.generator("loader.transform", row.partner))
    return made


def _change(made: Decoded, pixels: NDArray[np.uint8], transform: Transform, rng: np.random.Generator) -> None:
    asked = [m for m in (made.host_map, made.lent_map) if m is not None]
    maps = torch.from_numpy(np.stack(asked)) if asked else torch.zeros((0, 1, 1), dtype=torch.uint8)
    made.image, moved = transform(torch.from_numpy(pixels.copy())[None], maps, rng)
    left = list(moved.numpy())
    made.host_map = left.pop(0) if made.host_map is not None else None
    made.lent_map = left.pop(0) if made.lent_map is not None else None


def _images(pixels: Tensor, decoded: Sequence[Decoded]) -> Tensor:
    changed = next((d.image for d in decoded if d.image is not None), None)
    if changed is None:
        return pixels
    return torch.stack([torch.zeros_like(changed) if d.image is None else d.image for d in decoded])


def _fetch_stand_in(pending: Pending, decoded: list[Decoded], wishes: Wishes, chance: Chance) -> None:
    """Where no row of a batch can be read: put another sample of the pool in its first place."""
    for sample in pending.common.usable:
        row = Row(sample, sample.key, repeats=True)
        made = _decode(row, None, pending.pixels[0, 0].numpy(), pending.common.grid, wishes, chance)
        if made.problem is None:
            pending.rows[0], decoded[0] = row, made
            return
    sample = pending.rows[0].sample
    raise ShardError(f"shard {sample.shard}, sample {sample.key}: {decoded[0].problem}; nor can any other of its pool")


def _replaced(rows: list[Row], images: Tensor, decoded: Sequence[Decoded]) -> tuple[list[Row], Tensor]:
    """Rows that could not be read become unmixed copies of others; hosts that would take from them stay as they are."""
    good = [i for i, d in enumerate(decoded) if d.problem is None]
    bad = {i for i, d in enumerate(decoded) if d.problem is not None}
    whole = []
    for i, row in enumerate(rows):
        if i in bad:
            stand_in = good[i % len(good)]
            images[i] = images[stand_in]
            whole.append(rows[stand_in].unmixed()._replace(repeats=True))
        elif row.donor in bad:
            whole.append(row.unmixed())
        else:
            whole.append(row)
    return whole, images
