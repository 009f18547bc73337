"""What the fit minimises over sentences [S] × images [B] of which some pairs hold, some fail, and some are open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medcutmix_pipeline.stages.attention.relations import FAILS, HOLDS

if TYPE_CHECKING:
    from torch import Tensor


def contrastive_loss(logits: Tensor, target: Tensor) -> Tensor:
    """InfoNCE over logits float32 [S, B] in both directions, with targets int8 [S, B].

    Each pair that holds is set against the pairs of its sentence that fail, and against those of its image that fail.
    Pairs that hold are never set against each other, so that sentences of equal meaning do not repel, and open pairs do
    not count. Each sentence, and each image, weighs the same however many pairs it has.
    """
    holds = target == HOLDS
    failing = logits.masked_fill(target != FAILS, torch.finfo(logits.dtype).min / 4)
    return sum((_direction(logits, failing, holds, axis) for axis in (0, 1)), start=logits.new_zeros(()))


def _direction(logits: Tensor, failing: Tensor, holds: Tensor, axis: int) -> Tensor:
    against = torch.logsumexp(failing, axis, keepdim=True)
    each = torch.logaddexp(logits, against) - logits
    weight = holds / holds.sum(axis, keepdim=True).clamp(min=1)
    return (each * weight).sum() / weight.sum().clamp(min=1)
