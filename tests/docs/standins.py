"""What a page leaves to its reader: a model, a loss, a tokenizer, a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from medcutmix_pipeline import loader

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = 8

MY_MODELS = """
import torch
from torch import nn

class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(1, 8, 60, 60)
    def forward(self, pixels):
        return self.inner(pixels).permute(0, 2, 3, 1)

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Embedding(64, 8)
    def forward(self, sentences):
        return torch.stack([self.inner(torch.tensor([len(w) % 64 for w in s.split()])).mean(0) for s in sentences])

def load_image_model(weights):
    torch.manual_seed(0)
    return Patches()

def load_text_model(weights):
    torch.manual_seed(1)
    return Words()
"""
"""A user's own module with an image model and a text model that share a space; the page imports it."""


QUICK_ENCODER = """
import numpy as np
from medcutmix_pipeline.stages.attention.encoder import Attention

class Bright:
    id, sha256, image_size = "bright", "0" * 64, 32
    def __init__(self, config):
        pass
    def attend(self, images, image_index, sentences):
        maps = images[list(image_index)].astype(np.float32) ** 2
        return Attention(maps / maps.sum((1, 2), keepdims=True), np.full(len(sentences), 0.5, np.float32))
"""
"""An encoder that looks where it is bright: builds that only try a page's commands need none that is fitted."""


class Visual(nn.Module):
    """An image encoder with stages named as torchvision's."""

    def __init__(self) -> None:
        super().__init__()
        for stage in range(1, 4):
            inside = 3 if stage == 1 else WIDTH
            setattr(self, f"layer{stage}", nn.Sequential(nn.Conv2d(inside, WIDTH, 3, 4, 1), nn.ReLU()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer3(self.layer2(self.layer1(images))).mean((2, 3))


class Model(nn.Module):
    """A model of images and, where they are given, reports, whose layers have the names that the pages use."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = Visual()
        self.vision_model = nn.Module()
        self.vision_model.encoder = nn.Module()
        self.vision_model.encoder.layers = nn.ModuleList([nn.Conv2d(3, WIDTH, 16, 16) for _ in range(8)])

    def forward(self, images: torch.Tensor, texts: list[str] | None = None) -> torch.Tensor:
        if texts is None:
            return self.visual(images)
        assert len(images) == len(texts)
        return self.vision_model.encoder.layers[6](images).mean((2, 3))


def names(page: str, sandbox: Path) -> dict[str, Any]:
    """The names that Python blocks of a page may use without having made them."""
    torch.manual_seed(0)
    model = Model()
    return {
        **{name: getattr(loader, name) for name in loader.__all__},
        "model": model,
        "criterion": lambda features, tokens: (features.sum(1) * tokens.float().mean(1)).mean(),
        "tokenize": lambda texts: torch.tensor([[len(text), text.count(" ")] for text in texts]),
        "epochs": 2,
        "batch_size": 8,
        "DATASET": str(sandbox / "DATASET"),
        "raw": (sandbox / "studies" / "reports" / "phantom-000000.txt").read_text("utf-8"),
    }
