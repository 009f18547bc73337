"""Finished datasets: opening, checking and looking at them."""

from medcutmix_pipeline.dataset.open import Dataset

__all__ = ["Dataset"]
