"""The code blocks of README and docs, and what the pages say about running them.

A fence names its language; that is its role: `bash`, `python`, `sql` and `json`, `yaml`, `toml`, `csv` are run or read,
`text` and a bare fence are output and drawings. A comment right above a fence says more:

    <!-- not run: REASON -->              not run, but parsed and checked as far as that goes
    <!-- run by tests/FOLDER/test_X.py --> that test runs it
    <!-- file: NAME -->                   the block is a file that later blocks use
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LANGUAGES = {"bash", "python", "sql", "json", "yaml", "toml", "csv", "text"}

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$", re.M | re.S)
_DIRECTIVE = re.compile(r"<!-- (?P<what>not run|run by|file):? (?P<more>[^>]+?) -->\s*\Z")
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """One fenced block. `directive` is what the comment above it says, (what, the rest)."""

    page: str
    line: int
    language: str
    code: str
    directive: tuple[str, str] | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        above = _DIRECTIVE.search(text[: fence.start()])
        code = re.sub(rf"^{fence['indent']}", "", fence["code"], flags=re.M)
        line = text.count("\n", 0, fence.start()) + 1
        directive = (above["what"], above["more"]) if above else None
        found.append(Block(page.name, line, fence["language"] or "text", code, directive))
    return found


def inline_code(page: Path) -> list[tuple[str, str]]:
    """What stands between backticks in the text of a page, with where it stands."""
    text = _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), page.read_text("utf-8"))
    return [(f"{page.name}:{text.count(chr(10), 0, m.start()) + 1}", m[1]) for m in _INLINE.finditer(text)]
