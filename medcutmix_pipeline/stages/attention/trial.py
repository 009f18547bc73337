"""An encoder asked once before it is needed: what it cannot do is told at once, and not after hours of work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medcutmix_pipeline.errors import PipelineError, UsageError
from medcutmix_pipeline.stages.attention.encoder import problem_of

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.attention.encoder import Encoder

_SENTENCE = "There is a small left pleural effusion."
_TOLD = 200
"""Characters of another library's error that are told."""


def try_encoder(encoder: Encoder) -> None:
    """Ask an encoder about a grey wedge.

    Raises:
        UsageError: it fails, or its answer is none: weights with NaN, or a model of a kind that its family does not
            foresee.
    """
    wedge = np.tile(np.linspace(0, 255, encoder.image_size).astype(np.uint8), (1, encoder.image_size, 1))
    try:
        seen = encoder.attend(wedge, [0], [_SENTENCE])
    except PipelineError:
        raise
    except Exception as problem:  # of a model of which nothing is known yet: whatever its parts raise
        why = f"{type(problem).__name__}: {str(problem).partition(chr(10))[0][:_TOLD]}"
        raise UsageError(
            f"attention.encoder: {encoder.id} cannot be asked for a sentence in an image ({why}); "
            "wrap it as module:Class if its parts are of other kinds than its family's"
        ) from None
    if wrong := problem_of(seen, 1):
        raise UsageError(f"attention.encoder: {encoder.id} {wrong}: are its weights whole?")
