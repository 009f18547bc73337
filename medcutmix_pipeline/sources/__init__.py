"""Adapters that turn a data set on disk into studies."""

from medcutmix_pipeline.sources.base import Source, SourceDescription
from medcutmix_pipeline.sources.reading import ReadFailedError, UnusableInputError, read_bytes, read_report
from medcutmix_pipeline.sources.registry import describe_sources, open_source

__all__ = [
    "ReadFailedError",
    "Source",
    "SourceDescription",
    "UnusableInputError",
    "describe_sources",
    "open_source",
    "read_bytes",
    "read_report",
]
