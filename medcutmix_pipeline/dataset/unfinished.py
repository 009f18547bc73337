"""What an unfinished build can already tell of itself."""

from __future__ import annotations

from pathlib import Path

from medcutmix_pipeline.dataset.rows import Rows
from medcutmix_pipeline.schemas.tables import REJECTS


def rejects_so_far(folder: str) -> Rows | None:
    """What an unfinished build in a folder has rejected until now; None where there is none, or it is finished.

    Studies that lose their last image while shards are made are known only at the end of a build.
    """
    state = Path(folder) / ".build"
    if "://" in folder or (Path(folder) / "dataset.json").exists() or not state.is_dir():
        return None
    done = sorted(path.stem for path in (state / "done").glob("*.json"))
    tables = [state / "rejects" / f"{name}.parquet" for name in done]
    return Rows("rejects", [path for path in tables if path.is_file()], REJECTS)
