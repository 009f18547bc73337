"""What an engine does for a build, and the engine that does it all in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from medcutmix_pipeline.errors import PipelineError
from medcutmix_pipeline.pipeline.pixel import PixelTask, bake_unit
from medcutmix_pipeline.pipeline.work import attend_unit, draft_unit, ingest_rows, read_part, write_unit
from medcutmix_pipeline.stages.attention.encoder import Encoder, load_encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from medcutmix_pipeline.pipeline.layout import Outcome
    from medcutmix_pipeline.pipeline.tasks import Context, IngestTask, PartTask, UnitTask
    from medcutmix_pipeline.stages.ingest.samples import Ingested

Task = TypeVar("Task")
Result = TypeVar("Result")


class CrashError(PipelineError):
    """A piece of work killed its process, as often as it was tried."""


class Engine(Protocol):
    """Runs pieces of work. Results come in order of completion, except where the method says otherwise."""

    description: str
    dashboard: str
    """Address of Ray's dashboard; empty where there is none."""

    def busy(self) -> str:
        """What is in use of what the engine has, in words, where that is more than this machine tells; else nothing."""

    def check(self, context: Context, must_share: bool) -> None:
        """Make sure that every process that will do the work reaches what it needs; the output folder is there.

        Args:
            must_share: whether all of them have to share the output folder.

        Raises:
            UsageError: one does not, and which.
        """

    def parts(self, context: Context, tasks: Iterable[PartTask]) -> Iterator[Outcome]:
        """Read parts of the corpus; yields what came of each."""

    def units(self, context: Context, tasks: Iterable[UnitTask]) -> Iterator[Outcome]:
        """Make shards; yields what came of each."""

    def pixel(self, context: Context, tasks: Iterable[PixelTask]) -> Iterator[Outcome]:
        """Bake the pixel mixes of shards; yields what came of each."""

    def ingest(self, context: Context, tasks: Iterable[IngestTask]) -> Iterator[Ingested]:
        """Ingest samples; results in the order of the tasks."""

    def call(
        self, work: Callable[[Context, Task], Result], context: Context, task: Task, reads: Iterable[Path] = ()
    ) -> Result:
        """Run one piece of work where an encoder would run, on a GPU where there is one.

        Args:
            reads: the files of the output folder that it reads.

        Raises:
            CrashError: it kills its process, again and again.
        """

    def close(self) -> None:
        """End every process that the engine started."""


class SerialEngine:
    """Everything in this process, one thing after the other: for debugging, and as the reference for other engines."""

    description = "serial: one process"
    dashboard = ""

    def busy(self) -> str:
        """See `Engine.busy`."""
        return ""

    def check(self, context: Context, must_share: bool) -> None:
        """Nothing to look at: what this process does not reach, it tells when it reads it."""

    def parts(self, context: Context, tasks: Iterable[PartTask]) -> Iterator[Outcome]:
        """See `Engine.parts`."""
        return (read_part(context, task) for task in tasks)

    def units(self, context: Context, tasks: Iterable[UnitTask]) -> Iterator[Outcome]:
        """See `Engine.units`."""
        encoder: Encoder | None = None
        for task in tasks:
            encoder = encoder or load_encoder(context.config.attention, context.encoder_folder)
            ingested = ingest_rows(context, task.ingest(context.layout))
            draft = draft_unit(context, task, ingested)
            seen = attend_unit(encoder, ingested, draft)
            yield write_unit(context, task, ingested, draft, seen)

    def pixel(self, context: Context, tasks: Iterable[PixelTask]) -> Iterator[Outcome]:
        """See `Engine.pixel`."""
        return (bake_unit(context, task) for task in tasks)

    def ingest(self, context: Context, tasks: Iterable[IngestTask]) -> Iterator[Ingested]:
        """See `Engine.ingest`."""
        return (ingest_rows(context, task) for task in tasks)

    def call(
        self, work: Callable[[Context, Task], Result], context: Context, task: Task, reads: Iterable[Path] = ()
    ) -> Result:
        """See `Engine.call`; a crash is this process's own."""
        return work(context, task)

    def close(self) -> None:
        """Nothing to end."""
