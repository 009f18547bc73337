"""SigLIP (arXiv 2303.15343) and SigLIP 2 (arXiv 2502.14786): patches through the pooling head, then cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch.nn import functional as F  # noqa: N812 - torch's own convention

from medcutmix_pipeline.stages.attention.cosine import CosineEncoder, one_by_one
from medcutmix_pipeline.stages.attention.pretrained import load_model, load_tokenizer
from medcutmix_pipeline.stages.attention.tokens import Tokens

if TYPE_CHECKING:
    from torch import Tensor

    from medcutmix_pipeline.schemas.config import AttentionConfig
    from medcutmix_pipeline.stages.attention.published import Checkpoint


class SiglipEncoder(CosineEncoder):
    """A SiglipModel of fixed image size (SigLIP, most of SigLIP 2, MedSigLIP). Its scores are its own probabilities."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, config: AttentionConfig, device: torch.device) -> SiglipEncoder:
        """With weights and tokenizer; UsageError where some are lacking."""
        from transformers import SiglipModel

        return cls._of(load_model(SiglipModel, checkpoint), checkpoint, config, device)

    @classmethod
    def _of(
        cls, model: torch.nn.Module, checkpoint: Checkpoint, config: AttentionConfig, device: torch.device
    ) -> SiglipEncoder:
        length = int(model.config.text_config.max_position_embeddings)  # type: ignore[union-attr, arg-type]
        tokens = Tokens(load_tokenizer(checkpoint, config), length, padding="max_length")
        return cls(model, tokens, checkpoint, config, device)

    def presence(self, cosine: Tensor, reference: Tensor) -> Tensor:
        """The model's own probability: the sigmoid of its logit."""
        return (self._scale * cosine + float(self._model.logit_bias.detach())).sigmoid()

    def embed_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See `CosineEncoder.embed_images`."""
        vision = self._model.vision_model(pixel_values=pixels)
        return vision.pooler_output, one_by_one(self._model.vision_model.head, vision.last_hidden_state)

    def embed_sentences(self, batch: dict[str, Tensor]) -> Tensor:
        """See `CosineEncoder.embed_sentences`. Padded to the full length and unmasked, as these models were trained."""
        return cast("Tensor", self._model.get_text_features(input_ids=batch["input_ids"]).pooler_output)


class Siglip2Encoder(SiglipEncoder):
    """A Siglip2Model of free aspect (NaFlex), run on squares of as many patches as it was trained with."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, config: AttentionConfig, device: torch.device) -> Siglip2Encoder:
        """With weights and tokenizer; UsageError where some are lacking."""
        from transformers import Siglip2Model

        return cast("Siglip2Encoder", cls._of(load_model(Siglip2Model, checkpoint), checkpoint, config, device))

    def embed_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See `CosineEncoder.embed_images`. A patch is given as the row of its pixels, colours innermost."""
        model, size = self._model.vision_model, int(self._model.config.vision_config.patch_size)
        count, channels, side = len(pixels), pixels.shape[1], pixels.shape[-1] // size
        columns = F.unfold(pixels, size, stride=size).unflatten(1, (channels, size * size))
        patches = columns.permute(0, 3, 2, 1).flatten(2)
        vision = model(
            pixel_values=patches,
            pixel_attention_mask=torch.ones(count, side * side, dtype=torch.long, device=pixels.device),
            spatial_shapes=torch.full((count, 2), side, dtype=torch.long, device=pixels.device),
        )
        return vision.pooler_output, one_by_one(model.head, vision.last_hidden_state)
