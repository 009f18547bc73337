"""Fault points without a line in the product: every call of a build to its files, named by what it does to what.

A point is named `OPERATION KIND`, such as `rename done/unit.json` or `fsync scratch/unit.tar`: paths below the output
lose what differs from run to run. Calls are seen through Python's audit events; what raises none is wrapped.
"""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "MEDCUTMIX_FAULT"
"""Names a JSON file with a `Fault`, for processes that are not started by a test itself, such as Ray's workers."""

KILL = "SIGKILL"


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th time (from 1) that a point is reached in a process below the output or the source.

    `action` is `SIGKILL` or the name of an error of the operating system. `once` names a file that is made by the first
    process in which it happens, and keeps it from happening in any other.
    """

    out: str
    root: str
    point: str = ""
    nth: int = 1
    action: str = KILL
    once: str = ""


class Points:
    """Counts the points that this process reaches, and lets one of them fail."""

    def __init__(self, fault: Fault, record: Path | None = None) -> None:
        self.fault = fault
        self.seen: Counter[str] = Counter()
        self._record = record.open("a", encoding="utf-8", buffering=1) if record else None
        self._roots = [(os.path.realpath(fault.out), ""), (os.path.realpath(fault.root), "source/")]

    def reach(self, operation: str, path: Any) -> None:
        """A call is about to be made; it may end the process or raise an OSError."""
        kind = self._kind(path)
        if kind is None:
            return
        point = f"{operation} {kind}"
        self.seen[point] += 1
        if self._record is not None:
            os.write(self._record.fileno(), f"{point}\n".encode())
        if point == self.fault.point and self.seen[point] == self.fault.nth and self._first():
            if self.fault.action == KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            number = getattr(errno, self.fault.action)
            raise OSError(number, os.strerror(number))

    def _first(self) -> bool:
        if not self.fault.once:
            return True
        try:
            os.close(os.open(self.fault.once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def _kind(self, path: Any) -> str | None:
        if not isinstance(path, str | os.PathLike):
            return None
        text = str(Path(path).absolute())
        for root, prefix in self._roots:
            if text == root or text.startswith(f"{root}/"):
                return prefix + kind_of(text[len(root) + 1 :])
        return None


def kind_of(path: str) -> str:
    """A path below the output without what differs from run to run."""
    path = path.removeprefix(".build/")
    path = re.sub(r"[0-9a-f]{32}", "*", path).replace("/*/", "/").replace(".*", "")
    path = re.sub(r"part-\d+", "part", path)
    path = re.sub(r"(train|validate|test)-\d+", "unit", path)
    path = re.sub(r"images/.*(\.\w+)$", r"images/*\1", path)
    return re.sub(r"\d+", "N", path) or "."


def install(points: Points) -> None:
    """From here on, let this process's calls go through `points`; for good, since audit hooks cannot be taken away."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & os.O_ACCMODE != os.O_RDONLY
            if writes or not (isinstance(path, str | os.PathLike) and Path(path).is_dir()):
                points.reach("create" if writes else "read", path)
        elif event == "os.rename":
            points.reach("rename", arguments[1])
        elif event in ("os.remove", "os.mkdir", "shutil.rmtree"):
            points.reach(event.rpartition(".")[2], arguments[0])

    fsync = os.fsync

    def flush(handle: int) -> None:
        points.reach("fsync", Path(f"/proc/self/fd/{handle}").readlink())
        fsync(handle)

    os.fsync = flush
    sys.addaudithook(hook)


def install_in_driver(points: Points) -> None:
    """As `install`, and what Arrow reads and every piece that is written, which raise no audit event."""
    import pyarrow.parquet as pq

    from medcutmix_pipeline.pipeline import atomic

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def reading(path: Any, *arguments: Any, **named: Any) -> Any:
            points.reach("read", path)
            return call(path, *arguments, **named)

        return reading

    for name in ("read_table", "read_metadata"):
        setattr(pq, name, watched(getattr(pq, name)))
    write = atomic._HashingFile.write

    def writing(file: Any, data: Any) -> int:
        points.reach("write", file._raw.name)
        return write(file, data)

    atomic._HashingFile.write = writing  # type: ignore[method-assign]
    install(points)


def install_from_environment() -> None:
    """For `sitecustomize`: what the file named by VARIABLE says, if it is there."""
    file = os.environ.get(VARIABLE)
    if file and Path(file).is_file():
        install(Points(Fault(**json.loads(Path(file).read_text()))))


def as_json(fault: Fault) -> str:
    """For `install_from_environment`."""
    return json.dumps(asdict(fault))
