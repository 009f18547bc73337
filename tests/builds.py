"""Builds of generated studies, for tests."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from medcutmix_pipeline.pipeline.build import build
from medcutmix_pipeline.pipeline.progress import Reporter
from medcutmix_pipeline.schemas.config import Config

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {
    "ingest": {"studies_per_part": 32},
    "splits": {"train": 0.7, "validate": 0.3},
    "attention": {"fit": {"image_size": 64, "steps": 12, "batch": 16, "width": 16, "networks": 1, "threads": 1}},
    "shards": {"samples_per_shard": 40, "image_size": 96},
    "engine": {"kind": "serial"},
}


def merged(base: dict, **changes: dict) -> dict:
    """Settings with some sections changed."""
    return {**base, **{name: {**base.get(name, {}), **change} for name, change in changes.items()}}


def run_build(root: Path, out: Path, fresh: bool = False, retry_rejects: bool = False, **changes: dict):
    """Build phantom studies, or what `source` says; returns the manifest and what was told."""
    told = io.StringIO()
    source = {"kind": "phantom", "root": str(root), **changes.pop("source", {})}
    settings = merged(SETTINGS, source=source, **changes)
    with Reporter(Console(file=told, width=200)) as reporter:
        manifest = build(Config.model_validate(settings), out, reporter, fresh=fresh, retry_rejects=retry_rejects)
    return manifest, told.getvalue()


def run_cli(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "medcutmix_pipeline", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", **environment},
        check=False,
        timeout=300,
    )


def digests(out: Path) -> dict[str, str]:
    """sha256 of every file that the format promises to be the same for the same input."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and ".build" not in path.parts and path.name != "run.json"
    }
