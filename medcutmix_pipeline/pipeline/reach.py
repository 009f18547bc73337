"""What every node of a cluster has to reach, looked at on every node before anything is done."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import PipelineError, UsageError
from medcutmix_pipeline.pipeline.identity import release
from medcutmix_pipeline.sources.opening import open_tree
from medcutmix_pipeline.sources.reading import protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medcutmix_pipeline.schemas.config import Config

_NAMED = 3  # nodes in a message


@dataclass(frozen=True)
class Wanted:
    """What a node has to have.

    Attributes:
        root: of the source, and `seen`: what this process sees there.
        files: settings and the file or folder that each names.
        folder: the working folder, in which stands a file called `sign`.
        release: of this package.
    """

    root: str
    seen: str
    files: Mapping[str, str]
    folder: Path
    sign: str
    release: str


@dataclass(frozen=True)
class Reached:
    """What a node says: its release, whether it shares the working folder, and what is wrong with it, else nothing."""

    release: str
    shares: bool
    problem: str = ""


def wanted(config: Config, folder: Path, sign: str) -> Wanted:
    """What a build asks of each node, as this process sees it."""
    files = {"sentences.lexicon": config.sentences.lexicon, "attention.encoder": config.attention.encoder}
    named = {setting: path for setting, path in files.items() if path and Path(path).is_absolute()}
    root = config.source.root
    root = root if protocol(root) else os.path.abspath(root)  # noqa: PTH100  # no link resolved; nodes run elsewhere
    return Wanted(root, sight(root), named, folder, sign, release())


def look(wish: Wanted) -> Reached:
    """Look whether this node has what is wanted; runs on each node."""
    shares = (wish.folder / wish.sign).is_file() and _writable(wish.folder)
    try:
        seen = sight(wish.root)
    except PipelineError as why:
        return Reached(release(), shares, f"cannot read the source: {why}")
    except OSError as why:
        return Reached(release(), shares, f"cannot read the source {wish.root}: {why.strerror or type(why).__name__}")
    if seen != wish.seen:
        return Reached(release(), shares, f"sees another content in the source {wish.root} than this process")
    for setting, path in wish.files.items():
        if not os.access(path, os.R_OK):
            return Reached(release(), shares, f"cannot read {path}, which {setting} names")
    return Reached(release(), shares)


def judge(told: Mapping[str, Reached], wish: Wanted, must_share: bool) -> bool:
    """Whether all nodes share the working folder.

    Args:
        told: by address of the node.
        must_share: the output is a folder, so that a node that does not share it is of no use.

    Raises:
        UsageError: a node lacks something, and what to do.
    """
    others = {node: reached.release for node, reached in told.items() if reached.release != wish.release}
    if others:
        raise UsageError(
            f"{_nodes(others)} {_has(others)} another medcutmix-pipeline ({next(iter(others.values()))}) than this "
            f"process ({wish.release}): install the same on every node"
        )
    for problem in dict.fromkeys(reached.problem for reached in told.values() if reached.problem):
        nodes = [node for node, reached in told.items() if reached.problem == problem]
        raise UsageError(
            f"{_nodes(nodes)} {problem}; mount it at the same path on every node, or put it into an object store"
        )
    apart = [node for node, reached in told.items() if not reached.shares]
    if apart and must_share:
        raise UsageError(
            f"{_nodes(apart)} cannot write to the output {wish.folder}: give a folder that all nodes share at the same "
            "path, or --out s3://BUCKET/PREFIX"
        )
    return not apart


def sight(root: str) -> str:
    """What tells two roots apart, without naming anything in them: a hash of a folder's names, or a file's size."""
    path = Path(root)
    if protocol(root) is None and path.is_file():
        with path.open("rb") as file:
            file.read(1)
        return f"file {path.stat().st_size}"
    if protocol(root) is None:
        names = sorted(os.listdir(path))  # noqa: PTH208  # names alone, of which there may be a million
    else:
        head, _, last = root.rstrip("/").rpartition("/")
        tree = open_tree(root if "." not in last else head)
        names = [*tree.folders(), *tree.names()]
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _writable(folder: Path) -> bool:
    file = folder / f"reach-{uuid.uuid4().hex}"
    try:
        file.touch()
        file.unlink()
    except OSError:
        return False
    return True


def _nodes(nodes: Mapping[str, str] | list[str]) -> str:
    names = sorted(nodes)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"the node{'s' if len(names) > 1 else ''} {', '.join(names[:_NAMED])}{more}"


def _has(nodes: Mapping[str, str]) -> str:
    return "have" if len(nodes) > 1 else "has"
