"""The `sentences` stage: what a report says, sentence by sentence."""

from medcutmix_pipeline.stages.sentences.reader import ReportReader

__all__ = ["ReportReader"]
