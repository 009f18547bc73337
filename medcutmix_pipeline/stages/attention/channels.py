"""How a transformers checkpoint wants its images: the mean and deviation by which their channels are standardised."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_HALF = (0.5, 0.5, 0.5)
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_OF_FAMILY = {"clip": _CLIP, "blip": _CLIP}
"""Where a checkpoint does not bring its own."""


def channel_statistics(folder: Path, model: str, family: str, channels: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation, of values in [0, 1], for each of so many channels.

    They are read as transformers reads them: from processor_config.json, where its fifth version keeps what it knows of
    images, else from preprocessor_config.json. A grey model may take the three of a colour model: their mean is used.

    Raises:
        UsageError: a file cannot be understood, or is of another number of channels.
    """
    told = _told_of_images(folder, model)
    if told.get("do_normalize") is False:
        return [0.0] * channels, [1.0] * channels
    defaults = _OF_FAMILY.get(family, (_HALF, _HALF))
    mean, std = (
        _for_channels(told.get(name) or default, channels, name, model)
        for name, default in zip(("image_mean", "image_std"), defaults, strict=True)
    )
    return mean, std


def _told_of_images(folder: Path, model: str) -> dict[str, Any]:
    for name, part in (("processor_config.json", "image_processor"), ("preprocessor_config.json", None)):
        try:
            told = json.loads((folder / name).read_text("utf-8"))
            told = told.get(part) if part else told
            if told is None:
                continue
            if not isinstance(told, dict):
                raise ValueError("not an object")
        except FileNotFoundError:
            continue
        except (OSError, ValueError, AttributeError):
            raise UsageError(f"attention.encoder: {model} is damaged: its {name} cannot be read") from None
        return told
    return {}


def _for_channels(given: Any, channels: int, name: str, model: str) -> list[float]:
    try:
        values = [float(value) for value in (given if isinstance(given, list | tuple) else [given])]
    except (TypeError, ValueError):
        values = []
    if len(values) == channels:
        return values
    if len(values) == 1:
        return values * channels
    if values and channels == 1:
        return [sum(values) / len(values)]
    raise UsageError(f"attention.encoder: the {name} of {model} fits no image of {channels} channels: it is {given}")
