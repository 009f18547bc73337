"""The answer to a query, for the terminal: rows as lines of a table, or, where they are too wide for it, as blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from medcutmix_pipeline.dataset.inspect import table, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

_LEGIBLE = 12
"""A column of a table is to have so many characters, if its values have as many."""
_BORDER = 3


class RowsTold:
    """Rows of whatever columns: all 19 columns of the plans, side by side, would have three characters each."""

    def __init__(self, title: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self.title, self.names, self.rows = title, names, rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if self._narrowest() <= options.max_width:
            yield table(self.title, self.names, self.rows)
            return
        yield Text(self.title, style="bold")
        for number, row in enumerate(self.rows, 1):
            yield Text(f"\nrow {number:,}", style="bold")
            block = Table.grid(padding=(0, 2))
            block.add_column(no_wrap=True)
            block.add_column(overflow="fold")
            for name, value in zip(self.names, row, strict=True):
                block.add_row(Text(name), text(value))
            yield block

    def _narrowest(self) -> int:
        """Characters that a table needs to be legible."""
        widths = [cell_len(name) for name in self.names]
        for row in self.rows:
            widths = [max(w, cell_len(str(value))) for w, value in zip(widths, row, strict=True)]
        return sum(min(width, _LEGIBLE) + _BORDER for width in widths) + 1
