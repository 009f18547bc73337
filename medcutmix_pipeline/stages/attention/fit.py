"""Fits small text-conditioned patch-attention networks on a corpus's own images and sentences."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.stages.attention.checkpoint import Card, save_checkpoint
from medcutmix_pipeline.stages.attention.corpus import Corpus, Pair
from medcutmix_pipeline.stages.attention.device import choose_device, reproducible
from medcutmix_pipeline.stages.attention.ensemble import Ensemble
from medcutmix_pipeline.stages.attention.held_out import LOOKS, Best, Course, Examination, hold_out
from medcutmix_pipeline.stages.attention.learner import Learner, pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from medcutmix_pipeline.schemas.config import FitConfig

    Progress = Callable[[int, int, float], None]

T = TypeVar("T")

__all__ = ["Pair", "fit_encoder"]

_VAGUE = 0.3
"""Share of sentences that are asked without their places in the second half of the fit; it falls to this from all."""


def fit_encoder(
    images: NDArray[np.uint8],
    pairs: Sequence[Pair],
    config: FitConfig,
    seed: int,
    folder: Path,
    progress: Progress,
    device: str = "cpu",
) -> Course:
    """Train on `pairs`, save model.safetensors and config.json in `folder`, and tell how it went.

    `images` is uint8 [N, s, s] with s = `config.image_size`; `progress` is called with steps done, steps in all and
    the networks' mean loss. A share of the patients is held out, and the fit ends early where it gets worse on them;
    `Course` has the curve. The same images, pairs, configuration and seed give the same bytes on the same hardware and
    versions.
    DataError where no pair has a sentence with a finding.

    Each network computes on one thread, which is faster than one on many; so `config.threads` decides how long a fit
    takes, and not what comes out.
    """
    if images.ndim != 3 or images.shape[1:] != (config.image_size, config.image_size):
        raise ValueError(f"images must be [N, {config.image_size}, {config.image_size}], not {list(images.shape)}")
    if not any(p.sentence and p.findings for p in pairs):
        raise DataError(
            "no report has a diagnostic sentence, so that no encoder can be fitted; name one in attention.encoder"
        )
    with reproducible(1), _threads(config.threads) as pool:
        seen, held = hold_out(pairs, config.held_out, seed)
        corpus, on, course = Corpus(seen), choose_device(device), Course(len({p.patient for p in held}))
        exam = Examination(images, Corpus(held, corpus.vocabulary), _VAGUE, on) if held else None
        keys = [keyed_hash(seed, "attention-fit", str(n)) for n in range(config.networks)]
        learners = [Learner(images, corpus, config, key, on) for key in keys]
        weights = _fit(learners, config, pool, progress, exam, course)
    card = Card(config.image_size, config.width, config.networks, corpus.vocabulary.words)
    save_checkpoint(folder, card, weights)
    return course


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that compute on one core each; what waits for them is given up where the block ends early."""
    pool = ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _fit(
    learners: Sequence[Learner],
    config: FitConfig,
    pool: ThreadPoolExecutor,
    progress: Progress,
    exam: Examination | None,
    course: Course,
) -> dict[str, Tensor]:
    """All steps, or fewer where `exam` says so → the weights, averaged over the last steps before they are kept."""

    def of_all(act: Callable[[Learner], T]) -> list[T]:
        return list(pool.map(act, learners))

    of_all(Learner.learn_sentences)
    kept, best, steps = Ensemble(learner.kept for learner in learners), Best(course), config.steps
    every = max(1, steps // LOOKS) if exam else steps
    for start in range(0, steps, every):
        stretch = range(start, min(start + every, steps))
        for step, loss in zip(stretch, _learn(learners, pool, config, stretch), strict=True):
            progress(step + 1, steps, loss)
        if exam and len(stretch) == every:
            looked = of_all(lambda learner: exam.loss(learner.kept))
            if best.is_past(stretch.stop, float(np.mean(looked)), kept.state_dict()):
                course.stopped = stretch.stop
                kept.load_state_dict(best.weights)
                break
    else:
        course.kept = steps
    of_all(partial(Learner.calibrate, vague=_VAGUE))
    return {name: value.detach() for name, value in kept.state_dict().items()}


def _learn(learners: Sequence[Learner], pool: ThreadPoolExecutor, config: FitConfig, stretch: range) -> Iterator[float]:
    """Some steps of all networks → the mean loss of each.

    A network waits for no other: so that three of them keep two threads busy.
    """

    def after(before: Future[float] | None, learner: Learner, step: int) -> float:
        if before is not None:
            before.result()
        vague = _VAGUE + (1 - _VAGUE) * max(0.0, 1 - 2 * step / config.steps)
        return learner.learn(vague, config.learning_rate * pace(step, config.steps))

    last: list[Future[float] | None] = [None] * len(learners)
    rows = []
    for step in stretch:
        # One that waits for another is behind it in the queue, so that some thread is always at work.
        last = [pool.submit(after, before, learner, step) for before, learner in zip(last, learners, strict=True)]
        rows.append([future for future in last if future is not None])
    for row in rows:
        yield float(np.mean([future.result() for future in row]))
