"""An optimiser for weights that are matrices or kernels: steps whose directions are all of one length.

K. Jordan and others, "Muon: an optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
            weights = [weight for weight in group["params"] if weight.grad is not None]
            gradients = [cast("Tensor", weight.grad) for weight in weights]
            memory = [self.state[w].setdefault("momentum", torch.zeros_like(w)) for w in weights]
            torch._foreach_lerp_(memory, gradients, 1 - _MOMENTUM)
            turns = orthogonal([g.flatten(1) for g in torch._foreach_lerp(gradients, memory, _MOMENTUM)])
            for weight, turn in zip(weights, turns, strict=True):
                longer = max(1.0, turn.shape[0] / turn.shape[1]) ** 0.5
                weight.add_(turn.reshape(weight.shape), alpha=-group["lr"] * longer)


def orthogonal(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Matrices [m, n] with all of their singular values near 1 (0.7 to 1.2), by Newton and Schulz's iteration.

    All at once, filled up with zeros, which change nothing: many small products take longer to start than to compute.
    """
    a, b, c = _COEFFICIENTS
    wide = [m.T if m.shape[0] > m.shape[1] else m for m in matrices]
    x = wide[0].new_zeros(len(wide), max(m.shape[0] for m in wide), max(m.shape[1] for m in wide))
    for n, m in enumerate(wide):
        x[n, : m.shape[0], : m.shape[1]] = m
    x /= x.norm(dim=(1, 2), keepdim=True) + 1e-7
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    found = [x[n, : m.shape[0], : m.shape[1]] for n, m in enumerate(wide)]
    return [f.T if m.shape[0] > m.shape[1] else f for f, m in zip(found, matrices, strict=True)]
