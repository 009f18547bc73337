"""What every part of the suite shares: ways measured side by side, figures with their targets, results as JSON.

A part is a module of this package with `measure(options) -> list[Figure]`; `run(part, measure)` gives it the command
line that all parts have (`--size`, `--rounds`, `--work`, `--json`), prints its table and writes its result.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent
WORK = HERE.parent / "bench"
RESULTS = HERE / "results"


@dataclass(frozen=True)
class Figure:
    """One line of the table: a value with its spread over repeats, and the target that it is held against."""

    what: str
    """What was measured, and beside what, in words that stand alone."""
    value: float
    unit: str
    """"×", "images/s", "s", "GB" …"""
    low: float | None = None
    high: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""
    """Why a target is missed, and the next step; or what a reader must know."""

    @property
    def target(self) -> str:
        """The target in words, empty where there is none."""
        if self.at_least is not None:
            return f"≥ {number(self.at_least)}"
        return "" if self.at_most is None else f"≤ {number(self.at_most)}"

    @property
    def met(self) -> bool | None:
        """Whether the value reaches its target; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most


@dataclass(frozen=True)
class Measured:
    """What one way gave over the rounds, in the order of the rounds."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def figure(self, what: str, unit: str, **more: Any) -> Figure:
        """The median with the lowest and highest, as a line of the table."""
        return Figure(what, self.median, unit, min(self.values), max(self.values), **more)

    def over(self, other: Measured) -> Measured:
        """This way's values by another's of the same round: ratios that a slow minute of the machine does not touch."""
        return Measured(tuple(a / b for a, b in zip(self.values, other.values, strict=True)))


def side_by_side(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Measured]:
    """Every way once in each round, starting with another one each time, forwards and backwards in turn."""
    names = list(ways)
    values: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        shift = (turn // 2) % len(names)
        order = names[shift:] + names[:shift]
        for name in order if turn % 2 == 0 else reversed(order):
            values[name].append(ways[name]())
    return {name: Measured(tuple(each)) for name, each in values.items()}


def run(part: str, measure: Callable[[argparse.Namespace], list[Figure]], doc: str | None, **more: Any) -> None:
    """The command line of a part.

    Args:
        part: its name, under which its result is kept.
        measure: measures and returns the lines of the table; gets the parsed options.
        doc: the text for `--help`.
        more: further options, by name with a default: `studies=2000` makes `--studies`, `openi=None` takes a path, and
            `compare=True` makes `--compare` and `--no-compare`.
    """
    told = options(part, doc, more)
    told.work = told.work.resolve()
    told.work.mkdir(parents=True, exist_ok=True)
    load, start = os.getloadavg()[0], time.perf_counter()
    figures = measure(told)
    seconds = time.perf_counter() - start
    print(table(figures))
    if told.json:
        told.json.parent.mkdir(parents=True, exist_ok=True)
        result = {
            "part": part,
            "command": command(part, told, more),
            "size": told.size,
            "seconds": round(seconds, 1),
            "load before": round(load, 2),
            "machine": machine(part),
            "figures": [asdict(figure) | {"target": figure.target, "met": figure.met} for figure in figures],
        }
        told.json.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def options(part: str, doc: str | None, more: Mapping[str, Any]) -> argparse.Namespace:
    """What the command line says: the options that every part has, and the part's own."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{part}", description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("small", "full"), default="small", help="small: minutes on two cores")
    parser.add_argument("--rounds", type=int, help="repeats of each way; the part's own choice if not given")
    parser.add_argument("--work", type=Path, default=WORK / part, help="folder for data that is made once and kept")
    parser.add_argument("--json", type=Path, help="write the result here")
    for name, default in more.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=default)
        else:
            parser.add_argument(flag, type=Path if default is None else type(default), default=default)
    return parser.parse_args()


def command(part: str, told: argparse.Namespace, more: Mapping[str, Any]) -> str:
    """The command that repeats this: what was said beyond the defaults, a folder by the name of its option."""
    words = [f"python -m benchmarks.{part} --size {told.size}"]
    for name, default in {"rounds": None, **more}.items():
        said, flag = getattr(told, name), name.replace("_", "-")
        if said == default:
            continue
        if isinstance(default, bool):
            words.append(f"--{flag}" if said else f"--no-{flag}")
        else:
            words.append(f"--{flag} {'ROOT' if isinstance(said, Path) else said}")
    return " ".join(words)


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    lines = ["| measured | value | spread | target | |", "|---|---:|---|---|---|"]
    for f in figures:
        spread = "" if f.low is None or f.high is None else f"{number(f.low)}–{number(f.high)}"
        met = "" if f.met is None else "met" if f.met else "missed"
        remark = "; ".join(part for part in (met, f.note) if part)
        lines.append(f"| {f.what} | {f'{shown(f)} {f.unit}'.strip()} | {spread} | {f.target} | {remark} |")
    return "\n".join(lines)


def shown(figure: Figure) -> str:
    """The figure's value; one digit more where a value that misses its target would read like it."""
    told, target = number(figure.value), figure.target.split(" ")[-1]
    return f"{figure.value:.4g}" if figure.met is False and told == target else told


def number(value: float) -> str:
    """A number as people read it: three digits that count, thousands with commas."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit("this is what the parts share; run `python -m benchmarks`")
