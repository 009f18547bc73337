"""Sentences to the token tensors of a transformers model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

_SENTENCES_AT_ONCE = 256


class Tokens:
    """A tokenizer with the length that its model reads."""

    def __init__(self, tokenizer: Any, length: int, padding: str = "longest") -> None:
        self._tokenizer, self._length, self._padding = tokenizer, length, padding

    def batches(self, sentences: Sequence[str], device: torch.device) -> tuple[list[dict[str, Tensor]], int]:
        """Batches of `input_ids` and `attention_mask` int64 [S, L], and how many sentences had to be truncated."""
        lengths = self._tokenizer(list(sentences), truncation=False, verbose=False)["input_ids"]
        truncated = sum(len(ids) > self._length for ids in lengths)
        batches = []
        for start in range(0, len(sentences), _SENTENCES_AT_ONCE):
            encoded = self._tokenizer(
                list(sentences[start : start + _SENTENCES_AT_ONCE]),
                truncation=True,
                max_length=self._length,
                padding="max_length" if self._padding == "max_length" else True,
                padding_side="right",  # positions are counted from the left, as in training
                return_attention_mask=True,
                return_tensors="pt",
            )
            batches.append({k: encoded[k].to(device) for k in ("input_ids", "attention_mask")})
        return batches, truncated
