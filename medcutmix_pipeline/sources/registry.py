"""The kinds of source, and how one is opened from the configuration."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import DataError, PipelineError, UsageError
from medcutmix_pipeline.sources.base import Adapter, Source, SourceDescription, without_duplicates
from medcutmix_pipeline.sources.chexpert_plus import ChexpertPlusAdapter
from medcutmix_pipeline.sources.manifest import ManifestAdapter, folder_of
from medcutmix_pipeline.sources.mimic import MimicAdapter
from medcutmix_pipeline.sources.openi import OpeniAdapter
from medcutmix_pipeline.sources.opening import open_tree
from medcutmix_pipeline.sources.phantom_source import PhantomAdapter
from medcutmix_pipeline.sources.reading import protocol
from medcutmix_pipeline.sources.tables import suffix_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.schemas.config import SourceConfig
    from medcutmix_pipeline.schemas.records import Study
    from medcutmix_pipeline.sources.trees import Tree

# Ordered from the most to the least particular, so that a folder is taken for what it looks like most.
_ADAPTERS: tuple[Adapter, ...] = (
    OpeniAdapter(),
    MimicAdapter(),
    ChexpertPlusAdapter(),
    PhantomAdapter(),
    ManifestAdapter(),
)


@dataclass(frozen=True)
class _Checked:
    """A source whose duplicates are marked."""

    source: Source
    kind: str
    public_ids: bool

    def studies(self) -> Iterator[Study]:
        return without_duplicates(self.source.studies(), self.public_ids)


def describe_sources() -> list[SourceDescription]:
    """Every kind of source, with the layout that it expects."""
    return [adapter.description for adapter in _ADAPTERS]


def open_source(config: SourceConfig) -> Source:
    """The source that the configuration names.

    Raises:
        UsageError: the kind is unknown, no root is given, it does not exist, or it is of another kind.
        DataError: there is nothing in it, or its tables cannot be used.
    """
    adapter = _adapter(config.kind)
    if not config.root:
        raise UsageError("no data set is named: give its folder with --root or as source.root")
    source = _open_table(adapter, config.root) or _open_folder(adapter, config.root)
    return _Checked(source, source.kind, source.public_ids)


def _adapter(kind: str) -> Adapter:
    kinds = {adapter.description.kind: adapter for adapter in _ADAPTERS}
    if kind in kinds:
        return kinds[kind]
    near = difflib.get_close_matches(kind, kinds, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown source {kind!r}; {hint}known are {', '.join(sorted(kinds))}")


def _open_table(adapter: Adapter, root: str) -> Source | None:
    """The source where the root is a file, which only a manifest may be."""
    is_file = suffix_of(root) is not None if protocol(root) else Path(root).is_file()
    if not is_file:
        return None
    if not isinstance(adapter, ManifestAdapter):
        raise UsageError(f"{root} is a file; {adapter.description.kind} expects the data set's folder")
    folder, name = folder_of(root)
    tree = open_tree(folder)
    if name not in tree.names():
        raise UsageError(f"there is no file {root}")
    return adapter.open_table(tree, name)


def _open_folder(adapter: Adapter, root: str) -> Source:
    tree = open_tree(root)
    try:
        return adapter.open(tree, root)
    except PipelineError as error:
        likely = _likely(tree)
        if likely and likely != adapter.description.kind:
            raise UsageError(f"{error}; it looks like {likely}") from None
        raise


def _likely(tree: Tree) -> str | None:
    """The first kind that the folder looks like."""
    for adapter in _ADAPTERS:
        try:
            if adapter.recognises(tree):
                return adapter.description.kind
        except (DataError, OSError):
            continue
    return None
