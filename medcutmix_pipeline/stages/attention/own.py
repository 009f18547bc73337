"""`module:Class`: an encoder that the user brings."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.stages.attention.encoder import Encoder

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import AttentionConfig


def find_class(name: str) -> type[Any]:
    """The class of `module:Class`, sought in the working directory too. UsageError where it is not found."""
    module, _, cls = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(import_module(module), cls)
    except ImportError as problem:
        raise UsageError(f"attention.encoder: {name}: the module cannot be imported ({problem})") from None
    except AttributeError:
        raise UsageError(f"attention.encoder: {name}: the module has no class {cls}") from None
    if not isinstance(found, type):
        raise UsageError(f"attention.encoder: {name} is not a class")
    return found


def load_own(config: AttentionConfig) -> Encoder:
    """An instance, made with the `attention` section. UsageError where it is not an `Encoder`."""
    encoder = find_class(config.encoder)(config)
    if not isinstance(encoder, Encoder):
        raise UsageError(f"attention.encoder: {config.encoder} lacks one of id, sha256, image_size and attend")
    return encoder
