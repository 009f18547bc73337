"""What the commands share: where they print, and how an error is told."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

DatasetFolder = Annotated[
    str, typer.Argument(metavar="OUT", help="Folder of a finished dataset, or its s3:// URL.", show_default=False)
]

JsonOption = Annotated[bool, typer.Option("--json", help="Write JSON instead of text.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]

JSON_SCHEMA = 1
"""Raised when a field of any command's JSON changes its meaning or goes; fields may be added."""


def out_console(quiet: bool = False) -> Console:
    """For what was asked for; a quiet one says nothing."""
    from medcutmix_pipeline.dataset.inspect import open_console

    return open_console(file=sys.stdout, quiet=quiet)


def err_console() -> Console:
    """For what is told beside it: errors, progress, hints."""
    return Console(stderr=True)


def tell_error(message: str) -> None:
    """One line, to standard error."""
    err_console().print(f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True)


def counted(number: int, word: str) -> str:
    """A number with what it counts, such as `1 shard` or `1,348 plans`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def tell_json(facts: dict[str, Any]) -> None:
    """What was asked for as one JSON object, in ASCII: no terminal, locale or pipe stumbles over it."""
    import json

    typer.echo(json.dumps({"schema": JSON_SCHEMA, **facts}, indent=1, allow_nan=False, default=str))
