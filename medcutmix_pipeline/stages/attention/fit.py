"""Fits a small text-conditioned patch-attention encoder on a corpus's own images and sentences."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.random import Generator, Philox
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.stages.attention.augment import forget_words, some_of, vary_images
from medcutmix_pipeline.stages.attention.calibration import calibrate
from medcutmix_pipeline.stages.attention.checkpoint import Card, save_checkpoint
from medcutmix_pipeline.stages.attention.corpus import Batch, Corpus, Pair
from medcutmix_pipeline.stages.attention.device import choose_device, reproducible
from medcutmix_pipeline.stages.attention.held_out import LOOKS, Best, Course, Examination, hold_out
from medcutmix_pipeline.stages.attention.losses import contrastive_loss, side_loss
from medcutmix_pipeline.stages.attention.muon import Muon
from medcutmix_pipeline.stages.attention.network import PatchAttention
from medcutmix_pipeline.stages.attention.relations import HOLDS, OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medcutmix_pipeline.schemas.config import FitConfig

    Progress = Callable[[int, int, float], None]

__all__ = ["Pair", "fit_encoder"]

_WARM_UP, _AVERAGE, _CLIP = 30, 0.98, 1.0
_SENTENCE_STEPS, _SENTENCES_AT_ONCE, _SENTENCE_RATE, _SENTENCE_SCALE = 200, 128, 5e-3, 5.0
_CALIBRATION_BATCHES = 12
_VAGUE = 0.3
"""Share of sentences that are asked without their places in the second half of the fit; it falls to this from all."""

_SHOWN = 0.2
"""Share of an image's patches that answer in a step."""

_SIDES = 0.2
"""Weight of the loss that keeps answers on the side which the report names."""

_KERNELS_FASTER = 20 / 3
"""Muon's learning rate over AdamW's: its steps do not grow with the gradients."""


def fit_encoder(
    images: NDArray[np.uint8],
    pairs: Sequence[Pair],
    config: FitConfig,
    seed: int,
    folder: Path,
    progress: Progress,
    device: str = "cpu",
) -> Course:
    """Train on `pairs`, save model.safetensors and config.json in `folder`, and tell how it went.

    `images` is uint8 [N, s, s] with s = `config.image_size`; `progress` is called with steps done, steps in all and
    the loss. A share of the patients is held out, and the fit ends early where it gets worse on them; `Course` has the
    curve. The same images, pairs, configuration and seed give the same bytes on the same hardware and versions.
    DataError where no pair has a sentence with a finding.
    """
    if images.ndim != 3 or images.shape[1:] != (config.image_size, config.image_size):
        raise ValueError(f"images must be [N, {config.image_size}, {config.image_size}], not {list(images.shape)}")
    if not any(p.sentence and p.findings for p in pairs):
        raise DataError(
            "no report has a diagnostic sentence, so that no encoder can be fitted; name one in attention.encoder"
        )
    with reproducible(config.threads):
        seen, held = hold_out(pairs, config.held_out, seed)
        corpus, on, course = Corpus(seen), choose_device(device), Course(len({p.patient for p in held}))
        exam = Examination(images, Corpus(held, corpus.vocabulary), _VAGUE, on) if held else None
        weights = _Fit(images, corpus, config, seed, on).run(progress, exam, course)
    save_checkpoint(folder, Card(config.image_size, config.width, corpus.vocabulary.words), weights)
    return course


