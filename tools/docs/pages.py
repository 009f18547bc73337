"""The pages as the site shows them: generated parts filled in, links into the repository followed."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from tools.docs.api import api
from tools.docs.commands import commands
from tools.docs.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MARKER = re.compile(r"^<!-- generated: (?P<what>\w+)(?P<names>[^>]*?) *-->$", re.M)
_INTO_REPOSITORY = re.compile(r"\]\(\.\./(?P<path>[\w./-]+)\)")
_DRAWING = re.compile(r"^!\[(?P<alt>[^\]]*)\]\((?P<path>drawings/[\w.-]+\.svg)\)$", re.M)
_LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".md": "markdown"}


def fill(docs: Path, into: Path) -> None:
    """Copy a folder of pages, with what belongs where a page only says so.

    Raises:
        ValueError: a page asks for a generated part that there is not.
        FileNotFoundError: a page links to what is not in the repository.
    """
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(docs, into)
    linked: set[str] = set()
    for page in sorted(into.rglob("*.md")):
        page.write_text(_filled(page.read_text("utf-8"), docs, linked), "utf-8")
    for path in sorted(linked):
        _show_source(docs.parent / path, into / _source_page(path), path)


def _filled(text: str, docs: Path, linked: set[str]) -> str:
    def link(found: re.Match[str]) -> str:
        linked.add(found["path"])
        return f"]({_source_page(found['path'])})"

    text = _MARKER.sub(lambda found: _generated(found["what"], found["names"].split()), text)
    text = _INTO_REPOSITORY.sub(link, text)
    return _DRAWING.sub(lambda found: _inlined(docs / found["path"], found["alt"]), text)


def _generated(what: str, names: list[str]) -> str:
    makers: dict[str, Callable[[], str]] = {"settings": settings, "commands": commands, "api": lambda: api(*names)}
    if what not in makers:
        raise ValueError(f"no generated part is called {what!r}; there are {', '.join(makers)}")
    return makers[what]()


def _inlined(drawing: Path, alt: str) -> str:
    """A drawing as part of the page, so that it takes the page's colours."""
    # Its colours for when it stands alone would follow the machine's scheme and not the page's.
    svg = re.sub(r"<style class=\"alone\">.*?</style>", "", drawing.read_text("utf-8"), flags=re.S)
    # A blank line would end the block of HTML.
    svg = "\n".join(line for line in svg.splitlines() if line.strip())
    return f'<figure class="drawing" role="img" aria-label="{alt}">\n{svg}\n</figure>'


def _source_page(path: str) -> str:
    return "source/" + path.rstrip("/").replace("/", "-") + ".md"


def _show_source(source: Path, page: Path, path: str) -> None:
    """A page with a file of the repository, or with the names in a folder."""
    page.parent.mkdir(exist_ok=True)
    if source.is_dir():
        names = sorted(inner.name for inner in source.iterdir() if inner.is_file())
        body = "\n".join(f"- `{path}/{name}`" for name in names)
    else:
        body = f"````{_LANGUAGES.get(source.suffix, 'text')}\n{source.read_text('utf-8').rstrip()}\n````"
    page.write_text(f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n\nIn the repository.\n\n{body}\n", "utf-8")
