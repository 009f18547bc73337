"""Runs commands of `medcutmix-pipeline` one after the other, each in a process of its own, without importing each time.

`python -m tests.faults.server` reads requests as lines of JSON and answers each with the exit code, negative for a
signal. Each command runs in a fork of a process that has imported everything and done nothing.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.pipeline.tasks import _reader
from medcutmix_pipeline.schemas.config import SentencesConfig
from tests.faults.points import Fault, Points, install_in_driver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_IMPORTED = (
    "medcutmix_pipeline.cli",
    "medcutmix_pipeline.pipeline.build",
    "medcutmix_pipeline.pipeline.fitting",
    "medcutmix_pipeline.stages.attention.fitted",
    "PIL.JpegImagePlugin",
    "psutil",
    "pysbd",
    "torch._dynamo",
)
"""What a build imports at one time or another, so that no fork has to; the lexicon is read beforehand, too."""
REPOSITORY = Path(__file__).resolve().parents[2]


class Server:
    """The other side: starts a server, and runs commands with it."""

    def __init__(self, prefix: Sequence[str] = (), **environment: str) -> None:
        self._process = subprocess.Popen(
            [*prefix, sys.executable, "-m", f"{__package__}.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment},
        )
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the server does not start")

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def run(self, arguments: Sequence[object], log: Path, **request: Any) -> int:
        """Run a command and wait for it; returns its exit code, and what it told is in `log`.

        Args:
            request: `fault`, a dict with what `Fault` takes; `record`, a file to which points are appended;
                `largest_file`, in bytes.
        """
        asked = {"arguments": [str(a) for a in arguments], "log": str(log), **request}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@contextlib.contextmanager
def served(prefix: Sequence[str] = (), **environment: str) -> Iterator[Server]:
    """A server for the length of the block."""
    server = Server(prefix, **environment)
    try:
        yield server
    finally:
        server.close()


def _run(request: dict[str, Any]) -> int:
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    if "largest_file" in request:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest_file"], resource.RLIM_INFINITY))
    if "fault" in request:
        record = request.get("record")
        install_in_driver(Points(Fault(**request["fault"]), Path(record) if record else None))
    from medcutmix_pipeline.cli import run

    return run(request["arguments"])


def main() -> None:
    """See above."""
    for module in _IMPORTED:
        importlib.import_module(module)
    _reader(SentencesConfig(), None)

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    print("ready", file=answers)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = _run(json.loads(line))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers)


if __name__ == "__main__":
    main()
