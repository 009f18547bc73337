"""An optimiser for weights that are matrices or kernels: steps whose directions are all of one length.

K. Jordan and others, "Muon: an optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

_MOMENTUM, _ITERATIONS = 0.9, 5
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic polynomial that brings singular values near to 1; Jordan's."""


class Muon(torch.optim.Optimizer):
    """Momentum (Nesterov's) made orthogonal: each step turns what is rare in the gradients as far as what is frequent.

    For parameters of at least two dimensions; kernels are taken as matrices [out, in · height · width]. Torch's own
    class of this name takes matrices alone.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # no closure is ever given
        """One step for every parameter that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    state = self.state[weight]
                    memory = state.setdefault("momentum", torch.zeros_like(weight.grad))
                    memory.lerp_(weight.grad, 1 - _MOMENTUM)
                    turn = orthogonal(weight.grad.lerp(memory, _MOMENTUM).flatten(1))
                    longer = max(1.0, turn.shape[0] / turn.shape[1]) ** 0.5
                    weight.add_(turn.view(weight.shape), alpha=-group["lr"] * longer)


def orthogonal(matrix: Tensor) -> Tensor:
    """The matrix [m, n] with all of its singular values near 1 (0.7 to 1.2), by Newton and Schulz's iteration."""
    a, b, c = _COEFFICIENTS
    is_tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.T if is_tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if is_tall else x
