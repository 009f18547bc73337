"""Pieces of work as Ray tasks, and a unit's way through them; what crashed is launched again or taken apart."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import ray
import ray.exceptions

from medcutmix_pipeline.errors import DataError, PipelineError
from medcutmix_pipeline.pipeline.carry import Carried, received, unpacked, unpacking
from medcutmix_pipeline.pipeline.pixel import PixelTask, bake_unit
from medcutmix_pipeline.pipeline.recovery import crashed, crashed_study, joined, merged
from medcutmix_pipeline.pipeline.work import (
    attend_unit,
    draft_unit,
    ingest_rows,
    listed_studies,
    read_part,
    read_studies,
    write_part,
    write_unit,
)
from medcutmix_pipeline.stages.attention.encoder import load_encoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from medcutmix_pipeline.pipeline.layout import Outcome
    from medcutmix_pipeline.pipeline.tasks import Context, IngestTask, PartTask, UnitTask
    from medcutmix_pipeline.stages.attention.encoder import Attention
    from medcutmix_pipeline.stages.ingest.samples import Ingested
    from medcutmix_pipeline.stages.pairing.draft import Draft
    from medcutmix_pipeline.stages.reading import PartRows

TRIES = 3

CRASHES = (
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.RayActorError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.ObjectLostError,
    ray.exceptions.NodeDiedError,
)


class Flight:
    """One unit on its way through decode → draft → attend → write, all submitted at once and chained by Ray."""

    def __init__(self, context: ray.ObjectRef[Any], task: UnitTask, ingest: IngestTask, encoder: Any) -> None:
        self._context, self._task, self._ingest, self._encoder = context, task, ingest, encoder
        self._tries = 0
        self._launch(*INGEST.remote(context, ingest))

    def _launch(self, ingested: ray.ObjectRef[Any], images: ray.ObjectRef[Any]) -> None:
        self._ingested = ingested
        draft = _DRAFT.remote(self._context, self._task, ingested)
        seen = self._encoder.attend.remote(ingested, draft)
        self.done = _WRITE.remote(self._context, self._task, ingested, images, draft, seen)

    def outcome(self) -> Outcome | None:
        """What came of the unit; None where it crashed and was launched again."""
        try:
            outcome: Outcome = result(self.done)
            return outcome
        except CRASHES:
            self._tries += 1
            if self._tries > TRIES:
                raise DataError(
                    f"making {self._task.unit} crashed {self._tries} times: is there enough memory? "
                    "`build` again goes on from here; fewer samples_per_shard need less"
                ) from None
        if _has_crashed(self._ingested):
            light = _bisect(self._context, self._ingest)
            images, light.images = light.images, []
            self._launch(ray.put(light), ray.put(images))
        else:
            self._launch(*INGEST.remote(self._context, self._ingest))
        return None


# It starts again however often it is killed: a long build loses many nodes. A unit that kills it has so many tries.
@ray.remote(max_restarts=-1, max_task_retries=TRIES, num_cpus=0)
class EncoderActor:
    """An encoder that stays loaded in a process of its own, and is asked by one thread at a time."""

    def __init__(self, context: Context | Carried) -> None:
        self._turn = threading.Lock()
        self._failure: Exception | None = None
        try:
            with unpacked(context) as own:
                self._encoder = load_encoder(own.config.attention, own.encoder_folder)
        except Exception as why:  # out of a constructor Ray would tell it as the death of the actor
            self._failure = why

    def attend(self, ingested: Ingested, draft: Draft) -> Attention:
        """See `attend_unit`. Raises what kept the encoder from being loaded."""
        if self._failure is not None:
            raise self._failure
        return attend_unit(self._encoder, ingested, draft, self._turn)


def _ingest(context: Context, task: IngestTask) -> tuple[Ingested, list[bytes]]:
    """Ingest; the encoded images apart, so that they travel to the writing alone."""
    ingested = ingest_rows(context, task)
    images, ingested.images = ingested.images, []
    return ingested, images


def _write(
    context: Context, task: UnitTask, ingested: Ingested, images: list[bytes], draft: Draft, seen: Attention
) -> Outcome:
    ingested.images = images
    return write_unit(context, task, ingested, draft, seen)


READ_PART = ray.remote(max_retries=1)(unpacking(read_part))
_READ_STUDIES = ray.remote(max_retries=1)(unpacking(read_studies))
BAKE_UNIT = ray.remote(max_retries=TRIES)(unpacking(bake_unit))
INGEST: Any = ray.remote(max_retries=1, num_returns=2)(unpacking(_ingest))
_DRAFT = ray.remote(max_retries=TRIES)(unpacking(draft_unit))
_WRITE = ray.remote(max_retries=TRIES)(unpacking(_write))


@contextlib.contextmanager
def breakdown_told() -> Iterator[None]:
    """Tell the end of Ray itself, such as of its head node, in one line. What a task raises goes through."""
    try:
        yield
    except ray.exceptions.RayTaskError:
        raise
    except ray.exceptions.RayError as why:
        raise PipelineError(
            f"Ray broke down ({type(why).__name__}): run the same command again to go on where it stopped"
        ) from None


def own_context(context: Context | Carried) -> Context:
    """The context of this process."""
    return context.context if isinstance(context, Carried) else context


def result(ref: ray.ObjectRef[Any]) -> Any:
    """The value of a task, its files here; an error of ours that it raised comes out as itself."""
    try:
        return received(ray.get(ref))
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, PipelineError | OSError):
            raise cause from None
        if isinstance(cause, CRASHES):
            raise cause from error
        raise


def part_outcome(context: ray.ObjectRef[Any], task: PartTask, ref: ray.ObjectRef[Any]) -> Outcome:
    """What came of a part; a study of it that has killed its process is found and rejected."""
    try:
        outcome: Outcome = result(ref)
        return outcome
    except CRASHES:
        own = own_context(ray.get(context))
        images = [len(study.images) for study in listed_studies(own, task)]
        return write_part(own, task, _bisect_part(context, task, images, range(len(images))))


def baked_outcome(task: PixelTask, ref: ray.ObjectRef[Any]) -> Outcome:
    """What came of baking a unit's pixel mixes."""
    try:
        outcome: Outcome = result(ref)
        return outcome
    except CRASHES:
        raise DataError(
            f"baking the pixel mixes of {task.unit} crashed {TRIES + 1} times: is there enough memory? "
            "`build` again goes on from here"
        ) from None


