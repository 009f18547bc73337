"""Reading `dataset.json`, without which a folder is no finished dataset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import ValidationError

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.manifest import DatasetManifest
from medcutmix_pipeline.version import FORMAT_VERSION

if TYPE_CHECKING:
    from pathlib import Path


def read_manifest(folder: Path) -> DatasetManifest:
    """`dataset.json` of a folder.

    Raises:
        UsageError: there is no such folder, or no dataset in it.
        DataError: it is unfinished, damaged, or of a format that this release does not read.
    """
    path = folder / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.get("format_version")
    except FileNotFoundError:
        if not folder.exists():
            raise UsageError(f"there is no folder {folder}") from None
        if (folder / ".build").is_dir():
            raise DataError(
                f"the dataset in {folder} is unfinished: unless its build is still running, run `build` again, "
                "and it continues where it stopped "
                "(`inspect --rejects 20` shows what it has rejected so far)"
            ) from None
        raise UsageError(f"{folder} holds no dataset: there is no dataset.json in it") from None
    except NotADirectoryError:
        raise UsageError(f"{folder} is a file: name the folder of a dataset") from None
    except PermissionError as why:
        raise DataError(f"cannot read {path}: {why.strerror}") from None
    except (OSError, ValueError, AttributeError, RecursionError):
        raise DataError(f"{path} cannot be read as a dataset's manifest: build the dataset again") from None
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        remedy = "install a newer medcutmix-pipeline" if newer else "build the dataset again"
        raise DataError(f"{path} has format version {version!r}, this release reads {FORMAT_VERSION}: {remedy}")
    try:
        return DatasetManifest.model_validate(content)
    except ValidationError as error:
        place = ".".join(str(p) for p in error.errors()[0]["loc"])
        raise DataError(f"{path} is not whole: {place}: {error.errors()[0]['msg'].lower()}") from None
