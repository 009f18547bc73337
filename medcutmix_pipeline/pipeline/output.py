"""Where a build goes: a folder, or an object store with a working folder before it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.pipeline.layout import Layout
from medcutmix_pipeline.pipeline.ownership import is_ours
from medcutmix_pipeline.pipeline.storage.mirror import Mirror
from medcutmix_pipeline.pipeline.storage.store import Store
from medcutmix_pipeline.sources.reading import protocol

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import Config


_ONE_SLASH = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:/(?!/)")


def check_output(config: Config, out: Path | str) -> tuple[Layout, Mirror | None]:
    """Where a build into `out` works, and what brings its files to an object store; `out` is left as it is.

    Raises:
        UsageError: a build may not go there, or cannot.
    """
    if isinstance(out, str) and _ONE_SLASH.match(out):
        raise UsageError(
            f"{out}: a URL has two slashes, as in s3://BUCKET/PREFIX; a folder of that name would be ./{out}"
        )
    store = Store(str(out)) if protocol(str(out)) else None
    layout = Layout(_working_folder(out, config.engine.work_dir, store))
    mirror = Mirror(store, layout) if store else None
    _check_folder(layout, config.source.root)
    if mirror:
        mirror.check()
    return layout, mirror


def _working_folder(out: Path | str, work: str | None, store: Store | None) -> Path:
    if store is None:
        return Path(out).resolve()
    if work is None:
        raise UsageError(
            f"a build into {store.url} needs a working folder, as large as the dataset: give --work FOLDER"
        )
    return Path(work).resolve()


def _check_folder(layout: Layout, root: str) -> None:
    """Make sure that the output folder is new, empty or ours, and that the source does not stand in it."""
    try:
        taken = layout.out.exists() and any(p != layout.build or _holds_something(layout) for p in layout.out.iterdir())
    except OSError as why:
        raise UsageError(f"cannot write to {layout.out}: {why.strerror}") from None
    if taken and not is_ours(layout):
        raise UsageError(f"{layout.out} is not empty and holds no dataset of ours: name a new folder with --out")
    if root and protocol(root) is None and Path(root).resolve().is_relative_to(layout.out):
        raise UsageError(f"the source {root} stands inside the output {layout.out}: name another folder with --out")


def _holds_something(layout: Layout) -> bool:
    """Whether there is more in `.build` than the empty lock that a build leaves which is killed right at its start."""
    return any(path != layout.lock or path.stat().st_size for path in layout.build.iterdir())
