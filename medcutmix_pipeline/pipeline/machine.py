"""What a build uses of the machine on which it is started: CPU, memory and GPUs, now and over the whole run."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import shutil
import subprocess  # nosec B404  # one call, without a shell
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import pyarrow as pa

from medcutmix_pipeline.pipeline.cpu_quota import cpu_quota

if TYPE_CHECKING:
    from collections.abc import Iterator

_GPU_PATIENCE = 10.0  # seconds
_GPU_QUERY = "utilization.gpu,memory.used,memory.total,name"


@dataclass(frozen=True)
class Gpu:
    """One GPU: share of time that it was busy, in [0, 1], memory in bytes, and its name."""

    busy: float
    used: int
    total: int
    name: str


@dataclass(frozen=True)
class Use:
    """What is in use at one moment, by whomever: CPU as a share of all cores, memory in bytes, and each GPU."""

    cpu: float
    memory: int
    memory_total: int
    gpus: tuple[Gpu, ...] = ()

    def line(self) -> str:
        """In words, short."""
        told = [f"CPU {self.cpu:.0%}", f"memory {_of(self.memory, self.memory_total)}"]
        told += [f"GPU {n} {gpu.busy:.0%}, {_of(gpu.used, gpu.total)}" for n, gpu in enumerate(self.gpus)]
        return " · ".join(told)


def _of(used: int, total: int) -> str:
    return f"{used / 2**30:.1f} of {total / 2**30:.1f} GiB"


@dataclass
class Watch:
    """Looks at the machine now and then, and remembers means and peaks. May be used from several threads."""

    last: Use | None = None
    _cpu: list[float] = field(default_factory=lambda: [0.0, 0.0])  # sum, highest
    _memory: int = 0
    _gpus: list[dict[str, Any]] = field(default_factory=list)
    _looks: int = 0
    _has_gpu: bool = field(default_factory=lambda: shutil.which("nvidia-smi") is not None)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        psutil.cpu_percent()  # CPU use is told since the call before

    def look(self) -> Use:
        """Look once more."""
        memory = psutil.virtual_memory()
        gpus = gpus_now() if self._has_gpu else ()
        use = Use(psutil.cpu_percent() / 100, memory.total - memory.available, memory.total, gpus)
        with self._lock:
            self.last = use
            self._looks += 1
            self._cpu = [self._cpu[0] + use.cpu, max(self._cpu[1], use.cpu)]
            self._memory = max(self._memory, use.memory)
            if len(self._gpus) != len(gpus):
                self._gpus = [{"name": gpu.name, "sum": 0.0, "looks": 0, "max": 0.0, "memory": 0} for gpu in gpus]
            for told, gpu in zip(self._gpus, gpus, strict=True):
                told["sum"] += gpu.busy
                told["looks"] += 1
                told["max"] = max(told["max"], gpu.busy)
                told["memory"] = max(told["memory"], gpu.used)
        return use

    def report(self) -> dict[str, Any]:
        """The machine and its use over the whole run, for `run.json`: shares in [0, 1], memory in bytes."""
        with self._lock:
            looks = max(1, self._looks)
            return {
                **machine(),
                "cpu_mean": round(self._cpu[0] / looks, 3),
                "cpu_max": round(self._cpu[1], 3),
                "memory_peak": self._memory,
                "gpus": [
                    {
                        "name": gpu["name"],
                        "busy_mean": round(gpu["sum"] / gpu["looks"], 3),
                        "busy_max": round(gpu["max"], 3),
                        "memory_peak": gpu["memory"],
                    }
                    for gpu in self._gpus
                ],
            }


@contextlib.contextmanager
def arrow_memory_returned() -> Iterator[None]:
    """While the block runs, Arrow takes memory where Python does, and what it has done with goes back.

    Arrow's own allocator keeps what large tables leave behind, for each thread: after placing 100,000 studies, over
    100 MB for the rest of the build.
    """
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def machine() -> dict[str, Any]:
    """What this machine is, without its name: system, Python, cores, memory in bytes."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cpus": cpus(),
        "memory": psutil.virtual_memory().total,
    }


def cpus() -> int:
    """The cores that this process may use: of those that it may run on, as many as it is granted time for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else min(cores, math.ceil(quota))


def gpus_now() -> tuple[Gpu, ...]:
    """The NVIDIA GPUs that the driver tells of; none where it does not answer.

    Asked through `nvidia-smi`: to ask through CUDA would take memory of each GPU for this process.
    """
    call = ["nvidia-smi", f"--query-gpu={_GPU_QUERY}", "--format=csv,noheader,nounits"]
    try:
        # no shell, and nothing of the user's in it
        told = subprocess.run(call, capture_output=True, text=True, timeout=_GPU_PATIENCE, check=True)  # noqa: S603  # nosec B603
        return tuple(_gpu(line) for line in told.stdout.splitlines() if line.strip())
    except (OSError, subprocess.SubprocessError, ValueError):
        return ()


def _gpu(line: str) -> Gpu:
    busy, used, total, name = (part.strip() for part in line.split(",", 3))
    share = float(busy) / 100 if busy.replace(".", "").isdigit() else 0.0  # "[N/A]" where the GPU is cut into slices
    return Gpu(share, int(float(used) * 2**20), int(float(total) * 2**20), name)
