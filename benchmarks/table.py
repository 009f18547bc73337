"""The tables of benchmarks/README.md and of the pages of docs/, made from the results that are kept in `results/`.

    python -m benchmarks.table            writes them
    python -m benchmarks.table --check    ends with 1 where they are not what the results give

In benchmarks/README.md the parts stand between `<!-- parts -->` and `<!-- end of parts -->`, each with what
`notes/PART.md` says of it. What was measured on a GPU is kept as `results/PART.gpu.json` and stands below the rest. A
page of docs/ has the table of a part between `<!-- results of PART -->` and `<!-- end of results -->`, or with
`<!-- results of PART: WORD, WORD -->` those lines that begin with one of the words.
`<!-- results of PART by row: WHAT, WHAT -->` makes a row of each X whose lines are called `X: WHAT`.
A paragraph or table written by hand that tells figures is marked, see `benchmarks/told.py`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from benchmarks.parts import HERE, PARTS
from benchmarks.suite import RESULTS, Figure, number, table

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.parts import Part

README = HERE / "README.md"
NOTES = HERE / "notes"
PAGES = [HERE.parent / "README.md", *sorted((HERE.parent / "docs").glob("*.md"))]

_PARTS = re.compile(r"(<!-- parts -->\n).*?(<!-- end of parts -->)", re.S)
_RESULTS = re.compile(r"(<!-- results of (\w+)( by row)?(?:: ([^>]+?))? -->\n).*?(<!-- end of results -->)", re.S)


def results_of(part: str) -> list[dict[str, Any]]:
    """The kept results of a part: here, and on a GPU."""
    paths = (RESULTS / f"{part}.json", RESULTS / f"{part}.gpu.json")
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]


def figures_of(*results: dict[str, Any]) -> list[Figure]:
    """The figures of results as they were made."""
    return [
        Figure(**{k: v for k, v in one.items() if k not in ("target", "met")})
        for result in results
        for one in result["figures"]
    ]


def section(part: Part) -> str:
    """What benchmarks/README.md has of a part: heading, notes, how it was measured, table."""
    notes, results = NOTES / f"{part.name}.md", results_of(part.name)
    told = [f"### {part.title}"]
    if notes.is_file():
        told.append(notes.read_text(encoding="utf-8").strip())
    for result in results:
        told += [measured(result), table(figures_of(result))]
    return "\n\n".join(told if results else [*told, "Not measured yet."])


def measured(result: dict[str, Any]) -> str:
    """By which command, how long, on what."""
    on = result["machine"]
    versions = ", ".join(f"{name} {of}" for name, of in on["versions"].items())
    beside = ", ".join(f"{name} {of}" for name, of in on.get("peers", {}).items())
    return (
        f"`{result['command']}`, {result['seconds']:.0f} s, load {result['load before']} before. {on['processor']}, "
        f"{on['cores']} cores, {on['memory GiB']} GiB, "
        + (f"{on['GPU']}, " if on.get("GPU") else "")
        + f"{on['system']}, Python {on['python']}; {versions}"
        + (f"; beside {beside}." if beside else ".")
    )


def parts_written(text: str) -> str:
    """The README with the sections of all parts."""
    sections = "\n\n".join(map(section, PARTS))
    return _PARTS.sub(lambda found: f"{found[1]}\n{sections}\n\n{found[2]}", text)


def results_written(text: str) -> str:
    """A page with the tables that it asks for."""

    def lines(found: re.Match[str]) -> str:
        results = results_of(found[2])
        if not results:
            return f"{found[1]}\nNot measured yet.\n\n{found[5]}"
        words = [word.strip() for word in (found[4] or "").split(",")]
        figures = figures_of(*results)
        made = by_row(figures, words) if found[3] else table([f for f in figures if f.what.startswith(tuple(words))])
        return f"{found[1]}\n{made}\n\n{found[5]}"

    return _RESULTS.sub(lines, text)


def by_row(figures: list[Figure], columns: list[str]) -> str:
    """A row for each X of which there is a figure `X: COLUMN` for every column; spreads in brackets."""
    cells = {figure.what: figure for figure in figures}
    rows = dict.fromkeys(figure.what.rpartition(": ")[0] for figure in figures)
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for row in rows:
        own = [cells.get(f"{row}: {column}") for column in columns]
        told = [
            number(f.value) + (f" ({number(f.low)}–{number(f.high)})" if f.low is not None else "") for f in own if f
        ]
        if row and len(told) == len(columns):
            lines.append(f"| {row} | {' | '.join(told)} |")
    return "\n".join(lines)


def written(page: Path) -> str:
    """What a page should be."""
    text = page.read_text(encoding="utf-8")
    return parts_written(text) if page == README else results_written(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    stale = [page for page in [README, *PAGES] if written(page) != page.read_text(encoding="utf-8")]
    for page in stale:
        print(f"{page.relative_to(HERE.parent)}: {'is not what the results give' if check else 'written'}")
        if not check:
            page.write_text(written(page), encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
