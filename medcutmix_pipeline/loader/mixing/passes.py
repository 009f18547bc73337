"""Which step a layer's pass belonged to, when gradient checkpointing runs it again in the backward pass."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from medcutmix_pipeline.loader.mixing.autograd import FORWARD, asking_node, backward_pass, next_node

if TYPE_CHECKING:
    from medcutmix_pipeline.loader.mixing.hook import Step

KEPT = 16
"""Contexts of which the steps are kept. Each holds the maps of its batch."""


class _Stretch(NamedTuple):
    """Nodes that were made in one context, or outside of any, from one number on."""

    start: int
    layer: str | None = None
    step: Step | None = None


class Passes:
    """What was mixed in each of the last passes, told by the node of the graph that asks for the pass again.

    Autograd numbers nodes as they are made, and the node that asks is one of the pass itself: it stands for the
    checkpointed part as a whole (reentrant), or needs a tensor of it (not reentrant). So the numbers at which contexts
    begin and end tell passes apart, with the mix and without it, that share one backward pass.
    """

    def __init__(self) -> None:
        self._stretches = deque([_Stretch(0)], maxlen=2 * KEPT)

    def turn_to(self, layer: str | None, step: Step | None) -> None:
        """A context of this step begins here, or goes on; or, with nothing, none is open from here on."""
        if backward_pass() == FORWARD:
            self._stretches.append(_Stretch(next_node(), layer, step))

    def step_again(self, layer: str) -> Step | None:
        """What was mixed at this layer in the pass that is run again here; None where nothing was.

        Raises:
            RuntimeError: the pass was in a context that is not kept any more, or before it.
        """
        number = asking_node()
        for stretch in reversed(self._stretches):
            if stretch.start <= number:
                return stretch.step if stretch.layer == layer else None
        raise RuntimeError(
            f"layer {layer!r} is run again for a pass more than {KEPT} contexts back, whose plan is not kept: with "
            "gradient checkpointing, call backward() sooner"
        )
