"""What the fit minimises over sentences [S] × images [B] of which some pairs hold, some fail, and some are open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from medcutmix_pipeline.stages.attention.network import SHARPNESS
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


def side_loss(cosines: Tensor, columns: Tensor, half: Tensor, target: Tensor, contrast: Tensor) -> Tensor:
    """How much of what holds on one half of a picture is answered by patches of the other half.

    `cosines` float32 [S, B, P]; `columns` [B, P] are the patches' places from the middle, negative to the left; `half`
    int8 [S, B] has the sign of the half that the report names, 0 where it names none. Halves are scored like whole
    images and set against each other by their logits; mean over the pairs that hold and have a half, 0 without any.
    """
    sentence, image = torch.nonzero((target == HOLDS) & (half != 0), as_tuple=True)
    here = columns[image].sign() == half[sentence, image, None]
    both = here.any(1) & ~here.all(1)  # few patches, drawn by chance, may all lie on one half
    if not both.any():
        return cosines.new_zeros(())
    told, here = SHARPNESS * cosines[sentence[both], image[both]], here[both]
    on, off = (torch.logsumexp(told.masked_fill(~part, -torch.inf), 1) / SHARPNESS for part in (here, ~here))
    return F.softplus(contrast * (off - on)).mean()


def _direction(logits: Tensor, failing: Tensor, holds: Tensor, axis: int) -> Tensor:
    against = torch.logsumexp(failing, axis, keepdim=True)
    each = torch.logaddexp(logits, against) - logits
    weight = holds / holds.sum(axis, keepdim=True).clamp(min=1)
    return (each * weight).sum() / weight.sum().clamp(min=1)
