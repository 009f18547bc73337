"""The encoder that was fitted on the corpus itself, at work."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import torch

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.stages.attention.batched import BatchedEncoder
from medcutmix_pipeline.stages.attention.checkpoint import Card, checkpoint_sha256, read_card, read_weights
from medcutmix_pipeline.stages.attention.device import choose_device
from medcutmix_pipeline.stages.attention.encoder import FIT
from medcutmix_pipeline.stages.attention.ensemble import Ensemble
from medcutmix_pipeline.stages.attention.network import PatchAttention
from medcutmix_pipeline.stages.attention.vocabulary import Vocabulary, cut_short

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from medcutmix_pipeline.schemas.config import AttentionConfig


class FittedEncoder(BatchedEncoder["Tensor"]):
    """`PatchAttention` networks with their vocabulary. A map is the sentence's attention over patches, sum 1."""

    def __init__(self, model: Ensemble, card: Card, sha256: str, device: torch.device, config: AttentionConfig) -> None:
        super().__init__(FIT, sha256, card.image_size, device, config.batch, config.threads)
        self._model = model.eval().requires_grad_(False).to(device)
        self._vocabulary = Vocabulary(card.vocabulary)

    @classmethod
    def load(cls, folder: Path, config: AttentionConfig) -> FittedEncoder:
        """From the folder that `fit_encoder` wrote. UsageError where it is missing or damaged."""
        card = read_card(folder)
        words = len(Vocabulary(card.vocabulary))
        model = Ensemble(PatchAttention(words, card.width, card.image_size) for _ in range(card.networks))
        try:
            model.load_state_dict(read_weights(folder))
        except RuntimeError:
            raise UsageError(
                "the fitted encoder is damaged: its weights and its config.json do not belong together; "
                "delete the encoder folder and run build again"
            ) from None
        return cls(model, card, checkpoint_sha256(folder), choose_device(config.device), config)

    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        """→ textures, from which patches are told [B, networks · dim / 2, h, w]."""
        return self._model.texture(images.contiguous(memory_format=torch.channels_last))

    @torch.no_grad()
    def encode_sentences(self, sentences: Sequence[str]) -> tuple[Tensor, int]:
        """→ unit queries [S, networks · dim]."""
        words = torch.from_numpy(self._vocabulary.encode(sentences)).to(self.device)
        return self._model.encode_sentences(words), cut_short(sentences)

    @torch.enable_grad()
    def look(
        self, features: Tensor, queries: Tensor, image_of: list[int], query_of: list[int]
    ) -> tuple[Tensor, Tensor]:
        """→ attention over patches, and presence by the pooled scores: means over the networks."""
        parts = self._model.parts(features, queries)
        answers = [_answer(network, texture, asked[query_of], image_of) for network, texture, asked in parts]
        maps, beliefs = zip(*answers, strict=True)
        return torch.stack(maps).mean(0), torch.stack(beliefs).mean(0)


def _answer(network: PatchAttention, texture: Tensor, queries: Tensor, image_of: list[int]) -> tuple[Tensor, Tensor]:
    """One network's attention [S, h, w] and presence [S] for queries on images of which it has the texture."""
    texture = texture.detach().requires_grad_()
    cosines = torch.einsum("spd,sd->sp", network.patches_of(texture)[image_of], queries)
    pooled = network.pooled(cosines)
    evidence = _evidence(texture, pooled, image_of)
    maps = network.attention(cosines.detach().view(evidence.shape), evidence)
    return maps, network.belief_logits(pooled.detach()).sigmoid()


def _evidence(texture: Tensor, scores: Tensor, image_of: list[int]) -> Tensor:
    """How much each place of the texture [B, c, h, w] contributed to each score: |gradient × value| over the channels
    [S, h, w].

    As gradient × input (Shrikumar and others 2016, arXiv:1605.01713), where it is a place that counts and not whether
    it spoke for or against. Scores of different images are differentiated together.
    """
    evidence = texture.new_zeros(len(image_of), *texture.shape[2:])
    turns: dict[int, list[int]] = defaultdict(list)  # the first question of each image, the second, …
    asked = Counter[int]()
    for question, image in enumerate(image_of):
        turns[asked[image]].append(question)
        asked[image] += 1
    for questions in turns.values():
        [slope] = torch.autograd.grad(scores[questions].sum(), texture, retain_graph=True)
        evidence[questions] = (slope * texture.detach()).abs().sum(1)[[image_of[k] for k in questions]]
    return evidence
