"""Ingest: from an image file to the square grey picture that is stored."""

from medcutmix_pipeline.stages.ingest.decode import decode, header_view
from medcutmix_pipeline.stages.ingest.rejection import ImageReject
from medcutmix_pipeline.stages.ingest.squares import encode, square
from medcutmix_pipeline.stages.ingest.view import image_view

__all__ = ["ImageReject", "decode", "encode", "header_view", "image_view", "square"]
