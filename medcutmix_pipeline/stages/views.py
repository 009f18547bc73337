"""Which projection an image shows: as its source says, else as its header says, else as the picture looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from medcutmix_pipeline.sources import read_bytes
from medcutmix_pipeline.stages.ingest import ImageReject, decode, header_view, image_view

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import IngestConfig
    from medcutmix_pipeline.schemas.records import ImageRef, View


def resolve_view(image: ImageRef, config: IngestConfig) -> View:
    """Frontal or lateral.

    The file is read only where the source does not say.

    Raises:
        ImageReject: `view-unsupported`, `view-unknown`, or what keeps the file from being read.
    """
    if image.view is not None:
        if image.view in ("frontal", "lateral"):
            return cast("View", image.view)
        raise ImageReject("view-unsupported", "neither a frontal nor a lateral view")
    data = read_bytes(image.uri, config.max_bytes)
    view = header_view(data)
    if view is None and config.guess_view:
        view = image_view(decode(data, config))
    if view is None:
        raise ImageReject("view-unknown", "neither source, header nor picture tells frontal from lateral")
    return view
