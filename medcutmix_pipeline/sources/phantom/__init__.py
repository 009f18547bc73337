"""Synthetic chest radiographs with reports, whose truth is known and which may be published.

`generate` writes a corpus to disk; `study` makes one study in memory.
"""

from .scene import NORMAL, PREVALENCE
from .study import PhantomImage, PhantomStudy, Truth, study
from .write import PhantomSummary, generate

__all__ = ["NORMAL", "PREVALENCE", "PhantomImage", "PhantomStudy", "PhantomSummary", "Truth", "generate", "study"]
