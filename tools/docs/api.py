"""The Python API, from signatures and docstrings, read without importing anything."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import griffe

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).resolve().parents[2]
_TABLES = {
    "parameters": "| argument | meaning |",
    "other parameters": "| argument | meaning |",
    "attributes": "| attribute | meaning |",
    "raises": "| raises | when |",
}


def api(*paths: str) -> str:
    """Markdown: what each of some dotted paths is, with its public methods."""
    return "\n".join(line for path in paths for line in _described(_package()[path.partition(".")[2]], path))


@cache
def _package() -> Any:
    # Two parameters may share a line, which griffe would warn of.
    options: griffe.GoogleOptions = {"warn_unknown_params": False, "warn_missing_types": False}
    loader = griffe.GriffeLoader(search_paths=[_ROOT], docstring_parser="google", docstring_options=options)
    package = loader.load("medcutmix_pipeline")
    loader.resolve_aliases(external=False)
    return package


def _described(thing: Any, path: str) -> Iterator[str]:
    thing = thing.final_target if thing.is_alias else thing
    yield from (f"### {thing.name}", "", f'<small class="path">`{path}`</small>', "")
    if thing.is_function:
        yield from _function(thing, thing.name)
    elif thing.is_class:
        yield from _class(thing)
    else:
        yield from _docstring(thing)


def _class(thing: Any) -> Iterator[str]:
    made = thing.all_members.get("__init__")
    if made is not None and made.is_function:
        yield from _signature(made, thing.name)
    yield from _docstring(thing)
    for name, member in thing.members.items():
        if name.startswith("_") or member.is_alias or member.docstring is None:
            continue
        if member.is_function:
            yield from (f"#### {thing.name}.{name}", "")
            yield from _function(member, name)
        elif "property" in member.labels:
            yield from (f"#### {thing.name}.{name}", "")
            yield from _docstring(member)


def _function(function: Any, name: str) -> Iterator[str]:
    yield from _signature(function, name)
    yield from _docstring(function)


def _signature(function: Any, name: str) -> Iterator[str]:
    told, starred = [], False
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        kind = parameter.kind.value
        if kind == "keyword-only" and not starred:
            told.append("*")
        starred = starred or kind in ("keyword-only", "variadic positional")
        stars = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        annotation = f": {parameter.annotation}" if parameter.annotation else ""
        default = f" = {parameter.default}" if parameter.default is not None and not stars else ""
        told.append(f"{stars}{parameter.name}{annotation}{default}")
    returns = f" -> {function.returns}" if function.returns and name == function.name else ""
    line = f"{name}({', '.join(told)}){returns}"
    if len(line) > 100:
        line = f"{name}(\n" + "".join(f"    {one},\n" for one in told) + f"){returns}"
    # A signature is no program: it is shown like one and never run.
    yield from ("```{ .python .signature }", line, "```", "")


def _docstring(thing: Any) -> Iterator[str]:
    if thing.docstring is None:
        return
    for section in thing.docstring.parsed:
        kind = section.kind.value
        if kind == "text":
            yield from (section.value, "")
        elif kind in _TABLES:
            yield from (_TABLES[kind], "|---|---|", *(_row(item) for item in section.value), "")
        elif kind in ("returns", "yields"):
            yield from (f"**{kind.capitalize()}** " + " ".join(_line(item.description) for item in section.value), "")
        elif kind == "admonition":  # any other heading with an indented text below it
            told = section.value.contents
            session = told.startswith(">>>")
            yield from (f"**{section.title}**", "", f"```{{ .pycon }}\n{told}\n```" if session else told, "")
        else:
            raise ValueError(f"{thing.path}: what shall be done with a section of {kind}?")


def _row(item: Any) -> str:
    named = getattr(item, "name", None) or item.annotation
    return f"| `{named}` | {_line(item.description)} |"


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")
