"""A dataset in an object store, read through copies of the files that are asked for."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.pipeline.storage.store import Store

_THREADS = 8


class RemoteCopy:
    """A temporary folder, for this user alone, that fills with a dataset's files as they are needed.

    It goes when the object does.

    Attributes:
        folder: where the copies stand, under the names that they have in the dataset.

    Raises:
        UsageError: no dataset is there.
        DataError: it is unfinished.
        StoreError: the store fails or refuses.
    """

    def __init__(self, url: str) -> None:
        self._store = Store(url)
        found = self._store.objects()
        if "dataset.json" not in found:
            if any(name.startswith(".build/") for name in found):
                raise DataError(
                    f"{self._store.url} holds no finished dataset: run `build` again, and it continues where it stopped"
                )
            raise UsageError(f"{self._store.url} holds no dataset: there is no dataset.json in it")
        self._missing = {name for name in found if not {"", ".", "..", ".build"} & set(name.split("/"))}
        self._temporary = tempfile.TemporaryDirectory(prefix="medcutmix-pipeline-")
        self.folder = Path(self._temporary.name)
        self.bring("dataset.json")

    def bring(self, start: str) -> None:
        """Copy the files whose names begin so, unless they are here."""
        names = sorted(name for name in self._missing if name.startswith(start))
        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(lambda name: self._store.fetch(name, self.folder / name), names))
        self._missing.difference_update(names)
