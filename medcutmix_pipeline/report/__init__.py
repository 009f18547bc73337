"""The page that shows a dataset: what went in and came out, whether it is any good, and every plan to look at."""

from medcutmix_pipeline.report.write import Written, write_report

__all__ = ["Written", "write_report"]
