"""Running the pieces of work of a build: those that no earlier run has finished, and no others."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from medcutmix_pipeline.pipeline.layout import Layout, Outcome
    from medcutmix_pipeline.pipeline.progress import Reporter
    from medcutmix_pipeline.pipeline.stage_progress import Stage
    from medcutmix_pipeline.pipeline.storage.mirror import Mirror


Facts = dict[str, Any]


def intact(layout: Layout, reporter: Reporter, name: str, key: str) -> Facts | None:
    """What a finished piece of work said of itself, if its files are as they were written; told where they are not."""
    facts = layout.facts(name, key)
    damaged = facts and layout.damaged(facts)
    if damaged:
        reporter.say(f"{damaged} is gone or not as it was written: it is made again")
    return None if damaged else facts


class Pieces:
    """Runs pieces of work, commits and brings what comes of them, and counts the rejects of this run and earlier ones.

    `begin_writing` is called before anything in the output changes.

    Attributes:
        rejects: counts by reason, over all pieces that were gone through.
        images: what the source lists, once that is known: of these, a share of `max_reject_rate` may be rejected.
    """

    def __init__(
        self,
        layout: Layout,
        mirror: Mirror | None,
        reporter: Reporter,
        max_reject_rate: float,
        begin_writing: Callable[[], None],
    ) -> None:
        self._layout, self._mirror, self._reporter = layout, mirror, reporter
        self._most, self._begin_writing = max_reject_rate, begin_writing
        self.rejects: Counter[str] = Counter()
        self.images = 0
        self._held: list[Outcome] = []

    def run(
        self,
        outcomes: Callable[[Iterable[Any]], Iterator[Outcome]],
        tasks: list[Any],
        stage: Stage,
        unit: str,
        hold: bool = False,
    ) -> None:
        """Run the tasks that are still to be done, and count what all of them say of themselves.

        Args:
            outcomes: runs tasks, and yields what came of each.
            unit: what the facts of a piece of work call its inputs.
            hold: change nothing in the output yet: what comes of the tasks waits for `put_held`.

        Raises:
            DataError: too many inputs are rejected.
        """
        pending = []
        for task, facts in self._finished(tasks):
            if facts is None:
                pending.append(task)
            else:
                stage.skip(self._count(facts, unit))
        self._stop_if_too_many_rejects()
        if pending:
            if not hold:
                self._begin_writing()
            for outcome in outcomes(stage.taking(pending)):
                if hold:
                    self._held.append(outcome)
                else:
                    self._commit(outcome)
                stage.advance(self._count(outcome.facts, unit), sum(outcome.facts["rejects"].values()))
                self._stop_if_too_many_rejects()
        stage.end()

    @property
    def held(self) -> dict[Path, Path]:
        """The files that wait for `put_held`: the name that each will have, and where it is until then."""
        return {file.path: file.temporary for outcome in self._held for file in outcome.files}

    def put_held(self) -> None:
        """Commit and bring what was held; only once the output says no longer that it is finished."""
        for outcome in self._held:
            self._commit(outcome)
        self._held.clear()

    def _commit(self, outcome: Outcome) -> None:
        self.bring(outcome.name, self._layout.commit(outcome))

    def bring(self, name: str, facts: Facts) -> None:
        """A piece of work is committed: let its files go to where the dataset is wanted."""
        if self._mirror:
            self._mirror.offer(name, facts["files"])

    def told_rejects(self) -> str:
        """The rejects by reason, most frequent first, with what each reason means."""
        from medcutmix_pipeline.report.reasons import REJECTS  # brings the whole report, for a build that stops

        told = [(reason, f"{n:,}", REJECTS.get(reason)) for reason, n in self.rejects.most_common()]
        return (
            ", ".join(f"{reason} {n} ({means})" if means else f"{reason} {n}" for reason, n, means in told)
            or "nothing was listed"
        )

    def _finished(self, tasks: list[Any]) -> Iterator[tuple[Any, Facts | None]]:
        """Each task with its facts, where an earlier run has finished it and its files are as they were written."""
        threads = ThreadPoolExecutor()  # hashing lets go of Python's lock
        try:
            yield from zip(tasks, threads.map(self._intact, tasks), strict=True)
        finally:
            threads.shutdown(cancel_futures=True)

    def _intact(self, task: Any) -> Facts | None:
        return intact(self._layout, self._reporter, task.name, task.key)

    def _count(self, facts: Facts, unit: str) -> int:
        """How many inputs a piece of work went through; samples that were rejected on the way were inputs, too."""
        self.rejects.update(facts["rejects"])
        return int(facts[unit]) + (sum(facts["rejects"].values()) if unit == "samples" else 0)

    def _stop_if_too_many_rejects(self) -> None:
        # Divided and not multiplied: 0.29 × 100 is less than 29.
        if self.rejects.total() / max(1, self.images) > self._most:
            raise DataError(
                f"{self.rejects.total():,} of {self.images:,} images are rejected, "
                f"more than engine.max_reject_rate={self._most:g} allows: {self.told_rejects()}"
            )
