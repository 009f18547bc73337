"""A file that a command writes for a person: never one of its inputs, and never half-written."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import DataError, PipelineError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


def unwritable(place: Path | str, why: OSError) -> PipelineError:
    """What to raise where a place cannot be written: another call mends that, unless the disk is full or fails."""
    told = f"cannot write to {place}: {why.strerror or why}"
    if why.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return DataError(f"{told}: fix that, and run the same command again")
    return UsageError(told)


def refuse_inputs(out: Path | str, *inputs: Path | str | None) -> None:
    """Make sure that an output is none of the files that are read; links are followed.

    Raises:
        UsageError: it is one, and would be lost.
    """
    for source in inputs:
        with contextlib.suppress(OSError):  # one that is not there is told by whoever reads it
            if source is not None and Path(source).samefile(out):
                raise UsageError(f"{out} is the input {source}, which would be lost: name another file with --out")


def check_png(out: Path) -> None:
    """Make sure that a picture gets the name of one: no file of another kind is to be replaced by it.

    Raises:
        UsageError: it does not.
    """
    if out.suffix.lower() != ".png":
        raise UsageError(f"{out}: the picture is a PNG, so name a file that ends in .png")


@contextlib.contextmanager
def whole_file(out: Path | str) -> Iterator[Path]:
    """A path to write to, which becomes `out` when the block ends without an exception.

    Raises:
        UsageError: it cannot be written. An `OSError` of the block that names another file stays what it is.
        DataError: the disk is full or fails.
    """
    target = Path(os.path.realpath(out))
    if target.exists() and not target.is_file():  # a device or a pipe, which takes what comes and cannot be replaced
        part = target
    else:
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(target)
    except OSError as why:
        if why.filename not in (None, str(part), str(target)):
            raise
        raise unwritable(out, why) from why
    finally:
        if part != target:
            part.unlink(missing_ok=True)
