"""CLIP-like encoders: the cosine of projected patch tokens with the sentence's embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from medcutmix_pipeline.stages.attention.batched import BatchedEncoder
from medcutmix_pipeline.stages.attention.pretrained import Checkpoint, load_model, load_tokenizer
from medcutmix_pipeline.stages.attention.soft import REFERENCE, presence_against_reference, soft_attention
from medcutmix_pipeline.stages.attention.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.schemas.config import AttentionConfig

_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class Queries(NamedTuple):
    """Unit embeddings of the sentences [S, dim] and of the reference sentence [dim]."""

    sentences: Tensor
    reference: Tensor


class ClipEncoder(BatchedEncoder[Queries]):
    """A CLIPModel. Every patch is projected as the class token is, and compared with the sentence."""

    def __init__(self, model: Any, tokens: Tokens, checkpoint: Checkpoint, config: AttentionConfig, device: torch.device) -> None:
        super().__init__(
            checkpoint.name, checkpoint.sha256(), checkpoint.image_size, device, config.batch, config.threads
        )
        self._model = model.to(device)
        self._tokens = tokens
        mean, std = checkpoint.channel_statistics(_CLIP_MEAN, _CLIP_STD)
        self._mean, self._std = (torch.tensor(x, device=device).view(1, 3, 1, 1) for x in (mean, std))
        self._scale = float(model.logit_scale.exp())

    @classmethod
    def load(cls, checkpoint: Checkpoint, config: AttentionConfig, device: torch.device) -> ClipEncoder:
        """With weights and tokenizer; UsageError where some are lacking."""
        from transformers import CLIPModel

        model = load_model(CLIPModel, checkpoint)
        length = model.config.text_config.max_position_embeddings
        return cls(model, Tokens(load_tokenizer(checkpoint, config), length), checkpoint, config, device)

    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        """→ unit embeddings [B, 1 + P, dim] of the class token and the patches."""
        pixels = (images.expand(-1, 3, -1, -1) - self._mean) / self._std
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            hidden = self._model.vision_model(pixel_values=pixels).last_hidden_state
            embedded = self._model.visual_projection(self._model.vision_model.post_layernorm(hidden))
        return F.normalize(embedded.float(), dim=-1)

    @torch.no_grad()
    def encode_sentences(self, sentences: Sequence[str]) -> tuple[Queries, int]:
        """→ unit embeddings, each of its whole sentence."""
        batches, truncated = self._tokens.batches([*sentences, REFERENCE], self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            embedded = torch.cat([self._model.get_text_features(**batch).pooler_output for batch in batches])
        embedded = F.normalize(embedded.float(), dim=-1)
        return Queries(embedded[:-1], embedded[-1]), truncated

    @torch.no_grad()
    def look(self, features: Tensor, queries: Queries, image_of: list[int], query_of: list[int]) -> tuple[Tensor, Tensor]:
        """→ softmax over patches of their cosines, and presence against the reference sentence."""
        seen, asked = features[image_of], queries.sentences[query_of]
        cosines = torch.einsum("spd,sd->sp", seen, asked)
        side = int((cosines.shape[1] - 1) ** 0.5)
        scores = presence_against_reference(cosines[:, 0], seen[:, 0] @ queries.reference, self._scale)
        return soft_attention(cosines[:, 1:].unflatten(1, (side, side)), self._scale), scores
