"""Which step a layer's pass belonged to, when gradient checkpointing runs it again in the backward pass."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from medcutmix_pipeline.loader.mixing.hook import Step

# Beginnings and ends of contexts that are kept: those of 16. Each holds the maps of its batch.
KEPT = 32

# The number of the backward pass outside of any.
FORWARD = -1


def backward_pass() -> int:
    """The number of the backward pass that runs in this thread; torch.utils.checkpoint tells them in the same way."""
    return torch._C._current_graph_task_id()


def next_node() -> int:
    """The number that autograd gives to the next node that this thread puts into a graph."""
    return torch._C._autograd._get_sequence_nr()


@dataclass
class _Stretch:
    """Nodes that were made in one context, from one number on, or outside of contexts, after the one of this step."""

    start: int
    layer: str | None = None
    step: Step | None = None
    ran_outside: bool = False


class Passes:
    """What was mixed in each of the last passes, told by the node of the graph that asks for the pass again.

    Autograd numbers nodes as they are made, and the node that asks is one of the pass itself: it stands for the
    checkpointed part as a whole (reentrant), or needs a tensor of it (not reentrant). So the numbers at which contexts
    begin and end tell passes apart, with the mix and without it, that share one backward pass.
    """

    def __init__(self) -> None:
        self._stretches = deque([_Stretch(0)], maxlen=KEPT)

    def turn_to(self, layer: str | None, step: Step | None) -> None:
        """A context of this step begins or ends here."""
        if backward_pass() == FORWARD:
            self._stretches.append(_Stretch(next_node(), layer, step))

    def ran_outside(self) -> None:
        """A layer ran outside of the context: from there it may be run again."""
        self._stretches[-1].ran_outside = True

    def step_again(self, layer: str) -> Step | None:
        """What was mixed at this layer in the pass that is run again here; None where nothing was."""
        node = torch._C._current_autograd_node()
        number = next_node() if node is None else node._sequence_nr()
        latest_first = reversed(self._stretches)
        # Of a reentrant checkpoint within another one the node is made in the backward pass, and lies in no pass that
        # was seen. If the layer never ran outside of the context, it is one of the last step.
        stretch = next((s for s in latest_first if s.start <= number), self._stretches[-1])
        return stretch.step if stretch.layer == layer and not stretch.ran_outside else None
