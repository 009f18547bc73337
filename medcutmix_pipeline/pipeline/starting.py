"""The engine of a build, started when there is work for it."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from medcutmix_pipeline.pipeline.engine import Engine, SerialEngine

if TYPE_CHECKING:
    from medcutmix_pipeline.pipeline.progress import Reporter
    from medcutmix_pipeline.pipeline.tasks import Context
    from medcutmix_pipeline.schemas.config import Config


class Starter:
    """Gives the engine, and starts it the first time.

    Over a finished dataset a build may find nothing to do, and starting Ray takes longer than finding that out.
    """

    def __init__(self, context: Context, reporter: Reporter, stack: ExitStack, must_share: bool) -> None:
        self._context, self._reporter, self._stack, self._must_share = context, reporter, stack, must_share
        self._engine: Engine | None = None

    def __call__(self) -> Engine:
        """The engine, which the stack will close.

        Raises:
            UsageError: it cannot be started, or does not reach what it needs.
        """
        if self._engine is None:
            engine = self._stack.enter_context(closing(_engine(self._context.config)))
            engine.check(self._context, self._must_share)
            self._reporter.say(f"engine: {engine.description}")
            if engine.dashboard:
                self._reporter.say(f"Ray's dashboard: {engine.dashboard}")
            self._reporter.busy = engine.busy
            self._reporter.log("engine", engine=engine.description)
            self._engine = engine
        return self._engine

    @property
    def description(self) -> str:
        """Of the engine, in words; `none` while none was needed."""
        return self._engine.description if self._engine else "none"


def _engine(config: Config) -> Engine:
    if config.engine.kind == "serial":
        return SerialEngine()
    from medcutmix_pipeline.pipeline.ray_engine import RayEngine  # Ray takes seconds to import, and serial needs none

    return RayEngine(config.engine, config.attention)
