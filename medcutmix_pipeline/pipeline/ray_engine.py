"""The engine that runs pieces of work as Ray Core tasks, with a fixed pool of encoder actors."""

from __future__ import annotations

import contextlib
import itertools
import threading
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

import ray
import ray.exceptions

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.pipeline.carry import carried, unpacking
from medcutmix_pipeline.pipeline.encoder_pool import size_pool
from medcutmix_pipeline.pipeline.engine import CrashError
from medcutmix_pipeline.pipeline.ray_nodes import ask_nodes
from medcutmix_pipeline.pipeline.ray_start import start_or_join, stop
from medcutmix_pipeline.pipeline.ray_tasks import (
    BAKE_UNIT,
    CRASHES,
    INGEST,
    READ_PART,
    TRIES,
    EncoderActor,
    Flight,
    baked_outcome,
    breakdown_told,
    part_outcome,
    result,
    whole,
)
from medcutmix_pipeline.pipeline.reach import Reached, judge, look, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from medcutmix_pipeline.pipeline.layout import Outcome
    from medcutmix_pipeline.pipeline.pixel import PixelTask
    from medcutmix_pipeline.pipeline.tasks import Context, IngestTask, PartTask, UnitTask
    from medcutmix_pipeline.schemas.config import AttentionConfig, EngineConfig
    from medcutmix_pipeline.stages.ingest.samples import Ingested

Task = TypeVar("Task")
Result = TypeVar("Result")


