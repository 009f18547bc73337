"""Commands as a user calls them, in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from medcutmix_pipeline.cli import run


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


def call(capsys, *arguments: object) -> Said:
    capsys.readouterr()
    code = run([str(a) for a in arguments])
    told = capsys.readouterr()
    return Said(code, told.out, told.err)


def refused(said: Said, code: int, *words: str) -> None:
    """One clear line, and nothing else."""
    assert said.code == code, said
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err
