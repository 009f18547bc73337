"""What a figure depends on, besides what is measured."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from benchmarks.parts import part_of
from benchmarks.peers import versions

PACKAGES = ("torch", "numpy", "pillow", "pyarrow", "ray", "spacy", "scispacy", "webdataset", "pydicom")


def machine(part: str) -> dict[str, Any]:
    """Processor, cores, memory, GPU, system, versions of the project's packages and of what the part compares with."""
    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = next((line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0 0 kB")
    registered = part_of(part)
    return {
        "processor": cpu.split(":", 1)[-1].strip(),
        "cores": len(os.sched_getaffinity(0)),
        "memory GiB": round(int(memory.split()[1]) / 2**20),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES if _installed(name)},
        "peers": {
            name: of for group in (registered.peers if registered else ()) for name, of in versions(group).items()
        },
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
