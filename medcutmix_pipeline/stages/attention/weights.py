"""The files of a transformers checkpoint's weights: whether all are there and whole, told without reading them."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_WHOLE = ("model.safetensors", "pytorch_model.bin")
_INDEX = ".index.json"
_PICKLE = b"\x80\x02"
"""How a file of torch older than 1.6 begins: pickles behind each other instead of a zip archive."""


def check_weights(folder: Path, name: str, named: str | None = None) -> None:
    """Headers only: a safetensors header tells the file's length, so that a truncated file shows.

    `named` is the one that config.json names, if it does.

    Raises:
        UsageError: there are none, a file is damaged, or one that the others belong to is not there.
    """
    files = [folder / named] if named and not named.endswith(_INDEX) else _files_of(folder, name)
    if not files:
        raise UsageError(
            f"attention.encoder: {name} has no weights in the layout of transformers ({' or '.join(_WHOLE)}, or parts "
            f"with {' or '.join(whole + _INDEX for whole in _WHOLE)})"
        )
    for path in files:
        try:
            if path.suffix == ".bin":
                _open_pickle(path)
            else:
                with safe_open(path, framework="pt"):
                    pass
        except FileNotFoundError:
            raise UsageError(f"attention.encoder: {name} is not whole: its {path.name} is missing") from None
        except (OSError, SafetensorError, zipfile.BadZipFile):
            raise UsageError(f"attention.encoder: {name} is damaged: {path.name} cannot be read") from None


def _files_of(folder: Path, name: str) -> list[Path]:
    """The files that transformers would take, in its order of preference."""
    for whole in _WHOLE:
        if (folder / whole).is_file():
            return [folder / whole]
        index = folder / (whole + _INDEX)
        if index.is_file():
            try:
                return [
                    folder / part for part in sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
                ]
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                raise UsageError(f"attention.encoder: {name} is damaged: its {index.name} cannot be read") from None
    return []


def _open_pickle(path: Path) -> None:
    with path.open("rb") as file:
        old = file.read(len(_PICKLE)) == _PICKLE
    if not old:
        zipfile.ZipFile(path).close()
