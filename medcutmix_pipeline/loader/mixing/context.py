"""What the layers of a mix are to do at the moment: by the context that is open, or for a pass that is run again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medcutmix_pipeline.loader.mixing.autograd import FORWARD, backward_pass, next_node, uncompiled
from medcutmix_pipeline.loader.mixing.passes import Passes

if TYPE_CHECKING:
    from medcutmix_pipeline.loader.mixing.hook import Step
    from medcutmix_pipeline.loader.plan import MixPlan


@dataclass
class Context:
    """One `with mix(batch):`.

    Attributes:
        plan: the batch's; None mixes nothing.
        layer: the one that is drawn by the plan.
        step: what to mix there; None where nothing is.
        open: whether the context was not left yet.
        grid: (H, W) of the layer's features; None until they were mixed.
        entered: the backward pass in which the context was entered, `FORWARD` outside of any.
        since: the first node of a graph that counts as made in this context, and in none within it.
    """

    plan: MixPlan | None = None
    layer: str | None = None
    step: Step | None = None
    open: bool = False
    grid: tuple[int, int] | None = None
    entered: int = FORWARD
    since: int = 0


class Course:
    """The contexts of a mix in their course.

    Attributes:
        now: the context that is open; else the last one.
    """

    def __init__(self) -> None:
        # Plain attributes, not thread-local: the backward pass runs in threads of its own and must see them.
        self.now = Context()
        self._passes = Passes()

    # Never compiled, though a whole training step may be: else its graphs would hang on the numbers of nodes.
    @uncompiled
    def enter(self, plan: MixPlan | None, layer: str | None, step: Step | None) -> Context:
        """Open a context; the one that was there before is returned, for `leave`."""
        before, self.now = self.now, Context(plan, layer, step, True, None, backward_pass(), next_node())
        self._passes.turn_to(layer, step)
        return before

    @uncompiled
    def leave(self, before: Context) -> None:
        """Close the context; one that is around it goes on."""
        self.now.open = False
        if before.open:
            self.now, before.since = before, next_node()
            self._passes.turn_to(before.layer, before.step)
        else:
            self._passes.turn_to(None, None)

    def step_of(self, layer: str) -> Step | None:
        """What to mix at this layer now; None where nothing is."""
        now = self.now
        if not torch.compiler.is_compiling() and backward_pass() != (now.entered if now.open else FORWARD):
            return self._passes.step_again(layer)
        # In this order, a compiled model has one graph for all that is not mixed.
        return now.step if now.step is not None and now.layer == layer and now.open else None

    def at_features(self, step: Step, device: torch.device, grid: tuple[int, int]) -> Step:
        """The step on the device of the features, whose grid is noted, if the pass is not one that is run again."""
        there = step.to(device)
        if step is self.now.step:
            self.now.grid = grid
            if there is not step:
                self.now.step = there
        return there
