"""Runs every benchmark in turn, in a process of its own.

python -m benchmarks                  what needs no data: attention on phantoms, the encoder, the loader, the mix
python -m benchmarks --openi ROOT     all: language, views and sides on Open-I as well
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
WORK = HERE.parent / "bench"


def main() -> int:
    parser = argparse.ArgumentParser(description="Run every benchmark in turn.")
    parser.add_argument("--openi", metavar="ROOT", help="the Open-I data set, as it is distributed")
    root = parser.parse_args().openi
    runs = [["pointing.py"], ["attend.py"], ["loader.py", "--work", str(WORK)], ["mixing.py"]]
    if root:
        runs = [["language.py", "--root", root], ["view.py", "--root", root], ["pointing.py", "--openi", root], *runs]
    worst = 0
    for script, *arguments in runs:
        print(f"\n== {script} {' '.join(arguments)}", flush=True)
        worst |= subprocess.run([sys.executable, HERE / script, *arguments], check=False).returncode
    return worst


if __name__ == "__main__":
    sys.exit(main())
