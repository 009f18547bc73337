"""Fits a small text-conditioned patch-attention encoder on a corpus's own images and sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from numpy.random import Generator, Philox
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.stages.attention.augment import forget_words, vary_images
from medcutmix_pipeline.stages.attention.checkpoint import Card, save_checkpoint
from medcutmix_pipeline.stages.attention.corpus import Batch, Corpus, Pair
from medcutmix_pipeline.stages.attention.device import choose_device, reproducible
from medcutmix_pipeline.stages.attention.network import PatchAttention
from medcutmix_pipeline.stages.attention.relations import FAILS, HOLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from medcutmix_pipeline.schemas.config import FitConfig

__all__ = ["Pair", "fit_encoder"]

_PLAIN_SHARE, _MIRROR_SHARE = 0.25, 0.5
_WARM_UP, _WEIGHT_DECAY, _AVERAGE, _CLIP = 30, 0.05, 0.98, 1.0
_PURPOSE = "attention-fit"


def fit_encoder(
    images: NDArray[np.uint8],
    pairs: Sequence[Pair],
    config: FitConfig,
    seed: int,
    folder: Path,
    progress: Callable[[int, int, float], None],
    device: str = "cpu",
) -> None:
    """Train on `pairs` and save model.safetensors and config.json in `folder`.

    `images` is uint8 [N, s, s] with s = `config.image_size`; `progress` is called with steps done, steps in all and the
    loss. The same images, pairs, configuration and seed give the same bytes on the same hardware and versions. DataError
    where no pair has a sentence.
    """
    if images.ndim != 3 or images.shape[1:] != (config.image_size, config.image_size):
        raise ValueError(f"images must be [N, {config.image_size}, {config.image_size}], not {list(images.shape)}")
    if not any(p.sentence for p in pairs):
        raise DataError("no report has a diagnostic sentence, so that no encoder can be fitted; name one in attention.encoder")
    with reproducible(config.threads):
        corpus = Corpus(pairs)
        weights = _train(images, corpus, config, seed, choose_device(device), progress)
    save_checkpoint(folder, Card(config.image_size, config.width, corpus.vocabulary.words), weights)


def _train(
    images: NDArray[np.uint8],
    corpus: Corpus,
    config: FitConfig,
    seed: int,
    device: torch.device,
    progress: Callable[[int, int, float], None],
) -> dict[str, Tensor]:
    """The averaged weights after all steps."""
    key = keyed_hash(seed, _PURPOSE)
    draws, chance = Generator(Philox(key=key)), torch.Generator().manual_seed(key >> 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key >> 1)
        model = PatchAttention(len(corpus.vocabulary), config.width, config.image_size)
        learn_sentences(model, corpus, draws, chance)
    model.to(device, memory_format=torch.channels_last)
    average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    optimizer = _optimizer(model)
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _pace(step, config.steps)
        loss = _loss(model, images, corpus.draw(draws, config.batch, _PLAIN_SHARE, _MIRROR_SHARE), chance, device)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
        optimizer.step()
        with torch.no_grad():
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1 - _AVERAGE) if value.is_floating_point() else average[name].copy_(value)
        progress(step + 1, config.steps, loss.item())
    return average


TEXT_STEPS = 200


def learn_sentences(model, corpus, draws, chance):
    import numpy as np
    head = torch.nn.Linear(model.width, corpus.facts.shape[1])
    opt = torch.optim.AdamW([*model.sentences.parameters(), *head.parameters()], lr=5e-3, weight_decay=0.01)
    for step in range(TEXT_STEPS):
        for g in opt.param_groups: g["lr"] = 5e-3 * _pace(step, TEXT_STEPS)
        rows = draws.choice(len(corpus.told), min(128, len(corpus.told)), replace=False)
        words = forget_words(torch.from_numpy(corpus.vocabulary.encode([corpus.told[k].sentence for k in rows])), chance)
        loss = F.binary_cross_entropy_with_logits(head(5 * model.encode_sentences(words)), torch.from_numpy(corpus.facts[rows]))
        opt.zero_grad(); loss.backward(); opt.step()
    return float(loss.detach())


def _loss(
    model: PatchAttention, images: NDArray[np.uint8], batch: Batch, chance: torch.Generator, device: torch.device
) -> Tensor:
    pixels = torch.from_numpy(images[batch.images]).to(device)[:, None].float() / 255
    pixels = vary_images(pixels, batch.mirrored, chance).contiguous(memory_format=torch.channels_last)
    words = forget_words(torch.from_numpy(batch.words), chance).to(device)
    cosines = torch.einsum("sd,bpd->sbp", model.encode_sentences(words), model.encode_images(pixels))
    return objective(model.pooled(cosines), torch.from_numpy(batch.target).to(device))


def balanced_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of logits [S, B], half from pairs that hold and half from pairs that fail; open ones count not."""
    holds, fails = target == HOLDS, target == FAILS
    each = F.binary_cross_entropy_with_logits(logits, holds.float(), reduction="none")
    return 0.5 * sum(((each * kind).sum() / kind.sum().clamp(min=1) for kind in (holds, fails)), start=each.new_zeros(()))


LOSS = "bce"
NCE = 1.0


def objective(logits, target):
    if LOSS == "bce":
        return balanced_loss(logits, target)
    pos, neg = target == HOLDS, target == FAILS
    low = torch.finfo(logits.dtype).min / 4
    n = logits.masked_fill(~neg, low)
    row = torch.logaddexp(logits, torch.logsumexp(n, 1, keepdim=True)) - logits
    col = torch.logaddexp(logits, torch.logsumexp(n, 0, keepdim=True)) - logits
    w = pos / pos.sum(1, keepdim=True).clamp(min=1)
    nce = (row * w).sum() / w.sum() 
    w = pos / pos.sum(0, keepdim=True).clamp(min=1)
    nce = nce + (col * w).sum() / w.sum()
    return nce if LOSS == "nce" else NCE * nce + balanced_loss(logits, target)


def _optimizer(model: PatchAttention) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": _WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups)


def _pace(step: int, steps: int) -> float:
    """Share of the learning rate: a linear warm-up, then half a cosine down to nothing."""
    return min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))
