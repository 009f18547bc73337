"""Which object of a store was made from which file of the working folder, so that nothing is sent twice."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, NamedTuple

from medcutmix_pipeline.hashing import file_sha256
from medcutmix_pipeline.pipeline.atomic import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.pipeline.storage.store import Stored


class Ledger:
    """Files as they were sent and the store's marks of what came of them, kept in the working folder between builds.

    Used from many threads at a time.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._file = layout.build / "uploaded.json"
        self._sent: dict[str, _Sent] = {}
        self._guard = threading.Lock()

    def take_up(self, found: Mapping[str, Stored]) -> None:
        """Believe what an earlier build noted of those objects that still stand in the store as they were sent."""
        try:
            noted = {name: _Sent(*sent) for name, sent in json.loads(self._file.read_text()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return
        self._sent = {name: sent for name, sent in noted.items() if name in found and sent.mark == found[name].mark}

    def look(self, name: str) -> Seen:
        """A file of the working folder as it is; to be called before it is sent, as it may change meanwhile."""
        path = self._layout.out / name
        status = path.stat()
        return Seen(status.st_size, status.st_mtime_ns, file_sha256(path))

    def note(self, name: str, seen: Seen, stored: Stored) -> None:
        """The file as it was seen is the store's object of that name."""
        with self._guard:
            self._sent[name] = _Sent(*seen, stored.mark)

    def is_current(self, name: str) -> bool:
        """Whether the file as it is was sent before. A file that was written again is read to see."""
        path, sent = self._layout.out / name, self._sent.get(name)
        if sent is None or not path.is_file():
            return False
        status = path.stat()
        if sent.size != status.st_size:
            return False
        return sent.written_ns == status.st_mtime_ns or sent.sha256 == file_sha256(path)

    def stands(self, name: str, found: Mapping[str, Stored]) -> bool:
        """Whether the store holds the file as it is."""
        return name in found and self.is_current(name) and self._sent[name].mark == found[name].mark

    def save(self) -> None:
        """Write it down for the next build."""
        with self._guard:
            noted = {name: list(sent) for name, sent in self._sent.items()}
        write_json(noted, self._file, self._layout.scratch)


class Seen(NamedTuple):
    """A file at one moment: its size in bytes, when it was written in ns, and its SHA-256 in hex."""

    size: int
    written_ns: int
    sha256: str


class _Sent(NamedTuple):
    """A file as it was sent, and the store's mark of the object that came of it."""

    size: int
    written_ns: int
    sha256: str
    mark: str
