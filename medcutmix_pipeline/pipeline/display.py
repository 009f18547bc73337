"""How progress looks: a table of stages that is drawn anew on a terminal, and how often plain lines are told."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from medcutmix_pipeline.pipeline.stage_progress import Stage

_OFTEN, _SELDOM = 10.0, 60.0  # seconds between plain lines, at first and later
_AT_FIRST = 120.0
_REDRAWS = 4  # a second
_BAR, _BAR_FITS = 24, 100  # columns of a bar, and of a terminal that has room for it


class Display:
    """The stages on a terminal, with the use of the machine below them; silent elsewhere."""

    def __init__(self, console: Console, stages: Callable[[], Sequence[Stage]], machine: Callable[[], str]) -> None:
        self.live = console.is_terminal and not console.is_dumb_terminal
        self._stages, self._machine = stages, machine
        self._live = Live(self, console=console, refresh_per_second=_REDRAWS) if self.live else None

    def start(self) -> None:
        """Begin to draw."""
        if self._live:
            self._live.start()

    def stop(self) -> None:
        """Draw once more, and leave it standing."""
        if self._live:
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        stages = list(self._stages())
        if not stages:
            return
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        if with_bar := options.max_width >= _BAR_FITS:
            table.add_column(width=_BAR)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(justify="right", no_wrap=True)
        for stage in stages:
            table.add_row(*_row(stage, with_bar))
        yield table
        if not stages[-1].ended:
            yield Text(self._machine(), style="dim", no_wrap=True, overflow="ellipsis")


def _row(stage: Stage, with_bar: bool) -> list[Text | ProgressBar]:
    of = f"/{stage.total:,}" if stage.total and not stage.ended else ""
    left = f", {duration(stage.left)} left" if stage.left is not None else ""
    bar = ProgressBar(stage.total, stage.done, width=_BAR, pulse=not stage.total and not stage.ended)
    cells: list[Text | ProgressBar] = [
        Text(stage.name, style="" if stage.ended else "bold"),
        Text(f"{stage.done:,}{of} {stage.unit}"),
        Text(stage.note(), style="yellow" if stage.stalled else ""),
        Text(f"{duration(stage.seconds)}{left}"),
    ]
    return [cells[0], bar, *cells[1:]] if with_bar else cells


class LinePace:
    """When the next plain line is due: soon at the beginning of a stage, seldom in a log that grows for hours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.restart()

    def restart(self) -> None:
        """A stage begins."""
        self._began = self._told = time.monotonic()

    def due(self) -> bool:
        """Whether a line is to be told now; to ask is to tell it."""
        with self._lock:
            now = time.monotonic()
            pause = _OFTEN if now - self._began < _AT_FIRST else _SELDOM
            if now - self._told < pause:
                return False
            self._told = now
            return True


def duration(seconds: float) -> str:
    """Seconds as people say them: 12 s, 3 min 05 s, 2 h 07 min, 4 d 3 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def rate_told(rate: float) -> str:
    """Inputs a second, or a minute where they are few."""
    if rate >= 10:
        return f"{rate:,.0f}/s"
    return f"{rate:.1f}/s" if rate >= 0.2 else f"{rate * 60:.1f}/min"
