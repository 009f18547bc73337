"""What parts compare with: each group in an environment of its own, made from the package index when first needed.

    python -m benchmarks.peers            makes all of them, in bench/peers

A group is a file of `requirements/` with everything pinned that is installed. What needs the project's own packages
as well (negspaCy works on spaCy) pins them as `constraints.txt` does.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements"
FOLDER = HERE.parent / "bench" / "peers"


def groups() -> list[str]:
    """The names of the groups."""
    return sorted(path.stem for path in REQUIREMENTS.glob("*.txt"))


def python(group: str) -> Path:
    """The Python of the group's environment; makes it if it is not there or its pins have changed.

    Raises:
        SystemExit: it cannot be made, for example because no package index can be reached.
    """
    pins = REQUIREMENTS / f"{group}.txt"
    if not pins.is_file():
        raise SystemExit(f"there are no peers {group}; there are {', '.join(groups())}")
    folder, stamp = FOLDER / group, FOLDER / group / "pins.sha256"
    made, wanted = folder / "bin" / "python", hashlib.sha256(pins.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return made
    print(f"making the environment of {group} in {folder}: this is done once", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    install = [made, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", pins]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise SystemExit(f"the peers {group} cannot be installed: {said}")
    stamp.write_text(wanted)
    return made


def versions(group: str) -> dict[str, str]:
    """Name → version of what is compared with: the pins above the line that begins what they bring along."""
    text = (REQUIREMENTS / f"{group}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.\[\]-]+)==(\S+)", text.split("# what these bring along")[0], re.M))


if __name__ == "__main__":
    for name in groups():
        print(f"{name}: {python(name)}")
