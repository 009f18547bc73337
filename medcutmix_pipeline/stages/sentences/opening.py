"""Opening a reader of reports without what it does not need.

spaCy's arithmetic, thinc, imports torch where it is installed: seconds and 180 MB in every process that reads reports,
for nothing, since the rules compute nothing by it. Only a spaCy pipeline that a user names may want it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from importlib.abc import MetaPathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec

    from medcutmix_pipeline.schemas.config import SentencesConfig
    from medcutmix_pipeline.stages.sentences.reader import ReportReader

_ASKS, _FOR = "thinc.compat", "torch"


def open_reader(config: SentencesConfig) -> ReportReader:
    """A reader of reports; where no spaCy pipeline is named, this process does not import torch for it.

    A process in which that was done cannot load a spaCy pipeline that computes by torch later on.

    Raises:
        UsageError: the lexicon or the spaCy pipeline is at fault.
    """
    with nullcontext() if config.model else _without_torch():
        from medcutmix_pipeline.stages.sentences.reader import ReportReader
    return ReportReader(config)


@contextmanager
def _without_torch() -> Iterator[None]:
    """Meanwhile thinc is told that there is no torch; whoever else imports it gets it."""
    finder = _Refusal()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Refusal(MetaPathFinder):
    """Asked for torch by thinc, says that it is not installed."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """See `MetaPathFinder`."""
        if fullname == _FOR and _asker() == _ASKS:
            raise ModuleNotFoundError(f"{_FOR} is left out for {_ASKS}", name=_FOR)
        return None


def _asker() -> str:
    """The module that contains the import statement which is being carried out."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("importlib."):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))
