"""One build in a process of its own, as a user would start it: prints what each stage took as JSON.

benchmarks/whole.py starts it and watches its processes from outside (`watched`).
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from typing import Any

import psutil
from rich.console import Console

_EVERY = 0.2  # seconds between two looks at the processes


class Clock:
    """How long calls of some functions took together: seconds of wall and of this process on a CPU, and how many."""

    def __init__(self) -> None:
        self.told: dict[str, list[float]] = {}

    def watch(self, owner: Any, name: str) -> None:
        """Count the calls of a function of a module or class from now on."""
        function, sums = getattr(owner, name), self.told.setdefault(name, [0.0, 0.0, 0])

        @functools.wraps(function)
        def timed(*args: Any, **more: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return function(*args, **more)
            finally:
                sums[0] += time.perf_counter() - wall
                sums[1] += time.process_time() - cpu
                sums[2] += 1

        setattr(owner, name, timed)


def main() -> None:
    began = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("settings", type=json.loads, help="of the build, as JSON")
    parser.add_argument("out", type=Path)
    told = parser.parse_args()
    print(json.dumps(built(told.settings, told.out, began)))


def built(settings: dict[str, Any], out: Path, began: float) -> dict[str, Any]:
    """Build, and tell when each stage ended: seconds since `began`, seconds of this process on a CPU, its peak."""
    from medcutmix_pipeline.pipeline import engine
    from medcutmix_pipeline.pipeline.build import build
    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.pipeline.progress import Reporter
    from medcutmix_pipeline.schemas.config import Config

    ends: list[tuple[str, float, float, int]] = []

    class Clocked(Reporter):
        """A reporter that remembers when it was told of an event."""

        def log(self, event: str, **facts: Any) -> None:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            ends.append((str(facts.get("name", event)), time.perf_counter() - began, time.process_time(), peak))
            super().log(event, **facts)

    clock = Clock()
    clock.watch(Layout, "commit")
    for stage in ("read_part", "ingest_rows", "draft_unit", "attend_unit", "write_unit"):
        clock.watch(engine, stage)  # called in this process by the serial engine alone
    config = Config.model_validate(settings)
    with Clocked(Console(file=io.StringIO())) as reporter:
        manifest = build(config, out, reporter)
    counts = {"samples": manifest.counts.samples, "plans": manifest.counts.plans, "shards": len(manifest.shards)}
    files = [path for path in out.rglob("*") if path.is_file() and ".build" not in path.parts]
    return {"ends": ends, "calls": clock.told, **counts, "bytes": sum(path.stat().st_size for path in files)}


@dataclass(frozen=True)
class Run:
    """What one run of a build took.

    Attributes:
        seconds: from the start of its process to its end.
        stages: seconds of each stage, in the order of the stages: `start` until work begins, `finish` after the last.
        driver_cpu: seconds that the driver was on a CPU in each stage.
        driver_peaks: most memory that the driver had held at the end of each stage, in bytes.
        driver, worker: most memory that the driver held, and that any other of the processes held, in bytes.
        cpu: seconds on a CPU of all processes together.
        told: counts of what was made, and `calls`: wall seconds, CPU seconds and number of the calls of some functions.
    """

    seconds: float
    stages: dict[str, float]
    driver_cpu: dict[str, float]
    driver_peaks: dict[str, int]
    driver: int
    worker: int
    cpu: float
    told: dict[str, Any]


def watched(settings: dict[str, Any], out: Path) -> Run:
    """Run a build in a child process and look at all of its processes until it ends.

    Raises:
        RuntimeError: the build failed; tells the end of what it said.
    """
    call = [sys.executable, "-m", "benchmarks.whole_runs", json.dumps(settings), str(out)]
    # Ray lowers the priority of its workers, which on a machine with other work measures that work.
    env = {**os.environ, "RAY_worker_niceness": "0"}
    began = time.perf_counter()
    child = subprocess.Popen(call, env=env, cwd=Path(__file__).parent.parent, stdout=PIPE, stderr=PIPE, text=True)
    peaks: dict[int, int] = {}
    on_cpu: dict[int, float] = {}
    while child.poll() is None:
        for process in _family(child.pid):
            _look(process, peaks, on_cpu)
        time.sleep(_EVERY)
    seconds = time.perf_counter() - began
    said, wrong = child.communicate()
    if child.returncode:
        raise RuntimeError(f"a build failed:\n{wrong[-3000:]}")
    told = json.loads(said.splitlines()[-1])
    wall, driver_cpu, driver_peaks = _stages(told.pop("ends"))
    driver = peaks.pop(child.pid)
    return Run(
        seconds, wall, driver_cpu, driver_peaks, driver, max(peaks.values(), default=0), sum(on_cpu.values()), told
    )


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _look(process: psutil.Process, peaks: dict[int, int], on_cpu: dict[int, float]) -> None:
    """Remember the most memory that a process has held in its life, and how long it has been on a CPU."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        times = process.cpu_times()
    except (OSError, psutil.Error):  # it has just ended
        return
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    peaks[process.pid] = max(peaks.get(process.pid, 0), int(peak.split()[1]) * 1024)
    on_cpu[process.pid] = times.user + times.system


def _stages(
    ends: list[tuple[str, float, float, int]],
) -> tuple[dict[str, float], dict[str, float], dict[str, int]]:
    """Wall and CPU seconds between one event and the next, and the peaks; after the last stage comes `finish`."""
    wall: dict[str, float] = {}
    cpu: dict[str, float] = {}
    peaks: dict[str, int] = {}
    before = (0.0, 0.0)
    for event, at, used, peak in ends:
        if event in ("fitted", "engine"):  # told in the middle of the fit, and of the start
            continue
        name = "finish" if event == "done" else event
        wall[name] = wall.get(name, 0.0) + at - before[0]
        cpu[name] = cpu.get(name, 0.0) + used - before[1]
        peaks[name] = peak
        before = at, used
    return wall, cpu, peaks


if __name__ == "__main__":
    main()
