"""Patients on whom a fit does not learn, the loss on them as it goes on, and when that says to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from numpy.random import Generator, Philox

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.stages.attention.losses import contrastive_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from medcutmix_pipeline.stages.attention.corpus import Corpus, Pair
    from medcutmix_pipeline.stages.attention.network import PatchAttention

    Weights = dict[str, Tensor]

_FEWEST, _MOST, _IMAGES = 8, 100, 128
"""Patients with a diagnostic sentence, below which nothing is held out; patients that are enough; images looked at."""

LOOKS, PATIENCE, WORSE = 20, 5, 1.25
"""How often a fit of any length looks at its held-out part; so many looks in a row with a loss so much above the lowest
end it. The loss may rise a little, by growing certainty, while maps still become better."""


@dataclass(slots=True)
class Course:
    """How a fit went: what the run log tells of it.

    `held_out` is the number of patients held out; `held_out_curve` has (step, loss on them), and shows over-fitting
    where it rises; `kept` is the step whose weights were saved, and `stopped` the step at which the fit ended early,
    None where it did not.
    """

    held_out: int = 0
    held_out_curve: list[tuple[int, float]] = field(default_factory=list)
    kept: int = 0
    stopped: int | None = None


def hold_out(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Pairs to learn from, and pairs of held-out patients: a `share` of all patients, by keyed hash.

    Nothing is held out where that part would be too small to tell anything.
    """
    patients = sorted({p.patient for p in pairs}, key=lambda name: (keyed_hash(seed, "held-out", name), name))
    held = set(patients[: min(round(share * len(patients)), _MOST)])
    if len({p.patient for p in pairs if p.patient in held and p.sentence and p.findings}) < _FEWEST:
        held = set()
    return [p for p in pairs if p.patient not in held], [p for p in pairs if p.patient in held]


class Examination:
    """The loss of a model on held-out pairs, always of the same images, sentences and sides, without variation."""

    def __init__(self, images: NDArray[np.uint8], corpus: Corpus, vague: float, device: torch.device) -> None:
        batch = corpus.draw(Generator(Philox(key=0)), _IMAGES, vague)
        pixels = torch.from_numpy(images[batch.images])[:, None].float() / 255
        mirrored = torch.from_numpy(batch.mirrored)[:, None, None, None]
        pixels = torch.where(mirrored, pixels.flip(3), pixels).to(device)
        self._pixels = pixels.contiguous(memory_format=torch.channels_last)
        self._words = torch.from_numpy(batch.words).to(device)
        self._target = torch.from_numpy(batch.target).to(device)

    @torch.no_grad()
    def loss(self, model: PatchAttention) -> float:
        """Of a model in evaluation mode."""
        cosines = torch.einsum("sd,bpd->sbp", model.encode_sentences(self._words), model.encode_images(self._pixels))
        return float(contrastive_loss(model.contrast_logits(model.pooled(cosines)), self._target))


class Best:
    """The weights with the lowest loss so far, and whether the fit has left them behind for good."""

    def __init__(self, course: Course) -> None:
        self._course, self._lowest, self._since = course, float("inf"), 0
        self.weights: Weights = {}

    def is_past(self, step: int, loss: float, weights: Weights) -> bool:
        """Note a step's loss → whether it was far above the lowest for `PATIENCE` looks."""
        self._course.held_out_curve.append((step, round(loss, 4)))
        self._since = self._since + 1 if loss > WORSE * self._lowest else 0
        if loss < self._lowest:
            self._lowest, self._course.kept = loss, step
            self.weights = {name: value.clone() for name, value in weights.items()}
        return self._since >= PATIENCE
