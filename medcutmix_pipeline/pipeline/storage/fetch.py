"""Bringing back from an object store what earlier builds have finished, where the working folder is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medcutmix_pipeline.pipeline.contents import DONE, MANIFEST, belongs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.pipeline.stage_progress import Stage
    from medcutmix_pipeline.pipeline.storage.ledger import Ledger
    from medcutmix_pipeline.pipeline.storage.store import Store, Stored

_LEDGER_EVERY = 64


@dataclass(frozen=True)
class Fetch:
    """What is to come from a store into a working folder.

    The marks of finished work come behind all other files, and their folder gets its name when it is whole: where it
    stands, nothing is to be fetched. A fetch that is cut off goes on with what the ledger does not know yet.

    Attributes:
        found: the objects of the store.
    """

    store: Store
    layout: Layout
    ledger: Ledger
    threads: Executor
    found: Mapping[str, Stored]

    @property
    def due(self) -> bool:
        """Whether the store has marks, and the working folder has none."""
        return bool(self._marks) and not (self.layout.out / DONE).is_dir()

    @property
    def files(self) -> int:
        """How many come, or have come before."""
        return sum(map(belongs, self.found)) + (MANIFEST in self.found)

    def run(self, stage: Stage) -> None:
        """Fetch them; the stage counts files."""
        marks = self._marks
        files = [name for name in self.found if belongs(name) and name not in marks]
        missing = [name for name in files if not self.ledger.stands(name, self.found)]
        stage.skip(len(files) - len(missing))
        self._all(self._bring, missing, stage)
        self._all(self._receive, marks, stage)
        self._arriving(DONE).replace(self.layout.out / DONE)
        for name in marks:
            self._note(name)
        self._all(self._bring, [MANIFEST] if MANIFEST in self.found else [], stage)
        self.ledger.save()

    @property
    def _marks(self) -> dict[str, None]:
        return dict.fromkeys(name for name in self.found if belongs(name) and name.startswith(f"{DONE}/"))

    def _all(self, work: Callable[[str], object], names: Iterable[str], stage: Stage) -> None:
        for fetched, _ in enumerate(self.threads.map(work, names), 1):
            stage.advance(1)
            if fetched % _LEDGER_EVERY == 0:
                self.ledger.save()

    def _arriving(self, name: str) -> Path:
        return self.layout.scratch / "fetched" / name

    def _receive(self, name: str) -> Path:
        self.store.fetch(name, self._arriving(name))
        return self._arriving(name)

    def _bring(self, name: str) -> None:
        path = self.layout.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._receive(name).replace(path)
        self._note(name)

    def _note(self, name: str) -> None:
        self.ledger.note(name, self.ledger.look(name), self.found[name])
