"""How often the picture alone tells frontal from lateral, measured on a source that names its views.

python -m benchmarks.view --openi ROOT
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from benchmarks.suite import Figure, run
from medcutmix_pipeline.schemas.config import Config, SourceConfig
from medcutmix_pipeline.sources import open_source, read_bytes
from medcutmix_pipeline.stages.ingest import ImageReject, decode, image_view, square

if TYPE_CHECKING:
    import argparse

KINDS = ("as it is", "narrow and padded")
"""The images as they are, and with their sides cut off and made square with black bands."""


def seen(root: str) -> Counter[tuple[str, str, str | None]]:
    """(kind, view that the source names, view that the picture tells) → images."""
    config = Config()
    counts: Counter[tuple[str, str, str | None]] = Counter()
    for study in open_source(SourceConfig(kind="openi", root=root)).studies():
        for image in study.images:
            if image.view not in ("frontal", "lateral") or image.problem:
                continue
            try:
                pixels = decode(read_bytes(image.uri, config.ingest.max_bytes), config.ingest, at_least=256)
            except ImageReject:
                continue
            counts[KINDS[0], image.view, image_view(pixels)] += 1
            bands = pixels[:, pixels.shape[1] // 6 : -(pixels.shape[1] // 6)]
            counts[KINDS[1], image.view, image_view(square(bands, 256, "pad"))] += 1
    return counts


def measure(told: argparse.Namespace) -> list[Figure]:
    if told.openi is None:
        raise SystemExit("views are told on Open-I: give its folder with --openi")
    counts = seen(str(told.openi))
    figures = []
    for kind in KINDS:
        of_kind = {(view, guess): n for (k, view, guess), n in counts.items() if k == kind}
        total = sum(of_kind.values())
        said = sum(n for (_, guess), n in of_kind.items() if guess is not None)
        right = sum(n for (view, guess), n in of_kind.items() if view == guess)
        figures += [
            Figure(f"images, {kind}", total, ""),
            Figure(f"of them told, {kind}", 100 * said / total, "%"),
            Figure(f"of those told rightly, {kind}", 100 * right / said, "%"),
        ]
    return figures


if __name__ == "__main__":
    run("view", measure, __doc__, openi=None)
