"""`python -m tools.docs [FOLDER]`: build the site, strictly, into FOLDER/site. A warning is a failure."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.docs.pages import fill

_COLOURS = re.compile(r"\x1b\[[\d;]*m")

ROOT = Path(__file__).resolve().parents[2]


def main(work: Path) -> int:
    """Build in a folder; returns the exit code."""
    work.mkdir(parents=True, exist_ok=True)
    fill(ROOT / "docs", work / "docs")
    shutil.copy(Path(__file__).with_name("zensical.toml"), work)
    shutil.copy(Path(__file__).with_name("site.css"), work / "docs")
    shutil.rmtree(work / "site", ignore_errors=True)
    zensical = [str(Path(sys.executable).with_name("zensical")), "build", "--clean", "--strict"]
    done = subprocess.run(zensical, cwd=work, capture_output=True, text=True, check=False)  # noqa: S603  (our own)
    if done.returncode:
        told = _COLOURS.sub("", done.stdout + done.stderr)
        print(told.partition("Traceback")[0], file=sys.stderr)  # strictness ends in a traceback of no interest
        return done.returncode
    print(f"the site is in {work / 'site'}: open its index.html, or serve the folder, which lets the search work, too")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs").absolute()))
