"""`python -m tests.damage`: builds over a thousand damaged inputs, and figures by kind and code.

Four trees are built through the command line as a user would; one of them on Ray, where some images kill the process
that decodes them. Exit code 1 where anything is not as promised.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.builds import SETTINGS, merged
from tests.damage.corpus import Tree, good_inputs, image_tree, report_tree, xml_tree
from tests.damage.images import KILLER
from tests.damage.kinds import SAMPLE
from tests.damage.outcome import Findings, judge
from tests.pipeline import fitted_once

REPOSITORY = Path(__file__).resolve().parents[2]
KEY = bytes(range(32))
LARGEST_PIXELS = 100_000_000
"""What `ingest.max_pixels` allows; two of the inputs have as many."""

BYTES_A_PIXEL = 8
"""What reading the largest picture may cost beside the process itself."""

_DEADLY = f"""
import os, signal
from pathlib import Path
from medcutmix_pipeline.stages.ingest import samples

stored_square = samples.stored_square

def deadly(uri, *rest):
    if {KILLER!r} in Path(uri).read_bytes()[:200]:
        os.kill(os.getpid(), signal.SIGSEGV)
    return stored_square(uri, *rest)

samples.stored_square = deadly
"""
"""Ray's workers run this when they start: it stands for a decoder in C with a bug."""


@dataclass
class Run:
    """A build through the command line: how it ended, what it said, and the most memory that one process held."""

    code: int
    told: str
    peak: int
    seconds: float


def build(tree: Tree, root: Path, out: Path, work: Path, engine: str, *more: str) -> Run:
    """Run `build` in a process of its own, and watch it and its children."""
    settings = merged(
        SETTINGS,
        attention={"encoder": fitted_once.NAME},
        shards={"samples_per_shard": 24, "image_size": 64},
        engine={"kind": engine, "workers": 2 if engine == "ray" else None},
        source={"kind": tree.source, "root": str(root)},
    )
    file = work / "settings.yaml"
    file.write_text(json.dumps(settings))
    (work / "site").mkdir(exist_ok=True)
    (work / "site" / "sitecustomize.py").write_text(_DEADLY)
    (work / "key").write_bytes(KEY)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(work / "site"), str(REPOSITORY)]),
        "MEDCUTMIX_KEY_FILE": str(work / "key"),
        "COLUMNS": "400",
    }
    started = time.monotonic()
    with (work / "told.txt").open("w+") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "medcutmix_pipeline", "build", str(file), "--out", str(out), *more],
            stdout=told,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=work,
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, _peak(process.pid))
            time.sleep(0.2)
        told.seek(0)
        return Run(process.returncode, told.read(), peak, time.monotonic() - started)


def _peak(pid: int) -> int:
    """The high-water mark of resident memory, in bytes, of the process among these that has the highest."""
    highest = 0
    try:
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return 0
    for one in family:
        try:
            status = Path(f"/proc/{one}/status").read_text()
        except OSError:
            continue
        name = Path(f"/proc/{one}/comm").read_text() if Path(f"/proc/{one}").exists() else ""
        if name.startswith(("raylet", "gcs_server")):  # Ray's own, which map the object store
            continue
        found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
        highest = max(highest, *(int(kilobytes) * 1024 for kilobytes in found), 0)
    return highest


