"""BLIP image–text matching (arXiv 2201.12086): cross-attention weighted by its gradient to the match score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from medcutmix_pipeline.stages.attention.batched import BatchedEncoder
from medcutmix_pipeline.stages.attention.device import settled
from medcutmix_pipeline.stages.attention.pretrained import load_model, load_tokenizer
from medcutmix_pipeline.stages.attention.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.schemas.config import AttentionConfig
    from medcutmix_pipeline.stages.attention.published import Checkpoint

_DEPTH = 2 / 3
"""The layer whose attention is read, as a share of all: the ninth of twelve, which localises best in ALBEF
(arXiv 2107.07651), whose text encoder BLIP's follows."""


class BlipEncoder(BatchedEncoder[Tensor, list[Tensor]]):
    """A BlipForImageTextRetrieval with its matching head. Queries are the token numbers of each sentence."""

    def __init__(
        self, model: Any, tokens: Tokens, checkpoint: Checkpoint, config: AttentionConfig, device: torch.device
    ) -> None:
        super().__init__(
            checkpoint.name, checkpoint.sha256(), checkpoint.image_size, device, config.batch, config.threads
        )
        self._model: Any = settled(model, device).requires_grad_(False)
        self._tokens, self._pairs = tokens, config.batch
        self._amp = device.type == "cuda"
        mean, std = checkpoint.channel_statistics()
        self._mean, self._std = (torch.tensor(x, device=device).view(1, -1, 1, 1) for x in (mean, std))
        layers = model.text_encoder.encoder.layer
        self._cross = layers[min(int(len(layers) * _DEPTH), len(layers) - 1)].crossattention.self

    @classmethod
    def load(cls, checkpoint: Checkpoint, config: AttentionConfig, device: torch.device) -> BlipEncoder:
        """With weights and tokenizer; UsageError where some are lacking."""
        from transformers import BlipForImageTextRetrieval

        model = load_model(BlipForImageTextRetrieval, checkpoint, attn_implementation="eager")
        length = model.config.text_config.max_position_embeddings
        return cls(model, Tokens(load_tokenizer(checkpoint, config), length), checkpoint, config, device)

    @torch.no_grad()
    def encode_images(self, images: Tensor) -> Tensor:
        """→ hidden states [B, 1 + P, width] of the class token and the patches."""
        pixels = (images - self._mean) / self._std
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._amp):
            hidden: Tensor = self._model.vision_model(pixel_values=pixels).last_hidden_state
        return hidden.float()

    def encode_sentences(self, sentences: Sequence[str]) -> tuple[list[Tensor], int]:
        """→ the token numbers of each sentence, unpadded."""
        batches, truncated = self._tokens.batches(sentences, self.device)
        rows = [
            ids[mask.bool()] for b in batches for ids, mask in zip(b["input_ids"], b["attention_mask"], strict=True)
        ]
        return rows, truncated

    def look(
        self, features: Tensor, queries: list[Tensor], image_of: list[int], query_of: list[int]
    ) -> tuple[Tensor, Tensor]:
        """→ rectified attention × gradient, and the probability of a match."""
        parts = [
            self._match(features[image_of[s : s + self._pairs]], [queries[q] for q in query_of[s : s + self._pairs]])
            for s in range(0, len(image_of), self._pairs)
        ]
        return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts])

    def _match(self, hidden: Tensor, sentences: list[Tensor]) -> tuple[Tensor, Tensor]:
        ids = pad_sequence(sentences, batch_first=True)
        lengths = torch.tensor([len(s) for s in sentences], device=ids.device)
        mask = (torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]).long()
        kept: list[Tensor] = []
        hook = self._cross.register_forward_hook(lambda _module, _given, out: kept.append(out[1]))
        try:
            with torch.enable_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self._amp):
                said = self._model.text_encoder(
                    input_ids=ids,
                    attention_mask=mask,
                    encoder_hidden_states=hidden.detach().requires_grad_(),
                    encoder_attention_mask=torch.ones(hidden.shape[:2], dtype=torch.long, device=ids.device),
                ).last_hidden_state
                logits = self._model.itm_head(said[:, 0]).float()
                (gradient,) = torch.autograd.grad(logits[:, 1].sum(), kept[0])
        finally:
            hook.remove()
        weighted = (kept[0].detach() * gradient).clamp(min=0).float().mean(1)
        words = mask[..., None].float()
        maps = ((weighted * words).sum(1) / words.sum(1))[:, 1:]
        side = int(maps.shape[1] ** 0.5)
        return maps.unflatten(1, (side, side)), logits.detach().softmax(-1)[:, 1]
