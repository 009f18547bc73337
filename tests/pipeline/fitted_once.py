"""An encoder of the user's own, for builds that are too small to fit one: it runs what another build fitted."""

from __future__ import annotations

import os
from pathlib import Path

from medcutmix_pipeline.stages.attention.fitted import FittedEncoder

FOLDER = "MEDCUTMIX_TEST_ENCODER"
"""The environment variable that names the folder of the fitted encoder; it reaches Ray's workers."""


class FittedOnce:
    """The fitted encoder under a name of its own."""

    def __init__(self, config):
        self._encoder = FittedEncoder.load(Path(os.environ[FOLDER]), config)
        self.id, self.sha256, self.image_size = "fitted-once", self._encoder.sha256, self._encoder.image_size

    def attend(self, images, image_index, sentences):
        return self._encoder.attend(images, image_index, sentences)


NAME = f"{__name__}:{FittedOnce.__name__}"
