"""The command `label`: a table of reports in, a table of findings out."""

from medcutmix_pipeline.labelling.work import LabelCounts, label_file

__all__ = ["LabelCounts", "label_file"]
