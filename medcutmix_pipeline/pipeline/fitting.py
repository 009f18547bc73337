"""Fitting the encoder on the corpus itself: gathering images and sentences, and training once for the same rows."""

from __future__ import annotations

import contextlib
import shutil
import threading
import uuid
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.pipeline.atomic import staged_folder
from medcutmix_pipeline.pipeline.failing_at import failing_at
from medcutmix_pipeline.pipeline.identity import encoder_key
from medcutmix_pipeline.pipeline.layout import Outcome
from medcutmix_pipeline.pipeline.pieces import intact
from medcutmix_pipeline.pipeline.tasks import Context, IngestTask
from medcutmix_pipeline.pipeline.work import placed_samples
from medcutmix_pipeline.stages.attention.corpus import Pair, pairs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from medcutmix_pipeline.pipeline.engine import Engine
    from medcutmix_pipeline.pipeline.progress import Reporter
    from medcutmix_pipeline.pipeline.stage_progress import Stage

_ROWS_A_TASK = 256
_PROGRESS = "fit-progress"
_ENCODER = "encoder"


@dataclass(frozen=True)
class Material:
    """What is fitted on: uint8 [n, s, s] images, and pairs that name their image by its row.

    `unused` are the rows of the table of chosen samples whose images could not be used.
    """

    images: npt.NDArray[np.uint8]
    pairs: list[Pair]
    unused: list[int]


@dataclass(frozen=True)
class TrainTask:
    """Train on this."""

    key: str
    material: Material


class Fit:
    """The encoder of a build, fitted once for the same rows and settings.

    `rows_sha256` is of the table of the rows chosen for fitting.
    """

    def __init__(self, context: Context, rows_sha256: str, reporter: Reporter) -> None:
        self._context, self._reporter = context, reporter
        self._key = encoder_key(context, rows_sha256)
        self._steps = context.config.attention.fit.steps

    def done(self) -> bool:
        """Whether the one that stands in `encoder/` was fitted on these rows with these settings; told if so, and where
        it was and is damaged.
        """
        if intact(self._context.layout, self._reporter, _ENCODER, self._key) is None:
            return False
        stage = self._reporter.stage("fit", "steps", self._steps)
        stage.skip(self._steps)
        stage.end()
        return True

    def run(self, engine: Engine, begin_writing: Callable[[], None]) -> None:
        """Fit it, and put it into `encoder/`.

        Args:
            begin_writing: called before anything in the output changes.

        Raises:
            DataError: no train image has a sentence that asserts a finding, or none can be used.
        """
        layout = self._context.layout
        material = self._gathered(engine)
        begin_writing()
        stage = self._reporter.stage("fit", "steps", self._steps)
        with _watched(self._context.staging / _PROGRESS, stage):
            outcome = engine.call(train, self._context, TrainTask(self._key, material))
        stage.reached(self._steps, self._steps)
        stage.end()
        self._reporter.log("fitted", **outcome.facts)
        shutil.rmtree(layout.out / "encoder", ignore_errors=True)  # for what else may stand there
        layout.commit(outcome)

    def _gathered(self, engine: Engine) -> Material:
        gathering = self._reporter.stage("gather", "images")
        material = _gather(engine, self._context, gathering.reached)
        gathering.end()
        if gathering.done and not len(material.images):
            raise DataError(
                "not one of the images chosen to fit an encoder on can be used: may they be read, and are they images?"
            )
        if not any(p.sentence for p in material.pairs):
            raise DataError(
                "no train image has a sentence that asserts a finding, so there is nothing to fit an encoder on: "
                "check the reports and the lexicon, or set attention.encoder to a published model"
            )
        return material


@contextlib.contextmanager
def _watched(file: Path, stage: Stage) -> Iterator[None]:
    """While the block runs, tell the steps that training notes in a file: it may run on another machine."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(timeout=1):
            with contextlib.suppress(OSError, ValueError):
                step, steps = map(int, file.read_text().split())
                stage.reached(step, steps)

    file.unlink(missing_ok=True)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        file.unlink(missing_ok=True)


def _gather(engine: Engine, context: Context, tick: Callable[[int, int], None]) -> Material:
    """Ingest the images chosen for fitting, and pair them with the diagnostic sentences of their reports."""
    table = context.layout.work / "fit.parquet"
    samples = placed_samples(table)
    starts = range(0, len(samples), _ROWS_A_TASK)
    tasks = [IngestTask(table, range(s, min(s + _ROWS_A_TASK, len(samples)))) for s in starts]
    unmatched = frozenset(context.config.pairing.exclude)
    sized = replace(context, encoder_size=context.config.attention.fit.image_size)
    images = [np.zeros((0, sized.encoder_size, sized.encoder_size), np.uint8)]
    pairs: list[Pair] = []
    unused: list[int] = []
    row = 0
    for task, ingested in zip(tasks, engine.ingest(sized, tasks), strict=True):
        own = [samples[task.rows[i]] for i in ingested.survivors]
        unused += sorted(set(task.rows) - {task.rows[i] for i in ingested.survivors})
        for sample, report in zip(own, context.reader.read_many([s.text for s in own]), strict=True):
            pairs.extend(pairs_of(row, report, sample.view, sample.patient_id, unmatched))
            row += 1
        images.append(ingested.thumbs)
        tick(task.rows.stop, len(samples))
    return Material(np.concatenate(images), pairs, unused)


def train(context: Context, task: TrainTask) -> Outcome:
    """Train, and write the encoder."""
    from medcutmix_pipeline.stages.attention.fit import fit_encoder  # brings torch, which the driver need not import

    folder = context.staging / f"encoder.{uuid.uuid4().hex}"
    folder.mkdir()
    curve: list[list[float]] = []

    def tell(step: int, steps: int, loss: float) -> None:
        curve.append([step, round(loss, 4)])
        (context.staging / _PROGRESS).write_text(f"{step} {steps}")

    attention = context.config.attention
    with failing_at(folder):
        course = fit_encoder(
            task.material.images,
            task.material.pairs,
            attention.fit,
            context.config.seed,
            folder,
            tell,
            attention.device,
        )
    facts = {"images": len(task.material.images), "unused": task.material.unused, "curve": curve, **asdict(course)}
    return Outcome(_ENCODER, task.key, facts, staged_folder(folder, context.layout.out / "encoder"))
