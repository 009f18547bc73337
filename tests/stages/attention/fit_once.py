"""A small fit and what it attends, in a process of its own: python -m tests.stages.attention.fit_once FOLDER
THREADS."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from medcutmix_pipeline.schemas.config import AttentionConfig, FitConfig
from medcutmix_pipeline.sources.phantom import study
from medcutmix_pipeline.stages.attention.encoder import load_encoder
from medcutmix_pipeline.stages.attention.fit import Pair, fit_encoder

CONFIG = AttentionConfig(
    device="cpu",
    threads=2,
    fit=FitConfig(image_size=64, steps=4, batch=8, width=16, networks=2, threads=2),
)


def material(studies: int = 24, seed: int = 0):
    """Images uint8 [N, 64, 64] and a sentence for each finding that is present."""
    images, pairs = [], []
    for index in range(studies):
        one = study(seed, index, 64)
        labels = {t.finding: t.assertion for t in one.truth}
        present = sorted(f for f, a in labels.items() if a == "present")
        side = ("left", "right")[index % 2]
        for image in one.images:
            row = len(images)
            images.append(image.pixels)
            pairs += [
                Pair(row, f"There is {f.lower()} on the {side}.", (f,), image.view, one.patient_id, labels)
                for f in present
            ] or [Pair(row, "", (), image.view, one.patient_id, labels)]
    return np.stack(images), pairs


def main() -> None:
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    images, pairs = material()
    fit_encoder(images, pairs, CONFIG.fit.model_copy(update={"threads": threads}), 7, folder, lambda *_: None)
    got = load_encoder(CONFIG, folder).attend(
        images, [0, 1, 1], ["left nodule", "the right effusion", "never heard of"]
    )
    np.savez(folder / "maps.npz", maps=got.maps, scores=got.scores)


if __name__ == "__main__":
    main()
