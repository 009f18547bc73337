"""How many encoder actors a Ray can hold at once: one that it cannot place would be waited for without end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medcutmix_pipeline.schemas.config import AttentionConfig, EngineConfig

_ALMOST = 1e-9  # 1 / 0.1 and the like, which floating point may leave just below a whole number


@dataclass(frozen=True)
class EncoderPool:
    """The actors of a build.

    Attributes:
        encoders: how many, at least 1.
        gpus: of each; 0 where they run on CPUs.
        told: their number in words, and why it is not what was asked for.
    """

    encoders: int
    gpus: float
    told: str


def size_pool(
    config: EngineConfig, attention: AttentionConfig, workers: int, gpus_of_nodes: Sequence[float]
) -> EncoderPool:
    """The pool that these settings ask for, as far as the GPUs hold it.

    Args:
        workers: CPUs to use.
        gpus_of_nodes: how many each node of the Ray has.

    Raises:
        UsageError: the device is to be a GPU and there is none, or a certain one; or no node has the GPUs of one
            encoder.
    """
    most = max(gpus_of_nodes, default=0.0)
    if attention.device == "cpu" or not most:
        if attention.device.startswith("cuda"):
            raise UsageError("attention.device is cuda, but Ray has no GPU: set attention.device=cpu")
        encoders = config.encoders or max(1, workers // 2)
        return EncoderPool(encoders, 0.0, str(encoders))
    each = config.gpus_per_encoder
    number = attention.device.partition("cuda:")[2]
    if number.isdecimal() and int(number) >= max(1, each):
        raise UsageError(
            f"attention.device={attention.device}, but on Ray each encoder sees its own GPU alone: "
            f"set attention.device=cuda, and CUDA_VISIBLE_DEVICES={number} before the command, or engine.kind=serial"
        )
    room = encoders_on(gpus_of_nodes, each)
    if not room:
        raise UsageError(
            f"engine.gpus_per_encoder={each:g}, but the most GPUs that a node of Ray has are {most:g}: "
            "set it to no more than that, or attention.device=cpu"
        )
    asked = config.encoders or room
    cut = f" of engine.encoders={asked}, because the GPUs hold no more" if asked > room else ""
    return EncoderPool(min(asked, room), each, f"{min(asked, room)}{cut}")


def encoders_on(gpus_of_nodes: Sequence[float], each: float) -> int:
    """How many encoders fit: Ray takes a share from a single GPU, and whole GPUs from a single node."""
    if each <= 1:
        return sum(map(int, gpus_of_nodes)) * int(1 / each + _ALMOST)
    return sum(int(gpus // each) for gpus in gpus_of_nodes)
