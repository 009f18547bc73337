"""From what a user names as root to its tree."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.sources.local_tree import LocalTree
from medcutmix_pipeline.sources.reading import protocol
from medcutmix_pipeline.sources.remote_tree import RemoteTree

if TYPE_CHECKING:
    from medcutmix_pipeline.sources.trees import Tree


def open_tree(root: str) -> Tree:
    """The tree below a folder.

    Raises:
        UsageError: there is no such folder, or its protocol is not served.
    """
    scheme = protocol(root)
    if scheme is None:
        if not Path(root).is_dir():
            raise UsageError(f"there is no folder or file {root}")
        return LocalTree(os.path.realpath(root))
    tree = RemoteTree(scheme, root)
    if not tree.exists():
        raise UsageError(f"there is no folder {root}")
    return tree
