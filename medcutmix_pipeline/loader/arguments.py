"""What a loader's arguments may be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


def alpha_of(given: float | None, manifest: Mapping[str, Any]) -> float:
    """α as given, else the dataset's, else 1. UsageError where it is not positive and finite, or datasets differ."""
    try:
        told = manifest["config"]["plans"]["alpha"] if given is None else given
        if isinstance(told, tuple):  # of several datasets
            raise UsageError(
                f"the datasets were built with α of {' and '.join(map(str, told))}: say which with alpha=…"
            )
        alpha = float(told)
    except (KeyError, TypeError, ValueError):
        return 1.0
    if not 0 < alpha < math.inf:
        raise UsageError(f"alpha must be positive and finite, not {alpha}")
    return alpha


def check_choices(**choices: tuple[str, tuple[str, ...]]) -> None:
    """UsageError where an argument is none of those known."""
    for name, (given, known) in choices.items():
        if given not in known:
            raise UsageError(f"{name} must be one of {', '.join(known)}, not {given!r}")


def check_positive(**values: int) -> None:
    """UsageError where an argument is less than 1."""
    for name, value in values.items():
        if value < 1:
            raise UsageError(f"{name} must be at least 1, not {value}")
