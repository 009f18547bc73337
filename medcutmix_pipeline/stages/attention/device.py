"""Devices, and arithmetic that gives the same bytes each time."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.nn import Module

_FILL, _FILLED = torch.utils.deterministic, "fill_uninitialized_memory"
"""Deterministic torch also writes to all new memory, to find bugs, and then a step of the fit takes far longer."""


def choose_device(name: str) -> torch.device:
    """The device of `attention.device`; auto takes a GPU where there is one. UsageError where it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UsageError(f"attention.device: {name!r} is not one of auto, cpu, cuda, cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        found = torch.cuda.device_count()
        raise UsageError(
            f"attention.device: {name} was asked for, but torch sees {found} CUDA devices; use auto or cpu"
        )
    return device


def settled(model: Module, device: torch.device) -> Module:
    """The model on the device; on a GPU with the weights of its linear layers in bfloat16.

    There it is asked under autocast, which rounds these weights in every call, with nearly as many kernels as the
    layers themselves. Rounded once, they give the same bytes. All else, such as norms, stays as it is.
    """
    model.to(device)
    if device.type == "cuda":
        round_weights(model)
    return model


def round_weights(model: Module) -> None:
    """Weights of linear layers to bfloat16, in place; but of those that embed, whose type transformers follows."""
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear) and "embed" not in name:
            layer.to(torch.bfloat16)


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Within it torch sums in a fixed order: a fixed number of CPU threads, deterministic kernels, no TF32.

    Sums of floats depend on how they are split among threads, so the number must not follow the machine or the
    environment (OMP_NUM_THREADS, which Ray sets to 1). What was set before is restored.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read at cuBLAS's first use
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    filled = getattr(_FILL, _FILLED)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    setattr(_FILL, _FILLED, False)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        torch.backends.cudnn.benchmark = before[2]
        setattr(_FILL, _FILLED, filled)
