"""How many class and register tokens an encoder puts before its patch tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

# Parameters by which encoders of transformers, timm, torchvision and open_clip prepend tokens to those of the patches.
PREFIX_PARAMETERS = frozenset(
    {
        "cls_token",
        "class_embedding",
        "class_token",
        "register_tokens",
        "reg_token",
        "distillation_token",
        "dist_token",
    }
)


def count_prefix_tokens(model: nn.Module, layer: str) -> int | None:
    """How many class, register and distillation tokens stand before a layer's patch tokens, as the model tells.

    The nearest ancestor of the layer that has `num_prefix_tokens` (timm) or holds parameters of the names in
    `PREFIX_PARAMETERS` decides. None where there is none, or where its parts differ.
    """
    parts = layer.split(".") if layer else []
    for depth in range(len(parts), -1, -1):
        ancestor = model.get_submodule(".".join(parts[:depth]))
        told = getattr(ancestor, "num_prefix_tokens", None)
        if isinstance(told, int):
            return told
        counts = {count for module in ancestor.modules() if (count := _own_prefix(module))}
        if counts:
            return counts.pop() if len(counts) == 1 else None
    return None


def _own_prefix(module: nn.Module) -> int:
    held = dict(module.named_parameters(recurse=False))
    return sum(p.shape[-2] if p.ndim > 1 else 1 for name, p in held.items() if name in PREFIX_PARAMETERS)
