"""Runs the parts of the suite in turn, each in a process of its own, and goes on where one fails.

    python -m benchmarks                             every part that needs no data, small: minutes on two cores
    python -m benchmarks --size full --openi ROOT    everything, with Open-I where it is better or needed
    python -m benchmarks loader mixing               these parts

Ends with 1 if a part failed. A target that is missed is no failure: the table tells it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.parts import HERE, PARTS
from benchmarks.suite import WORK

if TYPE_CHECKING:
    from benchmarks.parts import Part

HOURS = 4
"""After which a part of full size is given up."""


def main() -> int:
    told = asked()
    failed: list[str] = []
    lines = []
    with tempfile.TemporaryDirectory() as kept:
        folder = (told.json_folder or Path(kept)).resolve()
        for part in chosen(told):
            print(f"\n== {part.name}: {part.title}", flush=True)
            start = time.perf_counter()
            fine = prepared(part) and ended_well(part, told, folder / f"{part.name}.json")
            seconds = time.perf_counter() - start
            failed += [] if fine else [part.name]
            said = targets(folder / f"{part.name}.json") if fine else "FAILED"
            lines.append(f"{part.name:10} {seconds:6.0f} s   {said}")
    print("\n" + "\n".join(lines))
    return 1 if failed else 0


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(part.name for part in PARTS)}")
    parser.add_argument("--size", choices=("small", "full"), default="small")
    parser.add_argument("--openi", type=Path, metavar="ROOT", help="the Open-I data set, as it is distributed")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for data that is made once and kept")
    parser.add_argument("--json-folder", type=Path, metavar="DIR", help="write PART.json here")
    told = parser.parse_args()
    unknown = set(told.parts) - {part.name for part in PARTS}
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if told.openi is not None and not told.openi.is_dir():
        parser.error(f"{told.openi} is no folder")
    return told


def chosen(told: argparse.Namespace) -> list[Part]:
    """The parts that were named, else all that can run with what is there."""
    if told.parts:
        return [part for part in PARTS if part.name in told.parts]
    return [part for part in PARTS if part.runs(told.size, bool(told.openi))]


def prepared(part: Part) -> bool:
    """Make the environments that the part compares with, so that this does not count as its time."""
    try:
        for group in part.peers:
            peers.python(group)
    except SystemExit as stopped:
        print(stopped, flush=True)
        return False
    return True


def ended_well(part: Part, told: argparse.Namespace, result: Path) -> bool:
    command = [sys.executable, "-m", f"benchmarks.{part.name}", "--size", told.size]
    command += ["--work", str((told.work / part.name).resolve()), "--json", str(result)]
    if told.openi and part.openi != "no":
        command += ["--openi", str(told.openi.resolve())]
    limit = 4 * part.seconds if told.size == "small" else HOURS * 3600
    running = subprocess.Popen(command, cwd=HERE.parent, start_new_session=True)
    try:
        return running.wait(limit) == 0
    except subprocess.TimeoutExpired:
        print(f"{part.name} was given up after {limit} s", flush=True)
        return False
    finally:
        stop(running)


def stop(running: subprocess.Popen[bytes]) -> None:
    """End the part with all that it started, if it is still there: it leads a session of its own."""
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGTERM)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def targets(result: Path) -> str:
    """How many targets of a result are met, in words."""
    told = [figure["met"] for figure in json.loads(result.read_text(encoding="utf-8"))["figures"]]
    held = [met for met in told if met is not None]
    return f"{len(told)} figures" + (f", {sum(held)} of {len(held)} targets met" if held else "")


if __name__ == "__main__":
    sys.exit(main())
