"""What autograd tells of the pass that runs. torch has no public names for it; they are all here."""

from __future__ import annotations

import inspect

import torch
from torch.autograd.function import BackwardCFunction

try:
    # What torch.compiler.disable is, but for importing the compiler here, which takes seconds.
    from torch._compile import _disable_dynamo as uncompiled
except ImportError:
    uncompiled = torch.compiler.disable

__all__ = ["FORWARD", "asking_node", "backward_pass", "check_torch", "next_node", "uncompiled"]

# The number of the backward pass outside of any.
FORWARD = -1

_OF_A_FUNCTION = BackwardCFunction.apply.__code__


def check_torch() -> None:
    """RuntimeError where this torch does not tell passes apart."""
    try:
        backward_pass(), next_node(), asking_node()
    except AttributeError as missing:
        raise RuntimeError(
            f"with torch {torch.__version__} the mix cannot tell passes that are run again in the backward pass from "
            f"others ({missing}): use another release of torch, or of this package"
        ) from None


def backward_pass() -> int:
    """The number of the backward pass that runs in this thread; torch.utils.checkpoint tells them in the same way."""
    return torch._C._current_graph_task_id()


def next_node() -> int:
    """The number that autograd gives to the next node that this thread puts into a graph."""
    return torch._C._autograd._get_sequence_nr()


def asking_node() -> int:
    """The number of the node of the forward pass for which the backward pass runs something again.

    A reentrant checkpoint runs a backward pass of its own for what it has run again. Nodes in there, such as those of
    checkpoints within it, are none of the forward pass: the outermost node is, of those that are at work.
    """
    node, frame = torch._C._current_autograd_node(), inspect.currentframe()
    while frame is not None:
        if frame.f_code is _OF_A_FUNCTION:
            node = frame.f_locals["self"]
        frame = frame.f_back
    return next_node() if node is None else node._sequence_nr()
