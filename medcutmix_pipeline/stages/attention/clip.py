"""CLIP (arXiv 2103.00020) and pairs of a vision and a text transformer trained like it: patch–sentence cosines."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import torch

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.stages.attention.cosine import CosineEncoder, one_by_one
from medcutmix_pipeline.stages.attention.pretrained import load_model, load_tokenizer
from medcutmix_pipeline.stages.attention.tokens import Tokens

if TYPE_CHECKING:
    from torch import Tensor

    from medcutmix_pipeline.schemas.config import AttentionConfig
    from medcutmix_pipeline.stages.attention.published import Checkpoint


class ClipEncoder(CosineEncoder):
    """A CLIPModel. Every patch token is normalised and projected as the class token is."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, config: AttentionConfig, device: torch.device) -> ClipEncoder:
        """With weights and tokenizer; UsageError where some are lacking."""
        from transformers import CLIPModel

        model = load_model(CLIPModel, checkpoint)
        length = model.config.text_config.max_position_embeddings
        return cls(model, Tokens(load_tokenizer(checkpoint, config), length), checkpoint, config, device)

    def embed_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See `CosineEncoder.embed_images`."""
        vision = self._model.vision_model
        tokens = vision.post_layernorm(vision(pixel_values=pixels).last_hidden_state)
        embedded = self._model.visual_projection(tokens)
        return embedded[:, 0], embedded[:, 1:]

    def embed_sentences(self, batch: dict[str, Tensor]) -> Tensor:
        """See `CosineEncoder.embed_sentences`."""
        return cast("Tensor", self._model.get_text_features(**batch).pooler_output)


class DualEncoder(ClipEncoder):
    """A VisionTextDualEncoderModel: any vision transformer and any text transformer with projections to one space."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, config: AttentionConfig, device: torch.device) -> DualEncoder:
        """With weights and tokenizer; UsageError where some are lacking, or the vision model has no patches."""
        from transformers import VisionTextDualEncoderModel

        model = load_model(VisionTextDualEncoderModel, checkpoint)
        if not _pools_as_told(model, checkpoint.image_size):
            raise UsageError(
                f"attention.encoder: the vision model of {checkpoint.name} ({type(model.vision_model).__name__}) "
                "is not supported: it is neither CLIP's nor a vision transformer that is pooled by its first token"
            )
        length = _positions(model.config.text_config)
        return cls(model, Tokens(load_tokenizer(checkpoint, config), length), checkpoint, config, device)

    def embed_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """See `CosineEncoder.embed_images`. Tokens before the patches (class, distillation, registers) are dropped."""
        return _embedded(self._model, pixels)


def _embedded(model: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """`embed_images` of a VisionTextDualEncoderModel."""
    vision = model.vision_model
    tokens = vision(pixel_values=pixels).last_hidden_state
    if hasattr(vision, "post_layernorm"):
        tokens = vision.post_layernorm(tokens)
    elif getattr(vision, "pooler", None) is not None:
        tokens = one_by_one(vision.pooler, tokens)
    embedded = model.visual_projection(tokens)
    patches = (pixels.shape[-1] // int(vision.config.patch_size)) ** 2
    return embedded[:, 0], embedded[:, -patches:]


@torch.no_grad()
def _pools_as_told(model: Any, side: int) -> bool:
    """Whether the model itself makes of an image what `_embedded` does: a vision model that means its patches, or has a
    pooling head, or a pyramid of patches, would be asked in vain."""
    channels = int(getattr(model.vision_model.config, "num_channels", 3))
    noise = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(0))
    with suppress(RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        own = model.get_image_features(pixel_values=noise).pooler_output
        ours, patches = _embedded(model, noise)
        square = patches.shape[1] == int(patches.shape[1] ** 0.5) ** 2
        return square and ours.shape == own.shape and torch.allclose(ours, own, rtol=1e-3, atol=1e-4)
    return False


def _positions(text: Any) -> int:
    """Tokens that a text model reads; RoBERTa counts its positions from behind its padding index."""
    positions = int(text.max_position_embeddings)
    offset = int(text.pad_token_id or 0) + 1 if "roberta" in text.model_type else 0
    return positions - offset
