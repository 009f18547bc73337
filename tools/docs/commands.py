"""The commands with their options, from the command line's own parser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import typer

from medcutmix_pipeline.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKUP = re.compile(r"\[/?(?!required\])[a-z]*\]")


def commands() -> str:
    """Markdown: a heading, a synopsis and a table of options for each command."""
    group: Any = typer.main.get_command(app)
    with group.make_context("medcutmix-pipeline", [], resilient_parsing=True) as context:
        names = group.list_commands(context)
        return "\n".join(line for name in names for line in _command(group.get_command(context, name), context, name))


def _command(command: Any, parent: Any, name: str) -> Iterator[str]:
    with command.make_context(name, [], parent=parent, resilient_parsing=True) as context:
        yield from (f"## {name}", "", "```text", command.get_usage(context).removeprefix("Usage: "), "```", "")
        yield from ((command.help or "").strip(), "")
        records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
        # Markdown's tables take a bar within a code span as it is.
        rows = [
            f"| `{_line(named)}` | {_line(told).replace('|', chr(92) + '|')} |" for named, told in filter(None, records)
        ]
        yield from ("| option | meaning |", "|---|---|", *rows, "")
        yield from _examples(command.epilog or "")


def _examples(epilog: str) -> Iterator[str]:
    """A title, and below it the calls: as code, or Markdown would run them together into one paragraph."""
    title, _, calls = epilog.partition("\n")
    if calls:
        yield from (title, "", "```bash", *(call.strip().replace(r"\[", "[") for call in calls.splitlines()), "```", "")


def _line(text: str) -> str:
    return " ".join(_MARKUP.sub("", text).replace(" <bool>", "").split())
