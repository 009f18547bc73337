"""`python -m tools.docs [FOLDER]`: build the site, strictly, into FOLDER/site. A warning is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.docs.pages import fill

ROOT = Path(__file__).resolve().parents[2]


def main(work: Path) -> int:
    """Build in a folder; returns the exit code."""
    work.mkdir(parents=True, exist_ok=True)
    fill(ROOT / "docs", work / "docs")
    shutil.copy(Path(__file__).with_name("zensical.toml"), work)
    shutil.copy(Path(__file__).with_name("site.css"), work / "docs")
    shutil.rmtree(work / "site", ignore_errors=True)
    zensical = [str(Path(sys.executable).with_name("zensical")), "build", "--clean", "--strict"]
    environment = {**os.environ, "NO_COLOR": "1"}
    code = subprocess.run(zensical, cwd=work, env=environment, check=False).returncode  # noqa: S603  (our own arguments)
    if not code:
        print(
            f"the site is in {work / 'site'}: open its index.html, or, with search, `python -m http.server -d FOLDER`"
        )
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs").absolute()))
