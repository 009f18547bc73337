"""The engine that runs pieces of work as Ray Core tasks, with a fixed pool of encoder actors."""

from __future__ import annotations

import itertools
import logging
import os
from typing import TYPE_CHECKING, Any, TypeVar

import ray
import ray.exceptions

from medcutmix_pipeline.errors import DataError, PipelineError, UsageError
from medcutmix_pipeline.pipeline.recovery import crashed, merged
from medcutmix_pipeline.pipeline.work import (
    Context,
    PartTask,
    UnitTask,
    attend_unit,
    commit_unit,
    draft_unit,
    ingest_unit,
    read_part,
)
from medcutmix_pipeline.stages.attention.encoder import load_encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from medcutmix_pipeline.schemas.config import AttentionConfig, EngineConfig
    from medcutmix_pipeline.stages.ingest.samples import Ingested
    from medcutmix_pipeline.stages.pairing.draft import Draft
    from medcutmix_pipeline.stages.plans.finish import Attended

Task = TypeVar("Task")
Result = TypeVar("Result")

_CRASHES = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.ActorDiedError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.NodeDiedError,
)
_TRIES = 3


class RayEngine:
    """Ray tasks over parts and units; the driver keeps a bounded window of them in flight and holds only their facts.

    Without an address a local Ray is started, and ended by `close`.

    Raises:
        UsageError: no Ray answers at the address.
    """

    def __init__(self, config: EngineConfig, attention: AttentionConfig) -> None:
        self._started = config.ray_address is None
        _start(config)
        resources = ray.cluster_resources()
        self.workers = config.workers or max(1, int(resources.get("CPU", 1)))
        gpus = 0.0 if attention.device == "cpu" else resources.get("GPU", 0.0)
        self._gpus = config.gpus_per_encoder if gpus else 0.0
        if attention.device.startswith("cuda") and not gpus:
            self.close()
            raise UsageError("attention.device is cuda, but Ray has no GPU: set attention.device=cpu")
        self._encoders = config.encoders or (max(1, int(gpus / self._gpus)) if gpus else max(1, self.workers // 2))
        where = "a local Ray" if self._started else f"Ray at {config.ray_address}"
        self.description = f"{where}: {self.workers} CPUs, {gpus:g} GPUs, encoders: {self._encoders}"

    def parts(self, context: Context, tasks: Iterable[PartTask]) -> Iterator[dict[str, Any]]:
        """See `Engine.parts`."""
        return self._windowed(_READ_PART, context, tasks)

    def units(self, context: Context, tasks: Iterable[UnitTask]) -> Iterator[dict[str, Any]]:
        """See `Engine.units`."""
        shared = ray.put(context)
        pool = [
            _EncoderActor.options(num_gpus=self._gpus).remote(context)  # type: ignore[attr-defined]  # added by @ray.remote
            for _ in range(self._encoders)
        ]
        turn = itertools.cycle(pool)
        window = self.workers + 2 * len(pool)
        flights: dict[ray.ObjectRef[Any], _Flight] = {}
        waiting = iter(tasks)
        while True:
            for task in itertools.islice(waiting, window - len(flights)):
                flight = _Flight(shared, task, next(turn))
                flights[flight.done] = flight
            if not flights:
                return
            for ref in ray.wait(list(flights), num_returns=1)[0]:
                flight = flights.pop(ref)
                facts = flight.facts()
                if facts is None:
                    flights[flight.done] = flight
                else:
                    yield facts

    def map(self, work: Callable[[Context, Task], Result], context: Context, tasks: Iterable[Task]) -> Iterator[Result]:
        """See `Engine.map`."""
        remote = ray.remote(max_retries=_TRIES)(work)
        shared = ray.put(context)
        waiting = iter(tasks)
        queue = [remote.remote(shared, task) for task in itertools.islice(waiting, self.workers * 2)]
        while queue:
            yield _result(queue.pop(0))
            queue.extend(remote.remote(shared, task) for task in itertools.islice(waiting, 1))

    def call(self, work: Callable[[Context, Task], Result], context: Context, task: Task) -> Result:
        """See `Engine.call`."""
        remote = ray.remote(num_gpus=self._gpus, max_retries=_TRIES)(work)
        result: Result = _result(remote.remote(context, ray.put(task)))
        return result

    def close(self) -> None:
        """See `Engine.close`."""
        ray.shutdown()

    def _windowed(self, remote: Any, context: Context, tasks: Iterable[Task]) -> Iterator[dict[str, Any]]:
        shared = ray.put(context)
        waiting = iter(tasks)
        pending = [remote.remote(shared, task) for task in itertools.islice(waiting, self.workers * 2)]
        while pending:
            ready, pending = ray.wait(pending, num_returns=1)
            pending.extend(remote.remote(shared, task) for task in itertools.islice(waiting, len(ready)))
            yield from (_result(ref) for ref in ready)


class _Flight:
    """One unit on its way through decode → draft → attend → commit, all submitted at once and chained by Ray."""

    def __init__(self, context: ray.ObjectRef[Any], task: UnitTask, encoder: Any) -> None:
        self._context, self._task, self._encoder = context, task, encoder
        self._tries = 0
        self._launch(*_INGEST.remote(context, task, None))

    def _launch(self, ingested: ray.ObjectRef[Any], images: ray.ObjectRef[Any]) -> None:
        self._ingested = ingested
        draft = _DRAFT.remote(self._context, self._task, ingested)
        attended = self._encoder.attend.remote(ingested, draft)
        self.done = _COMMIT.remote(self._context, self._task, ingested, images, draft, attended)

    def facts(self) -> dict[str, Any] | None:
        """What the finished unit says of itself; None where it crashed and was launched again."""
        try:
            facts: dict[str, Any] = _result(self.done)
            return facts
        except _CRASHES:
            self._tries += 1
            if self._tries > _TRIES:
                raise DataError(
                    f"making {self._task.unit} crashed {self._tries} times: is there enough memory? "
                    "`build` again goes on from here; fewer samples_per_shard need less"
                ) from None
        if _has_crashed(self._ingested):
            whole = self._bisect(range(self._task.samples))
            images, whole.images = whole.images, []
            self._launch(ray.put(whole), ray.put(images))
        else:
            self._launch(*_INGEST.remote(self._context, self._task, None))
        return None

    def _bisect(self, rows: range) -> Ingested:
        """Ingest a unit that kills its process: halve it until the sample that does so stands alone, and reject it."""
        light, images = _INGEST.options(max_retries=0 if len(rows) > 1 else 1).remote(self._context, self._task, rows)
        try:
            ingested: Ingested = _result(light)
            ingested.images = _result(images)
            return ingested
        except _CRASHES:
            if len(rows) > 1:
                half = len(rows) // 2
                return merged(self._bisect(rows[:half]), self._bisect(rows[half:]), half)
            context: Context = ray.get(self._context)
            return crashed(context, self._task, rows)


@ray.remote(max_restarts=_TRIES, max_task_retries=_TRIES, num_cpus=0)
class _EncoderActor:
    def __init__(self, context: Context) -> None:
        self._mass = context.config.attention.mass
        self._encoder = load_encoder(context.config.attention, context.encoder_folder)

    def attend(self, ingested: Ingested, draft: Draft) -> Attended:
        return attend_unit(self._encoder, ingested, draft, self._mass)


def _ingest(context: Context, task: UnitTask, rows: range | None) -> tuple[Ingested, list[bytes]]:
    """Ingest; the encoded images apart, so that they travel to the commit alone."""
    ingested = ingest_unit(context, task, rows)
    images, ingested.images = ingested.images, []
    return ingested, images


def _commit(
    context: Context, task: UnitTask, ingested: Ingested, images: list[bytes], draft: Draft, attended: Attended
) -> dict[str, Any]:
    ingested.images = images
    return commit_unit(context, task, ingested, draft, attended)


_READ_PART = ray.remote(max_retries=_TRIES)(read_part)
_INGEST: Any = ray.remote(max_retries=1, num_returns=2)(_ingest)
_DRAFT = ray.remote(max_retries=_TRIES)(draft_unit)
_COMMIT = ray.remote(max_retries=_TRIES)(_commit)


def _result(ref: ray.ObjectRef[Any]) -> Any:
    """The value of a task; an error of ours that it raised comes out as itself."""
    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, PipelineError | OSError):
            raise cause from None
        if isinstance(cause, _CRASHES):
            raise cause from error
        raise


def _has_crashed(ref: ray.ObjectRef[Any]) -> bool:
    try:
        ray.wait([ref])
        _result(ref)
    except _CRASHES:
        return True
    return False


def _start(config: EngineConfig) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's coming default; keeps it from warning
    try:
        if config.ray_address is None:
            ray.init(
                num_cpus=config.workers or os.cpu_count(),
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        else:
            ray.init(address=config.ray_address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        if config.ray_address is None:
            raise
        raise UsageError(
            f"no Ray answers at {config.ray_address} ({type(error).__name__}): start one with `ray start --head`, "
            "or leave --ray-address out for a local Ray"
        ) from None
