"""An encoder that notes when it is asked and when it has answered, around the one that the environment names."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.attention.encoder import load_encoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medcutmix_pipeline.schemas.config import AttentionConfig
    from medcutmix_pipeline.stages.attention.encoder import Attention

ENCODER, LOG = "MEDCUTMIX_BENCHMARK_ENCODER", "MEDCUTMIX_BENCHMARK_CALLS"


class Timed:
    """The encoder of `ENCODER`; each call leaves a line in the file of `LOG`: its start, its end, and its images."""

    def __init__(self, config: AttentionConfig) -> None:
        self._encoder = load_encoder(config.model_copy(update={"encoder": os.environ[ENCODER]}), None)
        self.id, self.sha256, self.image_size = self._encoder.id, self._encoder.sha256, self._encoder.image_size

    def attend(self, images: NDArray[np.uint8], image_index: Sequence[int], sentences: Sequence[str]) -> Attention:
        """See `Encoder.attend`."""
        started = time.time()
        seen = self._encoder.attend(images, image_index, sentences)
        with Path(os.environ[LOG]).open("a", encoding="utf-8") as log:
            log.write(f"{started!r} {time.time()!r} {len(set(image_index))}\n")
        return seen


def calls_in(log: Path, began: float, finished: float) -> tuple[float, float]:
    """Seconds that calls took between two moments of `time.time`, and the images that were seen in them."""
    calls = [[float(word) for word in line.split()] for line in log.read_text(encoding="utf-8").splitlines()]
    within = [(min(end, finished) - max(start, began), end - start, images) for start, end, images in calls]
    within = [(inside, whole, images) for inside, whole, images in within if inside > 0]
    return sum(inside for inside, _, _ in within), sum(images * inside / whole for inside, whole, images in within)
