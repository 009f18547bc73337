"""Which projection an image shows: as its source says, else as its header says, else as the picture looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.stages.ingest import ImageReject, decode, header_view, image_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from medcutmix_pipeline.schemas.config import IngestConfig
    from medcutmix_pipeline.schemas.records import ImageRef, View


def resolve_view(image: ImageRef, config: IngestConfig, fetch: Callable[[str, int], bytes]) -> View:
    """Frontal or lateral.

    The file is read only where the source does not say.

    Raises:
        ImageReject: `view-unsupported`, `view-unknown`, or what keeps the file from being read.
    """
    if image.view is not None:
        if image.view == "frontal" or image.view == "lateral":
            return image.view
        raise ImageReject("view-unsupported", "neither a frontal nor a lateral view")
    try:
        data = fetch(image.uri, config.max_bytes)
    except FileNotFoundError:
        raise ImageReject("image-missing", "the image's file is not there") from None
    except (OSError, ValueError) as why:
        raise ImageReject("image-unreadable", f"the image cannot be read ({type(why).__name__})") from None
    view = header_view(data)
    if view is None and config.guess_view:
        view = image_view(decode(data, config))
    if view is None:
        raise ImageReject("view-unknown", "neither source, header nor picture tells frontal from lateral")
    return view
