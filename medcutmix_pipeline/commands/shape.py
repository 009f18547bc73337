"""How the commands' help reads: plain usage lines, paragraphs that wrap, examples one in a line; and completion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

KINDS = ("openi", "mimic-cxr-jpg", "chexpert-plus", "manifest", "phantom")


class Command(TyperCommand):
    """A command whose usage names OUT and not {OUT}, and whose flags are not said to be of a <bool>."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The pieces of the usage line."""
        return [_bare(piece) for piece in super().collect_usage_pieces(ctx)]

    def get_params(self, ctx: Any) -> list[Any]:
        """The options and arguments."""
        return _without_types(super().get_params(ctx))


class Commands(TyperGroup):
    """The commands, whose own flags are not said to be of a <bool> either."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options."""
        return _without_types(super().get_params(ctx))


def _without_types(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    return params


def _bare(piece: str) -> str:
    if piece.startswith("{") and piece.endswith("}"):
        return piece[1:-1]
    return f"[{piece[2:-2]}]" if piece.startswith("[[") and piece.endswith("]]") else piece


def option(metavar: str, meaning: str, *names: str, **more: Any) -> Any:
    """An option that need not be given, and whose meaning says what happens then."""
    return typer.Option(*names, metavar=metavar, help=meaning, show_default=False, **more)


def add(app: typer.Typer, command: Callable[..., None], *examples: str) -> None:
    """Add a command with examples to an app."""
    calls = [f"  medcutmix-pipeline {example}" for example in examples]
    title = "Example:" if len(calls) == 1 else "Examples:"
    # Told as they stand: within markup, a bracket of a shell's would vanish.
    epilog = "\n".join([title, *(call.replace("[", r"\[") for call in calls)])
    app.command(cls=Command, help=flowed(command.__doc__ or ""), epilog=epilog)(command)


def flowed(text: str) -> str:
    """A docstring with its paragraphs as single lines, which the terminal wraps at its own width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def complete_kind(incomplete: str) -> list[str]:
    """Kinds of source that begin so."""
    return [kind for kind in KINDS if kind.startswith(incomplete)]


def complete_setting(incomplete: str) -> list[str]:
    """Settings that begin so, each with the = that follows."""
    from medcutmix_pipeline.schemas.settings import known_keys

    return [f"{key}=" for key in known_keys() if key.startswith(incomplete)]
