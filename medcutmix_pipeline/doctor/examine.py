"""All checks, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.doctor.check import Check
from medcutmix_pipeline.doctor.installed import installed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.schemas.config import Config


def examine(config: Config, out: str | None) -> Iterator[Check]:
    """Look at what is installed, what is usable, and the places of a build; nothing is changed.

    Args:
        config: as a build would take it; where it names no source, none is looked at.
        out: where the dataset would go; None: it is not looked at.
    """
    missing = False
    for check in installed():
        missing |= check.status == "problem"
        yield check
    if missing:  # what is not installed cannot be asked
        yield Check("usable", "all else", "note", "not looked at", "install what is missing first")
        return
    from medcutmix_pipeline.doctor.places import places
    from medcutmix_pipeline.doctor.usable import usable

    yield from usable(config)
    yield from places(config, out)
