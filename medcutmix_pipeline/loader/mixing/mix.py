"""The attentive manifold mix (MedCutMix, arXiv 2509.16673): a layer's features take the donor's, where it was attended.

    mix = AttentiveManifoldMix(model, layers=["vision_model.encoder.layers.5"])
    for batch in loader:
        with mix(batch):
            loss = criterion(model(batch.images, ...))
        loss.backward()

The donor's features are a row of the same batch: there is no further pass through the encoder.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.loader.batch import MixBatch
from medcutmix_pipeline.loader.mixing.autograd import check_torch
from medcutmix_pipeline.loader.mixing.context import Course
from medcutmix_pipeline.loader.mixing.features import Expected
from medcutmix_pipeline.loader.mixing.hook import LayerHook, Step, device_of, find_layers, within_wrappers
from medcutmix_pipeline.loader.mixing.prefix import count_prefix_tokens
from medcutmix_pipeline.loader.mixing.unmixed import Unmixed
from medcutmix_pipeline.loader.mixing.weights import (
    check_choices,
    host_share_by_area,
    host_share_by_attention,
    map_on_grid,
    mix_weights,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn

    from medcutmix_pipeline.loader.plan import MixPlan

MODES = ("replace", "append")


class AttentiveManifoldMix:
    """Mixes the features of one layer of a model in training, by the plan of the batch.

    In `with mix(batch):` and while the layer is in training mode, the layer's features F become
    F_host + w · (F_donor − F_host), with w from `mix_weights` on the layer's grid. Where w is 0, in rows that the plan
    leaves alone and in prefix tokens, the host's features stay as they are to the bit. In `eval()`, outside of the
    context, and for a plan without active rows, the layer gives the very object that it gave without the mix. The
    context spans the forward pass; the backward pass may follow it. Gradients flow to host and donor.

    It serves tensors, tuples and lists (their first element) and transformers' outputs (`last_hidden_state`; an output
    pooled by the same layer stays as it was, so mix at a layer before the pooling). Where the image is read from the
    class token, mix before the last block: only a block after the mix carries it from patch tokens to the class token.

    With gradient checkpointing, a layer that is run again in the backward pass is mixed as it was in the forward pass,
    whether other passes share the loss, with the mix or without, and with checkpoints within checkpoints. The plans of
    the last 16 contexts are kept for it; a pass that lies further back raises.
    With `torch.compile`, create the mix before the first call of the compiled model; there is one graph for each layer
    and one without the mix, whatever the plans. In mode `append` the number of rows differs from step to step: set
    `torch._dynamo.config.force_nn_module_property_static_shapes` to False, or every number is compiled anew. A layer
    that is compiled on its own inside an eagerly checkpointed block is not supported.

    A copy, by `deepcopy` or pickle, of what holds both model and mix, mixes; a copy of the model alone does not. A
    UserWarning says, once, that the model was trained in the context and nothing was mixed.

    Args:
        model: any module, wrapped (`DistributedDataParallel`, `torch.compile`) or not.
        layers: names of layers as in `model.named_modules()`, with or without those of wrappers. Of several, one is
            drawn for each step, by the plan's `draw`.
        weights: `soft`, `hard-area`, `hard-mass` or `uniform`: see `mix_weights`.
        share: the quantile of `hard-area`, or the part of the attention that `hard-mass` takes.
        map: `donor`, or `union` with the host's map.
        mode: `replace` the hosts' rows; or `append` the mixed rows after the B rows of the batch, in the order of the
            active rows, so that what follows sees both (then give `plan.appended()` to the loss).
        layout: `NCHW`, `NHWC`, `NLC` (rows, tokens, channels), `LNC` (tokens, rows, channels); `auto` by the shape.
        prefix_tokens: class and register tokens before the patch tokens, which are kept from the host; `auto` goes by
            the parameters of the model.
        grid: (H, W) of the patch tokens, where they do not have the images' aspect.

    Raises:
        ValueError: no such layer or choice; and, in the forward pass, features that do not fit the plan.
        RuntimeError: this torch does not tell passes apart; on entry, the mix is a copy that has no model; in the
            backward pass, a checkpointed layer is run again for a pass of which the plan is not kept any more.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str] | str,
        *,
        weights: str = "soft",
        share: float = 0.5,
        map: str = "donor",
        mode: str = "replace",
        layout: str = "auto",
        prefix_tokens: int | str = "auto",
        grid: tuple[int, int] | None = None,
    ) -> None:
        check_torch()
        check_choices(weights, share, map)
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
        if isinstance(prefix_tokens, str) and prefix_tokens != "auto":
            raise ValueError(f"prefix_tokens must be a number or 'auto', not {prefix_tokens!r}")
        self.kind, self.share, self.map, self.mode = weights, share, map, mode
        self.layers = find_layers(model, [layers] if isinstance(layers, str) else layers)
        prefix = None if isinstance(prefix_tokens, str) else prefix_tokens
        cells = None if grid is None else (int(grid[0]), int(grid[1]))
        self._hooks = []
        for name in self.layers:
            found = count_prefix_tokens(model, name) if prefix is None else None
            self._hooks.append(LayerHook(self, Expected(name, layout, prefix, found, cells)))
        self._model = within_wrappers(model)
        self._modules = {name: model.get_submodule(name) for name in self.layers}
        pairs = zip(self._modules.values(), self._hooks, strict=True)
        self._handles = [module.register_forward_hook(hook) for module, hook in pairs]
        self.course, self.unmixed = Course(), Unmixed(self._model, self._modules)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"course": Course()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for hook in self._hooks:
            # Hooks that came with a copied model have no mix; those of a model that was not copied keep theirs.
            hook.mix = hook.mix or self

    @contextmanager
    def __call__(self, batch: MixBatch | MixPlan | None) -> Iterator[AttentiveManifoldMix]:
        """A context in which the model mixes by this batch's plan; None mixes nothing. Contexts may be nested."""
        if any(hook.mix is not self for hook in self._hooks):
            raise RuntimeError(
                "this mix is a copy that has no model: make a new one, AttentiveManifoldMix(model, …), or copy, by "
                "deepcopy or pickle, what holds both model and mix"
            )
        plan = batch.plan if isinstance(batch, MixBatch) else batch
        before = self.course.enter(plan, *self._drawn_by(plan))
        try:
            yield self
            self.unmixed.left(self.course.now)
        finally:
            self.course.leave(before)

    def _drawn_by(self, plan: MixPlan | None) -> tuple[str | None, Step | None]:
        """The layer that a plan draws, and what to mix there."""
        if plan is None:
            return None, None
        layer = self.layers[keyed_hash(plan.draw, "mix-layer") % len(self.layers)]
        step = Step.of(plan) if self._handles else None
        device = device_of(self._modules[layer], self._model)  # now: a model may be moved after its mix was made
        return layer, step.to(device) if step is not None and device is not None else step

    @property
    def drawn(self) -> str | None:
        """The layer at which the last plan is mixed."""
        return self.course.now.layer

    @property
    def weights(self) -> Tensor | None:
        """float32 [B, H, W]: the donors' weights in the last forward pass; None where nothing was mixed."""
        now = self.course.now
        return None if now.step is None or now.grid is None else self.weights_at(now.step, now.grid)

    def host_share(self, by: str = "area") -> Tensor:
        """The effective share of the host in each row of the last forward pass, in [0, 1]; 1 where nothing was mixed.

        For soft targets of the loss, and to log: a share near 1 in rows whose text was changed says that the maps are
        too peaked.

        Args:
            by: `area`, 1 − mean(w); or `attention`, by `host_share_by_attention`.

        Returns:
            float32 [B]; in mode `append`, [B + M], for the rows of `plan.appended()`.

        Raises:
            ValueError: `by` is something else.
            RuntimeError: no plan was given yet.
        """
        if by not in ("area", "attention"):
            raise ValueError(f"by must be 'area' or 'attention', not {by!r}")
        now = self.course.now
        if now.plan is None:
            raise RuntimeError("the share of the host is known after a step in `with mix(batch):`")
        whole = torch.ones(len(now.plan), device=now.plan.lam.device)
        if now.step is None or now.grid is None:
            return whole
        weights = self.weights_at(now.step, now.grid)
        if by == "area":
            share = host_share_by_area(weights)
        else:
            maps = [map_on_grid(m, now.grid) for m in (now.step.host_map, now.step.donor_map)]
            share = host_share_by_attention(weights, *maps)
        return share if self.mode == "replace" else torch.cat([whole.to(share.device), share[now.step.hosts]])

    def remove(self) -> None:
        """Detach from the model for good."""
        for handle in self._handles:
            handle.remove()
        # A compiled model may still have the hook in its graphs.
        self._handles, self.course.now.open = [], False

    def weights_at(self, step: Step, grid: tuple[int, int]) -> Tensor:
        """The donors' weights for a step on a grid."""
        return mix_weights(step.donor_map, step.host_map, step.lam, step.active, grid, self.kind, self.share, self.map)
