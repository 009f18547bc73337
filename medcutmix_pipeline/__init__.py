"""Disease-matched mix plans for radiology vision-language pre-training, after MedCutMix (arXiv 2509.16673)."""

from medcutmix_pipeline.version import __version__

__all__ = ["__version__"]
