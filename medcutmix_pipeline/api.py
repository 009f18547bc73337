"""Building from Python, for notebooks and scripts."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.home import at_home
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.schemas.settings import load_config, validated

if TYPE_CHECKING:
    from os import PathLike


def build(
    config: Config | Mapping[str, Any] | str | PathLike[str] | None = None,
    out: str | PathLike[str] | None = None,
    *,
    source: str | None = None,
    root: str | PathLike[str] | None = None,
    limit: int | None = None,
    fresh: bool = False,
    retry_rejects: bool = False,
    quiet: bool = False,
) -> Dataset:
    """Build a dataset of image–report pairs with mix plans, or continue a build that was interrupted.

    The same as `medcutmix-pipeline build`: the same settings give the same bytes, and what is already done is not
    repeated.

    Example:
        >>> from medcutmix_pipeline import build
        >>> dataset = build(out="dataset", source="openi", root="data/openi")
        >>> dataset = build("build.yaml", "dataset", limit=200, quiet=True)
        >>> dataset = build({"seed": 3, "shards": {"image_size": 224}}, "dataset", source="phantom", root="studies")
        >>> len(dataset.plans)

    Args:
        config: a configuration file, settings by section, or a `Config`; None for the defaults.
        out: folder for the dataset, or a URL such as s3://bucket/prefix (then `engine.work_dir` is needed, too).
        source: kind of source, instead of the configuration's; `medcutmix-pipeline sources` lists them.
        root: where the source's data are, instead of the configuration's.
        limit: take only the first studies, instead of the configuration's.
        fresh: start from scratch, and discard what an earlier build left in `out`.
        retry_rejects: try again what an earlier build rejected, even if it looks unchanged.
        quiet: print nothing; otherwise plain lines show the progress.

    Returns:
        The finished dataset.

    Raises:
        UsageError: the call or the configuration is at fault; nothing has been written.
        DataError: the input is at fault.
    """
    from medcutmix_pipeline.pipeline.build import build as run_build
    from medcutmix_pipeline.pipeline.progress import Reporter

    named = {"source.kind": source, "source.root": None if root is None else str(root), "source.limit": limit}
    resolved = _resolved(config, [(key, value) for key, value in named.items() if value is not None])
    if not resolved.source.root:
        raise UsageError("where are the studies? Give source= and root=")
    if out is None:
        raise UsageError("where should the dataset go? Give out=")
    # Plain lines, also where there is a terminal: bars would be drawn over what a notebook or a script prints itself.
    console = Console(file=io.StringIO() if quiet else sys.stdout, force_terminal=False, force_jupyter=False, width=120)
    with Reporter(console) as reporter:
        run_build(resolved, at_home(out), reporter, fresh=fresh, retry_rejects=retry_rejects)
    return Dataset(out)


def _resolved(config: Config | Mapping[str, Any] | str | PathLike[str] | None, named: list[tuple[str, Any]]) -> Config:
    if isinstance(config, Config):
        config = config.model_dump(by_alias=True)
    if isinstance(config, Mapping):
        return validated(config, named)
    return load_config(None if config is None else Path(at_home(config)), named)
