"""Which rank this process is, and how many CPUs it may decode on."""

from __future__ import annotations

import os

import torch.distributed as dist

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.loader.arguments import whole


def rank_and_world(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """(rank, world size): as given, of torch.distributed, of RANK and WORLD_SIZE (torchrun sets them), or (0, 1).

    Raises:
        UsageError: only one of them is given, or they do not fit.
    """
    if (rank is None) != (world_size is None):
        raise UsageError("give both rank and world_size, or neither")
    if rank is None or world_size is None:
        if dist.is_available() and dist.is_initialized():
            rank, world_size = dist.get_rank(), dist.get_world_size()
        else:
            rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    rank, world_size = whole("rank", rank, None), whole("world_size", world_size, None)
    if not 0 <= rank < world_size:
        raise UsageError(f"rank {rank} is not one of {world_size} ranks, which count from 0")
    return rank, world_size


def check_rank(rank: int, world_size: int) -> None:
    """UsageError where torch.distributed has been initialised since and knows this process by another rank."""
    if not (dist.is_available() and dist.is_initialized()):
        return
    now = dist.get_rank(), dist.get_world_size()
    if now != (rank, world_size):
        raise UsageError(
            f"the loader was made for rank {rank} of {world_size}, but torch.distributed says that this is rank "
            f"{now[0]} of {now[1]}: make the loader after init_process_group, or give it rank and world_size"
        )


def threads_for(asked: int | None, workers: int) -> int:
    """Decoding threads of one of `workers` processes of this rank."""
    if asked is not None:
        return max(1, asked)
    local_ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable // (max(1, local_ranks) * workers))
