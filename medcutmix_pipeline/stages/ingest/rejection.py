"""Why an image stays out, and the checks that every format shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.sources.reading import UnusableInputError

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import IngestConfig

ImageReject = UnusableInputError
"""The image cannot become a sample. Reasons beside those of reading:

`image-undecodable`, `image-truncated`, `image-too-many-pixels`, `image-degenerate` (a side of 0 or 1 pixel),
`image-blank` (every pixel alike), `image-multiframe`, `transfer-syntax-unsupported`, `view-unsupported`.
"""


def beyond_memory() -> ImageReject:
    """What to raise where a picture is decoded and the memory does not suffice."""
    return ImageReject("image-too-many-pixels", "the picture does not fit in memory")


def check_size(height: int, width: int, config: IngestConfig) -> None:
    """Reject by what the header says, before anything of that size is allocated."""
    if height < 2 or width < 2:
        raise ImageReject("image-degenerate", f"{max(height, 0)} × {max(width, 0)} pixels")
    if height * width > config.max_pixels:
        raise ImageReject("image-too-many-pixels", f"{height} × {width} pixels, more than {config.max_pixels}")
