"""The `sentences` stage: what a report says, sentence by sentence.

`ReportReader` is imported when it is asked for: it brings spaCy, which not every process needs that imports a module
of this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medcutmix_pipeline.stages.sentences.reader import ReportReader

__all__ = ["ReportReader"]


def __getattr__(name: str) -> Any:
    if name != "ReportReader":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from medcutmix_pipeline.stages.sentences.reader import ReportReader

    return ReportReader
