"""What the commands share: where they print, and how an error is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

DatasetFolder = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a finished dataset.", show_default=False)]


def out_console() -> Console:
    """For what was asked for."""
    from medcutmix_pipeline.dataset.inspect import open_console

    return open_console(file=sys.stdout)


def err_console() -> Console:
    """For what is told beside it: errors, progress, hints."""
    return Console(stderr=True)


def tell_error(message: str) -> None:
    """One line, to standard error."""
    err_console().print(f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True)
