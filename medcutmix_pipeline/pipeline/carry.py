"""Work on nodes that do not share the working folder: the files that it reads and writes travel with it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from medcutmix_pipeline.pipeline.atomic import Staged
from medcutmix_pipeline.pipeline.failing_at import failing_at
from medcutmix_pipeline.pipeline.layout import Outcome
from medcutmix_pipeline.pipeline.tasks import Context, IngestTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_PREFIX = "medcutmix-pipeline-work-"


@dataclass(frozen=True)
class Carried:
    """In place of a context: it, and the content of files in its working folder, by their names there."""

    context: Context
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Parcel:
    """In place of an outcome: it, with the names that its files have at home, and their content."""

    outcome: Outcome
    contents: list[bytes]


def carried(context: Context, paths: Iterable[Path]) -> Carried:
    """The context with some files of its working folder."""
    return Carried(context, {path.relative_to(context.out).as_posix(): path.read_bytes() for path in paths})


def unpacking(work: Callable[..., Any]) -> Callable[..., Any]:
    """The same piece of work, which may be given a `Carried` as its context, and then returns a `Parcel`."""

    def run(context: Context | Carried, task: Any, *rest: Any) -> Any:
        if isinstance(context, Context):
            return work(context, task, *rest)
        home = context.context
        with unpacked(context) as own:
            if isinstance(task, IngestTask):
                task = replace(task, table=own.out / task.table.relative_to(home.out))
            made = work(own, task, *rest)
            return _packed(made, home, own) if isinstance(made, Outcome) else made

    return run


@contextlib.contextmanager
def unpacked(context: Context | Carried) -> Iterator[Context]:
    """The context; of a `Carried` one with a working folder of this block's own, in which the files stand."""
    if isinstance(context, Context):
        yield context
        return
    _sweep()
    # A process that is killed leaves its folder; the number in the name lets the next one know.
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
        own = replace(context.context, out=Path(folder))
        own.staging.mkdir(parents=True)
        for name, content in context.files.items():
            path = own.out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with failing_at(path):
                path.write_bytes(content)
        yield own


def received(made: Any) -> Any:
    """What a piece of work returned; the files of a `Parcel` are written to where they wait for their names."""
    if not isinstance(made, Parcel):
        return made
    for file, content in zip(made.outcome.files, made.contents, strict=True):
        with failing_at(file.temporary), file.temporary.open("xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
    return made.outcome


def _packed(outcome: Outcome, home: Context, own: Context) -> Parcel:
    files = [
        Staged(
            home.out / file.path.relative_to(own.out),
            home.staging / f"{file.path.name}.{uuid.uuid4().hex}",
            file.bytes,
            file.sha256,
        )
        for file in outcome.files
    ]
    return Parcel(replace(outcome, files=files), [file.temporary.read_bytes() for file in outcome.files])


def _sweep() -> None:
    """Remove the folders of processes that are no more: they name patients."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        process = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid() and process.isdigit() and not psutil.pid_exists(int(process)):
                shutil.rmtree(folder, ignore_errors=True)
