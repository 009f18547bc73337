"""From the rows of a batch to its tensors: decoding on many threads into one buffer, then texts and plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.loader.batch import MixBatch
from medcutmix_pipeline.loader.epochs.decoding import Decoded, decode_row, images_of
from medcutmix_pipeline.loader.epochs.planned import batch_plan
from medcutmix_pipeline.loader.epochs.pool import Row
from medcutmix_pipeline.loader.reading.courtesy import at_full_speed
from medcutmix_pipeline.loader.reading.shard import mixed_text
from medcutmix_pipeline.loader.reading.tar import ShardError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor, Future

    from torch import Tensor

    from medcutmix_pipeline.loader.epochs.common import Common
    from medcutmix_pipeline.loader.epochs.pool import Chance
    from medcutmix_pipeline.loader.epochs.wishes import Texts, Wishes


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
        return [decode_row(rows[i], lent.get(i), arrays[i], common.grid, wishes, chance) for i in numbers]

    return Pending(rows, pixels, common, [executor.submit(decode, i) for i in range(0, len(rows), share)])


def finish_batch(
    pending: Pending, wishes: Wishes, chance: Chance, number: int, pause: Callable[[], None] = at_full_speed
) -> MixBatch:
    """Wait for a batch's rows and put them together; `pause` is called between the steps.

    Raises:
        ShardError: a sample cannot be used, with shard and key; with `wishes.skip` only where none of the pool can.
        UsageError: what the transform or the tokenizer gives does not fit.
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
    images = images_of(pending.pixels, decoded)
    if skipped:
        rows, images = _replaced(rows, images, decoded)
    pause()
    own = [row.sample.labels for row in rows]
    labels = own if wishes.texts == "original" else [row.plan.labels if row.plan else row.sample.labels for row in rows]
    pause()
    plan = batch_plan(rows, labels, own, decoded, pending.common.grid, wishes.findings, chance, number, pause)
    pause()
    original = [row.sample.text for row in rows]
    texts = _texts(rows, original, wishes.texts)
    if wishes.texts == "appended":
        labels = own + [row.plan.labels for row in rows if row.plan]
    pause()
    tokens = wishes.tokenizer(texts) if wishes.tokenizer else None
    if tokens is not None and not isinstance(tokens, Mapping):
        raise UsageError(
            f"the tokenizer gives a {type(tokens).__name__}, where names are needed: "
            "tokenizer=lambda texts: {'input_ids': tokenize(texts)}"
        )
    batch = MixBatch(
        images=images,
        texts=texts,
        original_texts=original,
        keys=[row.sample.key for row in rows],
        labels=[dict(told) for told in labels],
        plan=plan,
        repeated=torch.tensor([row.repeats for row in rows]),
        tokens=tokens,
        skipped=skipped,
    )
    if wishes.normalize is not None:
        if images.dtype != torch.uint8:
            raise UsageError(f"the transform gives {images.dtype}: leave normalize out, or let it give torch.uint8")
        mean, std = wishes.normalize
        channels = max(np.size(mean), np.size(std))
        batch = replace(batch, images=batch.normalised(mean, std, channels).contiguous())
    return batch.pin_memory() if wishes.pin_memory else batch


def _texts(rows: Sequence[Row], original: list[str], which: Texts) -> list[str]:
    if which == "original":
        return original
    mixed = [mixed_text(row.sample.text, row.plan) if row.plan else row.sample.text for row in rows]
    return mixed if which == "mixed" else original + [text for text, row in zip(mixed, rows, strict=True) if row.plan]


def _fetch_stand_in(pending: Pending, decoded: list[Decoded], wishes: Wishes, chance: Chance) -> None:
    """Where no row of a batch can be read: put another sample of the pool in its first place."""
    for sample in pending.common.usable:
        row = Row(sample, sample.key, repeats=True)
        made = decode_row(row, None, pending.pixels[0, 0].numpy(), pending.common.grid, wishes, chance)
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
