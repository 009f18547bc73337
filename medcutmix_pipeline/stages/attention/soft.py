"""From cosines of patches with a sentence to a map, for encoders that were trained without one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

REFERENCE = "No abnormality is seen."
"""What a sentence is weighed against for its presence score, where a model gives similarities and not probabilities."""

_BINOMIAL = (0.25, 0.5, 0.25)


def soft_attention(cosines: Tensor, scale: float) -> Tensor:
    """Maps [S, h, w] with sum 1: the softmax over patches of the lightly smoothed cosines [S, h, w] times `scale`.

    `scale` is the model's own contrastive temperature, inverted. The smoothing is a 3 × 3 binomial filter with repeated
    edges: single patches of a vision transformer carry artefacts (arXiv 2309.16588).
    """
    kernel = torch.outer(*(torch.tensor(_BINOMIAL, dtype=torch.float32, device=cosines.device),) * 2)
    padded = F.pad(cosines.float()[:, None], (1, 1, 1, 1), mode="replicate")
    smooth = F.conv2d(padded, kernel[None, None])[:, 0]
    return torch.softmax((scale * smooth).flatten(1), -1).view(smooth.shape)


def presence_against_reference(sentence: Tensor, reference: Tensor, scale: float) -> Tensor:
    """Scores in [0, 1] from the cosines of an image with a sentence and with `REFERENCE`: a softmax over the two.

    The zero-shot classification by a positive and a negative prompt of CheXzero (doi:10.1038/s41551-022-00936-9).
    """
    return (scale * (sentence - reference).float()).sigmoid()
