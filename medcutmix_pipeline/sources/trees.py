"""A source's files, local or remote, seen through one interface that never leaves the source's root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

from medcutmix_pipeline.sources.reading import REMOTE

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its path below the root, what `read_bytes` takes, and what changes when the file does.

    `problem` is a reason code where the file cannot be used: `image-missing`, `path-outside-root`, `path-unsupported`.
    """

    path: str
    uri: str
    fingerprint: str = ""
    problem: str | None = None


class Tree(Protocol):
    """The files below a root."""

    outside: bool
    """Whether a listed folder held a link to a folder outside the root. No link to a folder is followed."""

    def files(self, folder: str = "") -> Iterator[Entry]:
        """Every file below `folder`, in the order of their paths' parts, but for those that macOS adds."""

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders in `folder`, sorted."""

    def links_out(self, folder: str = "") -> list[str]:
        """The names of links in `folder` to folders outside the root, sorted."""

    def names(self, folder: str = "") -> list[str]:
        """The names of the files in `folder`, sorted."""

    def find(self, reference: str) -> Entry:
        """The file that a source names, below the root or at a URL of its own.

        Never raises for what is wrong with it.
        """

    def open(self, path: str) -> IO[bytes]:
        """A file below the root, for reading."""


def is_added(name: str) -> bool:
    """Whether a file is one that macOS puts beside each file of a disk or archive of another system."""
    return name.startswith("._")


def find_url(url: str, scheme: str) -> Entry:
    """A file at a URL of its own. It is not looked at: a listing must not cost a request for each of its rows."""
    if scheme not in REMOTE or "::" in url:
        return Entry(url, "", problem="path-outside-root")
    return Entry(url, url)