def main() -> int:
    """Make the corpus, build, compare, and tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.damage", description=__doc__)
    parser.add_argument("--goods", type=int, default=240, help="good studies in each tree")
    parser.add_argument("--times", type=int, default=7, help="damaged inputs of each kind, times the kind's share")
    parser.add_argument("--deadly", type=int, default=3, help="files that kill the process that decodes them")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="damage-") as folder:
        return _run(Path(folder), chosen)


def _run(folder: Path, chosen: argparse.Namespace) -> int:
    goods = good_inputs(chosen.goods, chosen.seed)
    trees = [
        image_tree(folder, goods, chosen.times, chosen.seed, heavy=2),
        image_tree(folder, goods[:24], 0, chosen.seed, name="deadly", deadly=chosen.deadly),
        report_tree(folder, goods, chosen.times, chosen.seed),
        xml_tree(folder, goods, chosen.times, chosen.seed),
    ]
    _fit(trees[0], folder)
    everything = Findings()
    for tree in trees:
        found = _one(tree, folder)
        for kind, counted in found.outcomes.items():
            everything.outcomes.setdefault(kind, Counter()).update(counted)
        everything.must |= found.must
        everything.good += found.good
        everything.wrong += found.wrong
    everything.wrong += _stops_early(trees[0], folder)
    _tell(everything)
    return 1 if everything.wrong else 0


def _fit(tree: Tree, folder: Path) -> None:
    """An encoder for all of the builds, fitted on the good images."""
    run = build(tree, tree.good, folder / "fit", folder, "serial", "--set", "attention.encoder=fit")
    if run.code:
        sys.exit(f"the good inputs alone cannot be built:\n{run.told}")
    os.environ[fitted_once.FOLDER] = str(folder / "fit" / "encoder")


def _one(tree: Tree, folder: Path) -> Findings:
    """Build a tree without and with its damaged inputs."""
    good, damaged = folder / f"{tree.name} good", folder / f"{tree.name} damaged"
    alone = build(tree, tree.good, good, folder, "serial")
    engine = "ray" if tree.name == "deadly" else "serial"
    among = build(tree, tree.damaged, damaged, folder, engine, "--max-reject-rate", "1")
    if "timed out during startup" in among.told:  # Ray does not wait long for itself where a machine is busy
        among = build(tree, tree.damaged, damaged, folder, engine, "--max-reject-rate", "1")
    if alone.code or among.code:
        return Findings(wrong=[f"{tree.name}: the build ended with {among.code}: {among.told[-500:]}"])
    found = judge(tree, damaged, good, KEY, same_bytes=tree.name == "reports")
    allowed = alone.peak + BYTES_A_PIXEL * LARGEST_PIXELS
    if among.peak > allowed:
        found.wrong.append(f"{tree.name}: {among.peak >> 20} MB in one process, more than {allowed >> 20}")
    if "Traceback" in among.told:
        found.wrong.append(f"{tree.name}: a traceback was shown")
    same = "shards and tables equal to the byte" if tree.name == "reports" else "each sample equal"
    print(
        f"{tree.name}: {found.inputs} damaged inputs among {found.good} good samples, {same}; most memory of one "
        f"process {among.peak >> 20} MB, {alone.peak >> 20} MB over the good ones alone; {among.seconds:.0f} s",
        flush=True,
    )
    return found


def _stops_early(tree: Tree, folder: Path) -> list[str]:
    """With the default `--max-reject-rate` the build over the damaged images stops, and says why."""
    out = folder / "early"
    run = build(tree, tree.damaged, out, folder, "serial")
    print(f"--max-reject-rate as it is, 0.2: exit code {run.code}: {run.told.strip().splitlines()[-1]}")
    right = run.code == 1 and "max_reject_rate=0.2" in run.told and not (out / "dataset.json").exists()
    return [] if right else ["too many rejects did not stop the build as promised"]


def _tell(found: Findings) -> None:
    print(f"\n{'kind':<44} {'inputs':>6}  outcomes")
    for kind, counted in sorted(found.outcomes.items()):
        told = ", ".join(f"{code} {n}" for code, n in counted.most_common())
        print(f"{kind:<44} {counted.total():>6}  {told}")
    codes = sum(found.outcomes.values(), Counter())
    print(f"\nby code: {', '.join(f'{code} {n}' for code, n in codes.most_common())}")
    odd = sum(found.outcomes[kind].total() for kind in found.must)
    print(
        f"{found.inputs} inputs of {len(found.outcomes)} kinds: {found.inputs - codes[SAMPLE]} rejected; {odd} odd "
        f"ones that can be used, and are; {codes[SAMPLE] - odd} with bits turned that no format can tell from others; "
        f"{found.good} good samples unharmed"
    )
    for wrong in found.wrong:
        print(f"WRONG: {wrong}")


if __name__ == "__main__":
    sys.exit(main())
