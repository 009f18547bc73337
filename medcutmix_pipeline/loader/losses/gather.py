"""Rows of all ranks beside each other, with gradients, also where ranks have different numbers of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Where this rank's rows stand among those of all ranks.

    Attributes:
        sizes: the number of rows of each rank.
        rank: this rank.
    """

    sizes: tuple[int, ...]
    rank: int

    @property
    def ranks(self) -> int:
        """The number of ranks."""
        return len(self.sizes)

    @property
    def total(self) -> int:
        """The rows of all ranks."""
        return sum(self.sizes)

    @property
    def first(self) -> int:
        """The place of this rank's first row."""
        return sum(self.sizes[: self.rank])

    def joined(self, local: Tensor) -> Tensor:
        """The rows of all ranks, in the order of ranks: [rows of this rank, ...] → [rows of all, ...].

        The gradient of a row is the sum of what all ranks' losses give it.
        """
        if len(self.sizes) == 1:
            return local
        gathered: Tensor = _Gather.apply(local, self)  # type: ignore[no-untyped-call]  # torch does not type it
        return gathered


def local_rows(size: int) -> Rows:
    """The rows of this rank alone."""
    return Rows((size,), 0)


def gather_rows(size: int, device: torch.device) -> Rows:
    """The rows of all ranks of the default process group; of this process alone where none is up."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return local_rows(size)
    own = torch.tensor([size], device=device)
    told = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(told, own)
    return Rows(tuple(torch.cat(told).tolist()), dist.get_rank())


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor, rows: Rows) -> Tensor:
        ctx.rows = rows
        # Collectives want equal shapes of all ranks.
        room = local.new_zeros(max(rows.sizes), *local.shape[1:])
        room[: len(local)] = local
        parts = [torch.empty_like(room) for _ in rows.sizes]
        dist.all_gather(parts, room)
        return torch.cat([part[:size] for part, size in zip(parts, rows.sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        rows: Rows = ctx.rows
        summed = gradients[0].contiguous().clone()
        dist.all_reduce(summed)
        return summed[rows.first : rows.first + rows.sizes[rows.rank]], None
