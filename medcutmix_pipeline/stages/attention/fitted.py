"""The encoder that was fitted on the corpus itself, at work."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.stages.attention.batched import BatchedEncoder
from medcutmix_pipeline.stages.attention.checkpoint import Card, checkpoint_sha256, read_card, read_weights
from medcutmix_pipeline.stages.attention.device import choose_device
from medcutmix_pipeline.stages.attention.encoder import FIT
from medcutmix_pipeline.stages.attention.ensemble import Ensemble
from medcutmix_pipeline.stages.attention.evidence import attention, detail_of, evidence_of
from medcutmix_pipeline.stages.attention.network import PatchAttention
from medcutmix_pipeline.stages.attention.statements import swap_sides
from medcutmix_pipeline.stages.attention.vocabulary import Vocabulary, cut_short
from medcutmix_pipeline.stages.ingest.view import image_view

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medcutmix_pipeline.schemas.config import AttentionConfig


class Seen(NamedTuple):
    """What patches are told from, in images and in their mirror images [B, networks · dim / 4, h, w]; the images'
    detail [B, s, s]; and which of them are frontal."""

    as_it_is: Tensor
    mirrored: Tensor
    detail: Tensor
    frontal: list[bool]


class FittedEncoder(BatchedEncoder[Seen, Tensor]):
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
    def encode_images(self, images: Tensor) -> Seen:
        """→ textures. A lateral image has no mirror image that was ever learnt: all look the same way."""
        pixels = (images[:, 0] * 255).round().byte().cpu().numpy()
        as_it_is, mirrored = (
            self._model.texture(x.contiguous(memory_format=torch.channels_last)) for x in (images, images.flip(-1))
        )
        return Seen(as_it_is, mirrored, detail_of(images), [image_view(each) == "frontal" for each in pixels])

    @torch.no_grad()
    def encode_sentences(self, sentences: Sequence[str]) -> tuple[Tensor, int]:
        """→ unit queries of sentences and of the same with their sides swapped [S, 2, networks · dim]."""
        both = (sentences, [swap_sides(sentence) for sentence in sentences])
        words = (torch.from_numpy(self._vocabulary.encode(each)).to(self.device) for each in both)
        return torch.stack([self._model.encode_sentences(each) for each in words], 1), cut_short(sentences)

    @torch.enable_grad()
    def look(self, features: Seen, queries: Tensor, image_of: list[int], query_of: list[int]) -> tuple[Tensor, Tensor]:
        """→ attention over patches, and presence by the pooled scores: means over the networks, and over a frontal
        image and its mirror image, which is another picture to them: what is missed in the one is often seen in the
        other.
        """
        details = features.detail[image_of]
        maps, beliefs = self._means(features.as_it_is[image_of], details, queries[query_of, 0])
        twice = [k for k, image in enumerate(image_of) if features.frontal[image]]
        if twice:
            textures = features.mirrored[[image_of[k] for k in twice]]
            asked = queries[[query_of[k] for k in twice], 1]
            seen, believed = self._means(textures, details[twice].flip(-1), asked)
            maps[twice] = (maps[twice] + seen.flip(-1)) / 2
            beliefs[twice] = (beliefs[twice] + believed) / 2
        return maps, beliefs

    def _means(self, textures: Tensor, details: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """The networks' means, each query [S, …] on a texture and a detail of its own [S, …]."""
        parts = self._model.parts(textures, queries)
        maps, beliefs = zip(*(_answer(network, seen, details, asked) for network, seen, asked in parts), strict=True)
        return torch.stack(maps).mean(0), torch.stack(beliefs).mean(0)


def _answer(network: PatchAttention, texture: Tensor, details: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """One network's attention [S, h, w] and presence [S] for queries [S, dim], each on a texture of its own [S, …] and
    a detail [S, s, s]."""
    texture = texture.detach().requires_grad_()
    cosines = torch.einsum("spd,sd->sp", network.patches_of(texture), queries)
    pooled = network.pooled(cosines)
    [slope] = torch.autograd.grad(pooled.sum(), texture)
    texture, cosines, pooled = texture.detach(), cosines.detach(), pooled.detach()
    cells = texture.shape[-1] // 2
    found = evidence_of(network.patches.slope(texture, slope), details)
    return attention(cosines.unflatten(1, (cells, cells)), found), network.belief_logits(pooled).sigmoid()
