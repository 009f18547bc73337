"""One network of a fit as it learns: its steps, its share of chance, and the average of its weights."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.random import Generator, Philox
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from medcutmix_pipeline.stages.attention.augment import forget_words, some_of, vary_images
from medcutmix_pipeline.stages.attention.calibration import calibrate
from medcutmix_pipeline.stages.attention.losses import contrastive_loss, side_loss
from medcutmix_pipeline.stages.attention.muon import Muon
from medcutmix_pipeline.stages.attention.network import PatchAttention
from medcutmix_pipeline.stages.attention.relations import HOLDS, OPEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from medcutmix_pipeline.schemas.config import FitConfig
    from medcutmix_pipeline.stages.attention.corpus import Batch, Corpus

_AVERAGE, _CLIP, _CALIBRATION_BATCHES = 0.98, 1.0, 12
_SENTENCE_STEPS, _SENTENCES_AT_ONCE, _SENTENCE_RATE, _SENTENCE_SCALE = 200, 128, 5e-3, 5.0

_SIDES = 0.2
"""Weight of the loss that keeps answers on the side which the report names."""

_KERNELS_FASTER = 20 / 3
"""Muon's learning rate over AdamW's: its steps do not grow with the gradients."""


class Learner:
    """A network that learns from batches of its own, and beside it `kept`, which has the average of its weights.

    `images` are uint8 [N, s, s], the rows that the corpus names; `key` decides all that is left to chance.
    """

    def __init__(
        self, images: NDArray[np.uint8], corpus: Corpus, config: FitConfig, key: int, device: torch.device
    ) -> None:
        self._images, self._corpus, self._config, self._device = images, corpus, config, device
        self._draws, self._chance = Generator(Philox(key=key)), torch.Generator().manual_seed(key >> 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key >> 1)
            self._model = PatchAttention(len(corpus.vocabulary), config.width, config.image_size)
            self._head = nn.Linear(config.width, corpus.claims.shape[1])
        self._optimizers: dict[torch.optim.Optimizer, float] = {}
        self._averages: list[Tensor] = []
        self._weights: list[Tensor] = []
        self.kept = self._model

    def learn_sentences(self) -> None:
        """What sentences claim, before any image: findings, sides and zones from the words.

        It costs seconds, and from then on sentences of equal meaning ask alike: the images need not teach the words.
        """
        corpus, tower, head = self._corpus, self._model.sentences, self._head
        optimizer = torch.optim.AdamW([*tower.parameters(), *head.parameters()])
        for step in range(_SENTENCE_STEPS):
            rows = self._draws.choice(len(corpus.told), min(_SENTENCES_AT_ONCE, len(corpus.told)), replace=False)
            words = corpus.vocabulary.encode([corpus.told[k].sentence for k in rows])
            queries = self._model.encode_sentences(forget_words(torch.from_numpy(words), self._chance))
            claims = torch.from_numpy(corpus.claims[rows])
            loss = F.binary_cross_entropy_with_logits(head(_SENTENCE_SCALE * queries), claims)
            _step({optimizer: 1.0}, loss, _SENTENCE_RATE * pace(step, _SENTENCE_STEPS), tower)
        self._model.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs
        self._optimizers = _optimizers(self._model)
        self.kept = copy.deepcopy(self._model).eval()
        self._averages, self._weights = _numbers_of(self.kept), _numbers_of(self._model)

    def learn(self, vague: float, rate: float) -> float:
        """One step at a learning rate, a share `vague` of the sentences asked without places → the loss before it."""
        model, cells = self._model, self._config.image_size // 4
        batch, pixels, words = self._drawn(vague)
        target, half = (torch.from_numpy(a).to(self._device) for a in (batch.target, batch.half))
        shown = some_of(len(pixels), cells, self._chance).to(self._device)
        patches = model.encode_images(pixels, shown)
        columns = shown % cells - (cells - 1) / 2
        cosines = torch.einsum("sd,bpd->sbp", model.encode_sentences(words), patches)
        loss = contrastive_loss(model.contrast_logits(model.pooled(cosines)), target)
        loss = loss + _SIDES * side_loss(cosines, columns, half, target, model.contrast.exp())
        _step(self._optimizers, loss, rate, model)
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, self._weights, 1 - _AVERAGE)
        return loss.item()

    @torch.no_grad()
    def calibrate(self, vague: float) -> None:
        """Set what presence scores of the kept network mean, by batches like those of the fit."""
        model, scores, holds = self.kept, [], []
        for _ in range(_CALIBRATION_BATCHES):
            batch, pixels, words = self._drawn(vague)
            judged = batch.target != OPEN
            cosines = torch.einsum("sd,bpd->sbp", model.encode_sentences(words), model.encode_images(pixels))
            scores.append(model.pooled(cosines).double().cpu().numpy()[judged])
            holds.append(batch.target[judged] == HOLDS)
        model.belief.copy_(torch.tensor(calibrate(np.concatenate(scores), np.concatenate(holds))))

    def _drawn(self, vague: float) -> tuple[Batch, Tensor, Tensor]:
        """A batch, its images as they are shown float32 [B, 1, s, s], and its words, some of them forgotten [S, L]."""
        batch = self._corpus.draw(self._draws, self._config.batch, vague)
        pixels = torch.from_numpy(self._images[batch.images]).to(self._device)[:, None].float() / 255
        varied = vary_images(pixels, batch.mirrored, self._chance)
        words = forget_words(torch.from_numpy(batch.words), self._chance).to(self._device)
        return batch, varied.contiguous(memory_format=torch.channels_last), words


def pace(step: int, steps: int, warm_up: int = 30) -> float:
    """Share of the learning rate: a linear warm-up, then half a cosine down to nothing."""
    return min(1.0, (step + 1) / warm_up) * 0.5 * (1 + math.cos(math.pi * step / steps))


def _numbers_of(model: nn.Module) -> list[Tensor]:
    """Weights and running statistics, not copied."""
    return [value for value in model.state_dict().values() if value.is_floating_point()]


def _optimizers(model: PatchAttention) -> dict[torch.optim.Optimizer, float]:
    """Muon for the kernels that see, AdamW for the rest; with the factor of each on the learning rate."""
    named = list(model.named_parameters())
    kernels = [p for name, p in named if name.startswith("patches.") and p.ndim > 1]
    others = [p for name, p in named if not (name.startswith("patches.") and p.ndim > 1)]
    return {Muon(kernels, lr=0.0): _KERNELS_FASTER, torch.optim.AdamW(others, weight_decay=0.0): 1.0}


def _step(optimizers: Mapping[torch.optim.Optimizer, float], loss: Tensor, rate: float, clipped: nn.Module) -> None:
    for optimizer, factor in optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(clipped.parameters(), _CLIP)
    for optimizer in optimizers:
        optimizer.step()