def _bisect_part(context: ray.ObjectRef[Any], task: PartTask, images: list[int], places: range) -> PartRows:
    """Read studies that kill their process: halve them until the one that does so stands alone, and reject it.

    `images` is how many images each study of the part lists.
    """
    if len(places) == 1:
        return crashed_study(own_context(ray.get(context)), task, places.start)
    half = len(places) // 2
    first, second = (_read_some(context, task, images, some) for some in (places[:half], places[half:]))
    return joined(first, second, sum(images[i] for i in places[:half]))


def _read_some(context: ray.ObjectRef[Any], task: PartTask, images: list[int], places: range) -> PartRows:
    # One crash is enough to halve again; only a study that stands alone is tried twice before it is blamed.
    read = _READ_STUDIES.options(max_retries=int(len(places) == 1))
    try:
        rows: PartRows = result(read.remote(context, task, slice(places.start, places.stop)))
    except CRASHES:
        return _bisect_part(context, task, images, places)
    return rows


def whole(context: ray.ObjectRef[Any], task: IngestTask, refs: Sequence[ray.ObjectRef[Any]]) -> Ingested:
    """The result of an ingest; one that has killed its process is bisected."""
    light, images = refs
    try:
        ingested: Ingested = result(light)
        ingested.images = result(images)
    except CRASHES:
        return _bisect(context, task)
    return ingested


def _bisect(context: ray.ObjectRef[Any], task: IngestTask) -> Ingested:
    """Ingest rows that kill their process: halve them until the sample that does so stands alone, and reject it."""
    if len(task.rows) == 1:
        return crashed(own_context(ray.get(context)), task)
    first, second = task.halves()
    # One crash is enough to halve again; only a sample that stands alone is tried twice before it is blamed.
    halves = [INGEST.options(max_retries=int(len(half.rows) == 1)).remote(context, half) for half in (first, second)]
    done = [whole(context, half, refs) for half, refs in zip((first, second), halves, strict=True)]
    return merged(done[0], done[1], len(first.rows))


def _has_crashed(ref: ray.ObjectRef[Any]) -> bool:
    try:
        ray.wait([ref])
        result(ref)
    except CRASHES:
        return True
    return False
