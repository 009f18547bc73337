"""Tiny checkpoints in the transformers layout, built and saved by the tests, with a tokenizer of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BlipConfig,
    BlipForImageTextRetrieval,
    CLIPConfig,
    CLIPModel,
    PreTrainedTokenizerFast,
    Siglip2Config,
    Siglip2Model,
    Siglip2Tokenizer,
    SiglipConfig,
    SiglipModel,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    ViTConfig,
)

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [
    "no",
    "abnormality",
    "is",
    "seen",
    "left",
    "right",
    "small",
    "large",
    "pleural",
    "effusion",
    "nodule",
    "opacity",
    "the",
    "of",
    "in",
    "upper",
    "lower",
    "lobe",
    "heart",
]
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
LETTERS = [*"▁abcdefghijklmnopqrstuvwxyz."]
VOCABULARY = len(SPECIAL) + max(len(WORDS), len(LETTERS)) + 2
SIDE, PATCH, LENGTH = 32, 8, 40

_TEXT: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": LENGTH,
    "pad_token_id": 0,
    "sep_token_id": 3,
    "bos_token_id": 2,
    "eos_token_id": 3,
}
_VISION: dict[str, Any] = {
    "image_size": SIDE,
    "patch_size": PATCH,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}


def save_tokenizer(folder: Path, extra: int = 0) -> None:
    """A tokenizer of whole words with start and end marks; `extra` tokens more than the models know."""
    words = [*SPECIAL, *WORDS, *(f"more{n}" for n in range(extra))]
    tokenizer = Tokenizer(WordLevel({w: n for n, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)


def save_letter_tokenizer(folder: Path) -> None:
    """A tokenizer of letters in the class that SigLIP 2 checkpoints are read with, whatever they were saved as."""
    Siglip2Tokenizer(
        vocab={w: n for n, w in enumerate([*SPECIAL, *LETTERS])},
        merges=[],
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
    ).save_pretrained(folder)


def model_of(family: str) -> Any:
    """A model with random weights whose layer norms and biases are not the identity."""
    torch.manual_seed(3)
    siglip_text = {**_TEXT, "projection_size": 16}
    if family == "clip":
        model: Any = CLIPModel(CLIPConfig(text_config=_TEXT, vision_config=_VISION, projection_dim=10))
    elif family == "siglip":
        model = SiglipModel(SiglipConfig(text_config=siglip_text, vision_config=_VISION))
    elif family == "siglip2":
        vision = {k: v for k, v in _VISION.items() if k != "image_size"}
        patches = (SIDE // PATCH) ** 2
        model = Siglip2Model(Siglip2Config(text_config=siglip_text, vision_config={**vision, "num_patches": patches}))
    elif family == "blip":
        text = {**_TEXT, "encoder_hidden_size": 16, "hidden_dropout_prob": 0.0}
        model = BlipForImageTextRetrieval(BlipConfig(text_config=text, vision_config=_VISION, image_text_hidden_size=8))
    else:
        both = VisionTextDualEncoderConfig.from_vision_text_configs(ViTConfig(**_VISION), BertConfig(**_TEXT))
        both.projection_dim = 10
        model = VisionTextDualEncoderModel(both)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def save_checkpoint(family: str, folder: Path) -> Any:
    """The model, saved in `folder` with its tokenizer."""
    model = model_of(family)
    model.save_pretrained(folder)
    (save_letter_tokenizer if family == "siglip2" else save_tokenizer)(folder)
    return model