class _Fit:
    """One fit: its model, its randomness, and the average of its weights."""

    def __init__(
        self, images: NDArray[np.uint8], corpus: Corpus, config: FitConfig, seed: int, device: torch.device
    ) -> None:
        self._images, self._corpus, self._config, self._device = images, corpus, config, device
        key = keyed_hash(seed, "attention-fit")
        self._draws, self._chance = Generator(Philox(key=key)), torch.Generator().manual_seed(key >> 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key >> 1)
            self._model = PatchAttention(len(corpus.vocabulary), config.width, config.image_size)
            with reproducible(1):  # too little work for more
                self._learn_sentences()
        self._model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs

    def run(self, progress: Progress, exam: Examination | None, course: Course) -> dict[str, Tensor]:
        """All steps, or fewer where `exam` says so → the weights, averaged over the last steps before they are kept."""
        model, steps = self._model, self._config.steps
        shown = copy.deepcopy(model).eval()
        average, best = shown.state_dict(), Best(course)
        optimizers = _optimizers(model)
        for step in range(steps):
            vague = _VAGUE + (1 - _VAGUE) * max(0.0, 1 - 2 * step / steps)
            loss = self._loss(self._corpus.draw(self._draws, self._config.batch, vague))
            _step(optimizers, loss, self._config.learning_rate * _pace(step, steps), model)
            for name, value in model.state_dict().items():
                if value.is_floating_point():
                    average[name].lerp_(value.detach(), 1 - _AVERAGE)
                else:
                    average[name].copy_(value)
            progress(step + 1, steps, loss.item())
            is_look = exam is not None and (step + 1) % max(1, steps // LOOKS) == 0
            if exam and is_look and best.is_past(step + 1, exam.loss(shown), average):
                course.stopped, average = step + 1, best.weights
                break
        else:
            course.kept = steps
        model.load_state_dict(average)
        self._calibrate()
        return {name: value.detach() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def _calibrate(self) -> None:
        """Set what presence scores mean by batches like those of the fit, the network being as it will be used."""
        model, scores, holds = self._model.eval(), [], []
        for _ in range(_CALIBRATION_BATCHES):
            batch = self._corpus.draw(self._draws, self._config.batch, _VAGUE)
            judged = batch.target != OPEN
            scores.append(model.pooled(self._cosines(batch)[0]).double().cpu().numpy()[judged])
            holds.append(batch.target[judged] == HOLDS)
        model.belief.copy_(torch.tensor(calibrate(np.concatenate(scores), np.concatenate(holds))))

    def _learn_sentences(self) -> None:
        """What sentences claim, before any image: findings, sides and zones from the words.

        It costs seconds, and from then on sentences of equal meaning ask alike: the images need not teach the words.
        """
        corpus, tower = self._corpus, self._model.sentences
        head = nn.Linear(self._model.width, corpus.claims.shape[1])
        optimizer = torch.optim.AdamW([*tower.parameters(), *head.parameters()])
        for step in range(_SENTENCE_STEPS):
            rows = self._draws.choice(len(corpus.told), min(_SENTENCES_AT_ONCE, len(corpus.told)), replace=False)
            words = corpus.vocabulary.encode([corpus.told[k].sentence for k in rows])
            queries = self._model.encode_sentences(forget_words(torch.from_numpy(words), self._chance))
            claims = torch.from_numpy(corpus.claims[rows])
            loss = F.binary_cross_entropy_with_logits(head(_SENTENCE_SCALE * queries), claims)
            _step({optimizer: 1.0}, loss, _SENTENCE_RATE * _pace(step, _SENTENCE_STEPS), tower)

    def _cosines(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of a varied batch's sentences with its images' patches [S, B, P], and the patches' columns [B, P]."""
        model, device = self._model, self._device
        pixels = torch.from_numpy(self._images[batch.images]).to(device)[:, None].float() / 255
        pixels = vary_images(pixels, batch.mirrored, self._chance).contiguous(memory_format=torch.channels_last)
        words = forget_words(torch.from_numpy(batch.words), self._chance).to(device)
        patches = model.encode_images(pixels)
        cells = self._config.image_size // 4
        patches, drawn = some_of(patches, _SHOWN if model.training else 1.0, self._chance)
        columns = drawn % cells - (cells - 1) / 2
        return torch.einsum("sd,bpd->sbp", model.encode_sentences(words), patches), columns

    def _loss(self, batch: Batch) -> Tensor:
        target = torch.from_numpy(batch.target).to(self._device)
        cosines, columns = self._cosines(batch)
        model, half = self._model, torch.from_numpy(batch.half).to(self._device)
        loss = contrastive_loss(model.contrast_logits(model.pooled(cosines)), target)
        return loss + _SIDES * side_loss(cosines, columns, half, target, model.contrast.exp())


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


def _pace(step: int, steps: int) -> float:
    """Share of the learning rate: a linear warm-up, then half a cosine down to nothing."""
    return min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))
