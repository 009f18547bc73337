"""What a loader's arguments may be."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medcutmix_pipeline.loader.epochs.wishes import Normalize


def alpha_of(given: float | None, manifest: Mapping[str, Any]) -> float:
    """α as given, else the dataset's, else 1. UsageError where it is not positive and finite, or datasets differ."""
    try:
        told = manifest["config"]["plans"]["alpha"] if given is None else given
    except (KeyError, TypeError):
        return 1.0
    if given is None and isinstance(told, tuple):  # of several datasets
        raise UsageError(f"the datasets were built with α of {' and '.join(map(str, told))}: say which with alpha=…")
    try:
        alpha = float(told)
    except (TypeError, ValueError):
        alpha = math.nan
    if not 0 < alpha < math.inf:
        whose = "the dataset's plans.alpha" if given is None else "alpha"
        raise UsageError(f"{whose} must be positive and finite, not {told!r}")
    return alpha


def check_choices(**choices: tuple[str, tuple[str, ...]]) -> None:
    """UsageError where an argument is none of those known."""
    for name, (given, known) in choices.items():
        if given not in known:
            raise UsageError(f"{name} must be one of {', '.join(known)}, not {given!r}")


def whole(name: str, value: Any, least: int | None = 1) -> int:
    """An argument as an int, of whatever type holds it (1e9, NumPy's). UsageError where it is none, or too small."""
    try:
        number = int(value) if isinstance(value, float) and value.is_integer() else operator.index(value)
    except TypeError:
        raise UsageError(f"{name} must be a whole number, not {value!r}") from None
    if least is not None and number < least:
        raise UsageError(f"{name} must be at least {least}, not {number}")
    return number


def check_normalize(normalize: Normalize | None) -> None:
    """UsageError unless it is None, or a mean and a deviation that images can be normalised with."""
    if normalize is None:
        return
    try:
        mean, std = (np.asarray(told, np.float64) for told in normalize)
        fits = len(np.broadcast_shapes(mean.shape, std.shape)) <= 1 and np.isfinite(mean).all() and (std > 0).all()
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise UsageError(
            f"normalize must be (mean, std), each a number or one for each channel, std above 0, not {normalize!r}"
        )
