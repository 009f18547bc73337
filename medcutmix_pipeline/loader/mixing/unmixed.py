"""A warning where a model is trained on mixed reports while its features are not mixed."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from medcutmix_pipeline.loader.mixing.autograd import next_node, uncompiled
from medcutmix_pipeline.loader.mixing.features import first_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from medcutmix_pipeline.loader.mixing.context import Context


class Unmixed:
    """Says, once, that nothing is mixed, and why. What runs without gradients or in `eval()` is validation: no word.

    Args:
        model: that is trained.
        modules: its layers that can be mixed, by name.
    """

    def __init__(self, model: nn.Module, modules: Mapping[str, nn.Module]) -> None:
        self._model = model
        self._modules = modules
        self._said = False

    def left(self, context: Context) -> None:
        """A context is left: was a graph made for gradients of the model in training, and nothing mixed?"""
        unmixed = context.step is not None and context.grid is None
        if unmixed and self._model.training and torch.is_grad_enabled() and _made_nodes(context):
            # At the line of the user's `with`, beyond this method, the mix and contextlib.
            self._say(context.layer, stacklevel=5)

    def ran_in_eval(self, context: Context, layer: str, output: Any) -> None:
        """A layer ran in `eval()`: should gradients come back to it, it is trained nevertheless."""
        if torch.compiler.is_compiling() or self._said:
            return
        if context.open and context.step is not None and context.layer == layer:
            features = first_tensor(output)
            if features is not None and features.requires_grad:
                features.register_hook(lambda _: self._say(layer))

    def _say(self, layer: str | None, stacklevel: int = 1) -> None:
        if self._said or layer is None:
            return
        self._said = True
        if self._modules[layer].training:
            why = (
                "did not run in `with mix(batch):`; run the model there, the very one that the mix was made for; if it "
                "is compiled, make the mix before its first call, or call torch.compiler.reset() after making it"
            )
        else:
            why = "is in eval() mode; call model.train(), or mix at a layer that is in training"
        warnings.warn(f"the reports are mixed, but not the features: layer {layer!r} {why}", stacklevel=stacklevel)


@uncompiled
def _made_nodes(context: Context) -> bool:
    return next_node() > context.since
