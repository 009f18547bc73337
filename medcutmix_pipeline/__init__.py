"""Disease-matched mix plans for radiology vision-language pre-training, after MedCutMix (arXiv 2509.16673).

From Python, as from the command line:

    >>> from medcutmix_pipeline import build, Dataset
    >>> dataset = build({"engine": {"kind": "serial"}}, "dataset", source="phantom", root="studies")
    >>> dataset = Dataset("dataset")            # one that is there already
    >>> dataset.sql("select disease, count(*) n from plans group by 1 order by 2 desc").to_pandas()
    >>> dataset.plot(next(iter(dataset.plans))["plan_id"])

Both need the extra `build`. What a trainer imports is `medcutmix_pipeline.loader`, which needs no extra; so nothing
is imported here before it is asked for.
"""

from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.version import __version__

if TYPE_CHECKING:
    from medcutmix_pipeline.api import build
    from medcutmix_pipeline.dataset import Dataset

__all__ = ["Dataset", "__version__", "build"]

_FROM = {"build": "medcutmix_pipeline.api", "Dataset": "medcutmix_pipeline.dataset"}


def __getattr__(name: str) -> Any:
    """`build` and `Dataset`, at first use."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    try:
        found = getattr(importlib.import_module(_FROM[name]), name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith(__name__):
            raise
        raise ImportError(
            f"{name} needs {missing.name}, which is not installed: pip install 'medcutmix-pipeline[build]'"
        ) from None
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
