"""How much CPU time the container or the job of a scheduler grants, where it grants time and not certain cores.

Linux control groups: `cpu.max` of version 2 (Documentation/admin-guide/cgroup-v2.rst), `cpu.cfs_quota_us` of version 1
(Documentation/scheduler/sched-bwc.rst).
"""

from __future__ import annotations

import contextlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def cpu_quota(groups: Path = _GROUPS, mount: Path = _MOUNT) -> float | None:
    """Cores' worth of time that this process may use, above 0; None where there is no limit, or no control groups.

    Args:
        groups: the file that tells the groups of the process.
        mount: where control groups are mounted.
    """
    quotas = [
        quota for folder in _folders(groups, mount) for quota in (_version_2(folder), _version_1(folder)) if quota
    ]
    return min(quotas, default=None)


def _folders(groups: Path, mount: Path) -> Iterator[Path]:
    """The folders of the process's groups that may limit its CPU, and of all groups above them: the least limit counts.

    In a container the file may tell a group's name outside of it; there only the mount itself is what it should be.
    """
    lines: list[str] = []
    with contextlib.suppress(OSError):
        lines = groups.read_text().splitlines()
    for line in lines:
        number, controllers, name = line.split(":", 2) if line.count(":") > 1 else ("", "", "")
        if number == "0":
            mounts = [mount, mount / "unified"]
        elif "cpu" in controllers.split(","):
            mounts = [mount / controllers, mount / "cpu"]
        else:
            continue
        group = PurePosixPath(name.lstrip("/"))
        for at in mounts:
            yield from (at / above for above in (group, *group.parents) if ".." not in above.parts)


def _version_2(folder: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    return None


def _version_1(folder: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        period = int((folder / "cpu.cfs_period_us").read_text())
        return quota / period if quota > 0 else None  # -1: no limit
    return None
