"""How often the picture alone tells frontal from lateral, measured on a source that names its views.

python benchmarks/view.py --root ROOT [--source openi]
"""

from __future__ import annotations

import argparse
from collections import Counter

from medcutmix_pipeline.schemas.config import Config, SourceConfig
from medcutmix_pipeline.sources import open_source, read_bytes
from medcutmix_pipeline.stages.ingest import ImageReject, decode, image_view, square


def main() -> None:
    """Print the figure for the images as they are, and made square with black bands."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True)
    parser.add_argument("--source", default="openi")
    arguments = parser.parse_args()
    config = Config()
    seen: Counter[tuple[str, str, str | None]] = Counter()
    for study in open_source(SourceConfig(kind=arguments.source, root=arguments.root)).studies():
        for image in study.images:
            if image.view not in ("frontal", "lateral") or image.problem:
                continue
            try:
                pixels = decode(read_bytes(image.uri, config.ingest.max_bytes), config.ingest, at_least=256)
            except ImageReject:
                continue
            seen["as it is", image.view, image_view(pixels)] += 1
            bands = pixels[:, pixels.shape[1] // 6 : -(pixels.shape[1] // 6)]
            seen["narrow and padded", image.view, image_view(square(bands, 256, "pad"))] += 1
    for kind in ("as it is", "narrow and padded"):
        total = sum(n for (k, _, _), n in seen.items() if k == kind)
        said = sum(n for (k, _, guess), n in seen.items() if k == kind and guess is not None)
        right = sum(n for (k, view, guess), n in seen.items() if k == kind and view == guess)
        print(f"{kind}: {total} images, {said} told ({said / total:.1%}), {right} of them rightly ({right / said:.2%})")
        for view in ("frontal", "lateral"):
            print("  ", view, {g or "none": seen[kind, view, g] for g in ("frontal", "lateral", None)})


if __name__ == "__main__":
    main()