class RayEngine:
    """Ray tasks over parts and units; the driver keeps a bounded window of them in flight and only their outcomes.

    Without an address a local Ray is started, and ended by `close`; a Ray that this process has joined before is used
    and left as it is.

    Raises:
        UsageError: no Ray answers at the address, none can be started here, or it cannot hold an encoder.
    """

    def __init__(self, config: EngineConfig, attention: AttentionConfig) -> None:
        self._open, self._closed = threading.Lock(), False
        self._joined_before = ray.is_initialized()
        self._own = not self._joined_before and config.ray_address is None
        self._shares = True
        self.dashboard = "" if self._joined_before else start_or_join(config)
        self.workers = config.workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        gpus = [float(node["Resources"].get("GPU", 0)) for node in ray.nodes() if node["Alive"]]
        try:
            self._pool = size_pool(config, attention, self.workers, gpus)
        except UsageError:
            self.close()
            raise
        where = f"Ray at {config.ray_address}" if config.ray_address else "a local Ray"
        where = "the Ray of this process" if self._joined_before else where
        used = sum(gpus) if self._pool.gpus else 0
        self.description = f"{where}: {self.workers} CPUs, {used:g} GPUs, encoders: {self._pool.told}"

    def busy(self) -> str:
        """See `Engine.busy`."""
        with self._open, contextlib.suppress(ray.exceptions.RayError, ConnectionError, RuntimeError):
            if self._closed:  # Ray, asked for its resources, would start itself again
                return ""
            there, free = ray.cluster_resources(), ray.available_resources()
            told = [(name, there.get(name, 0), free.get(name, 0)) for name in ("CPU", "GPU")]
            return "Ray: " + ", ".join(f"{n - left:g} of {n:g} {name}s taken" for name, n, left in told if n)
        return ""

    def check(self, context: Context, must_share: bool) -> None:
        """See `Engine.check`. Asks every node of a cluster; a Ray of this build's own has but one, where it is."""
        if self._own:
            return
        sign = context.layout.build / f"reach-{uuid.uuid4().hex}"
        sign.touch()
        try:
            wish = wanted(context.config, context.out, sign.relative_to(context.out).as_posix())
            told = ask_nodes(look, wish, Reached("none that this one knows", False))
            self._shares = judge(told, wish, must_share)
        finally:
            sign.unlink()
        if not self._shares:
            self.description += "; files travel, because not all nodes share the working folder"

    def _sent(self, context: Context, paths: Iterable[Path]) -> ray.ObjectRef[Any]:
        """The context for a piece of work that reads these files."""
        return ray.put(context if self._shares else carried(context, paths))

    def parts(self, context: Context, tasks: Iterable[PartTask]) -> Iterator[Outcome]:
        """See `Engine.parts`."""
        with breakdown_told():
            for task, sent, ref in self._ended(READ_PART, context, tasks, lambda t: [context.layout.listing(t.part)]):
                yield part_outcome(sent, task, ref)

    def pixel(self, context: Context, tasks: Iterable[PixelTask]) -> Iterator[Outcome]:
        """See `Engine.pixel`."""
        with breakdown_told():
            for task, _, ref in self._ended(BAKE_UNIT, context, tasks, lambda t: [context.layout.shard(t.unit)]):
                yield baked_outcome(task, ref)

    def _ended(
        self, remote: Any, context: Context, tasks: Iterable[Task], reads: Callable[[Task], Iterable[Path]]
    ) -> Iterator[tuple[Task, ray.ObjectRef[Any], ray.ObjectRef[Any]]]:
        """Run a Ray function over tasks, a window of them at a time; each task, with the context that was sent for it
        and its result, when it has ended, well or not.
        """
        waiting = iter(tasks)
        pending: dict[ray.ObjectRef[Any], tuple[Task, ray.ObjectRef[Any]]] = {}
        while True:
            for task in itertools.islice(waiting, self.workers * 2 - len(pending)):
                sent = self._sent(context, reads(task))
                pending[remote.remote(sent, task)] = task, sent
            if not pending:
                return
            [ref] = ray.wait(list(pending), num_returns=1)[0]
            yield *pending.pop(ref), ref

    def units(self, context: Context, tasks: Iterable[UnitTask]) -> Iterator[Outcome]:
        """See `Engine.units`."""
        with breakdown_told():
            yield from self._units(context, tasks)

    def _units(self, context: Context, tasks: Iterable[UnitTask]) -> Iterator[Outcome]:
        folder = context.encoder_folder
        # By value: an actor whose arguments are Ray's objects, which may be lost, cannot be relied on to start again.
        encoder = context if self._shares else carried(context, sorted(folder.iterdir()) if folder else [])
        # Two calls at once: while an encoder looks for one unit, the next one's images are fetched and unpacked.
        pool = [
            EncoderActor.options(num_gpus=self._pool.gpus, max_concurrency=2).remote(encoder)  # type: ignore[attr-defined]  # added by @ray.remote
            for _ in range(self._pool.encoders)
        ]
        turn = itertools.cycle(pool)
        # Two for each encoder beside those that are being decoded; and always one that waits for each CPU, because this
        # process commits a unit before it starts another.
        window = max(2 * self.workers, self.workers + 2 * len(pool))
        flights: dict[ray.ObjectRef[Any], Flight] = {}
        waiting = iter(tasks)
        while True:
            for task in itertools.islice(waiting, window - len(flights)):
                sent = self._sent(context, [context.layout.placed(task.unit)])
                flight = Flight(sent, task, task.ingest(context.layout), next(turn))
                flights[flight.done] = flight
            if not flights:
                return
            for ref in ray.wait(list(flights), num_returns=1)[0]:
                flight = flights.pop(ref)
                outcome = flight.outcome()
                if outcome is None:
                    flights[flight.done] = flight
                else:
                    yield outcome

    def ingest(self, context: Context, tasks: Iterable[IngestTask]) -> Iterator[Ingested]:
        """See `Engine.ingest`."""
        with breakdown_told():
            waiting = iter(tasks)
            queue: list[tuple[IngestTask, ray.ObjectRef[Any], Any]] = []
            while True:
                for task in itertools.islice(waiting, self.workers * 2 - len(queue)):
                    sent = self._sent(context, [task.table])
                    queue.append((task, sent, INGEST.remote(sent, task)))
                if not queue:
                    return
                first, sent, refs = queue.pop(0)
                yield whole(sent, first, refs)

    def call(
        self, work: Callable[[Context, Task], Result], context: Context, task: Task, reads: Iterable[Path] = ()
    ) -> Result:
        """See `Engine.call`."""
        with breakdown_told():
            remote: Any = ray.remote(num_gpus=self._pool.gpus, max_retries=TRIES)(unpacking(work))
            try:
                made: Result = result(remote.remote(self._sent(context, reads), ray.put(task)))
            except CRASHES as why:
                raise CrashError(
                    f"one piece of work crashed {TRIES + 1} times ({type(why).__name__}): is there enough memory? "
                    "`build` again goes on from here"
                ) from None
            return made

    def close(self) -> None:
        """See `Engine.close`."""
        with self._open:
            self._closed = True
            if not self._joined_before:
                stop()
