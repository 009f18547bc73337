"""What encoders with one space for images and sentences share: patches and sentences compared by their cosine."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from medcutmix_pipeline.stages.attention.batched import BatchedEncoder
from medcutmix_pipeline.stages.attention.device import settled
from medcutmix_pipeline.stages.attention.soft import REFERENCE, presence_against_reference, soft_attention

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.schemas.config import AttentionConfig
    from medcutmix_pipeline.stages.attention.published import Checkpoint
    from medcutmix_pipeline.stages.attention.tokens import Tokens


class Queries(NamedTuple):
    """Unit embeddings of the sentences [S, dim] and of the reference sentence [dim]."""

    sentences: Tensor
    reference: Tensor


class CosineEncoder(BatchedEncoder[Tensor, Queries]):
    """An encoder whose subclass embeds images with their patches, and sentences, in one space."""

    def __init__(
        self, model: Any, tokens: Tokens, checkpoint: Checkpoint, config: AttentionConfig, device: torch.device
    ) -> None:
        super().__init__(
            checkpoint.name, checkpoint.sha256(), checkpoint.image_size, device, config.batch, config.threads
        )
        self._model: Any = settled(model, device)
        self._tokens = tokens
        mean, std = checkpoint.channel_statistics()
        self._mean, self._std = (torch.tensor(x, device=device).view(1, -1, 1, 1) for x in (mean, std))
        self._scale = float(model.logit_scale.detach().exp())

    @abstractmethod
    def embed_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised pixels [B, channels, s, s] → embeddings of images [B, dim] and of patches [B, h·w, dim]."""

    @abstractmethod
    def embed_sentences(self, batch: dict[str, Tensor]) -> Tensor:
        """`input_ids` and `attention_mask` [S, L] → embeddings [S, dim]."""

    def presence(self, cosine: Tensor, reference: Tensor) -> Tensor:
        """Scores [S] from an image's cosine with the sentence and with the reference sentence."""
        return presence_against_reference(cosine, reference, self._scale)

    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        """→ unit embeddings [B, 1 + h·w, dim]: the image's, then its patches'."""
        pixels = (images - self._mean) / self._std
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            image, patches = self.embed_images(pixels)
        return F.normalize(torch.cat([image[:, None], patches], 1).float(), dim=-1)

    @torch.no_grad()
    def encode_sentences(self, sentences: Sequence[str]) -> tuple[Queries, int]:
        """→ unit embeddings, each of its whole sentence."""
        batches, truncated = self._tokens.batches([*sentences, REFERENCE], self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            embedded = torch.cat([self.embed_sentences(batch) for batch in batches])
        embedded = F.normalize(embedded.float(), dim=-1)
        return Queries(embedded[:-1], embedded[-1]), truncated

    @torch.no_grad()
    def look(
        self, features: Tensor, queries: Queries, image_of: list[int], query_of: list[int]
    ) -> tuple[Tensor, Tensor]:
        """→ the softmax over patches of their cosines, and presence scores."""
        seen = features[image_of]
        cosines = torch.einsum("spd,sd->sp", seen, queries.sentences[query_of])
        side = int((cosines.shape[1] - 1) ** 0.5)
        scores = self.presence(cosines[:, 0], seen[:, 0] @ queries.reference)
        return soft_attention(cosines[:, 1:].unflatten(1, (side, side)), self._scale), scores


def one_by_one(pool: Any, tokens: Tensor) -> Tensor:
    """Each token [B, P, width] through a pooling head that takes sequences, as a sequence of its own → [B, P, dim]."""
    pooled: Tensor = pool(tokens.flatten(0, 1)[:, None])
    return pooled.view(*tokens.shape[:2], -1)
