"""No canary of a source is in anything that a build leaves: output, state, what it says, logs, temporary files."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medcutmix_pipeline import cli
from tests.builds import SETTINGS, merged
from tests.pipeline import fitted_once
from tests.privacy import planted
from tests.privacy.canaries import FORMS, NUMBER, WORD, Aviary, around, sightings

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = {"manifest": (planted.manifest, 36), "openi": (planted.openi, 16)}


class Place:
    """A folder in which commands run that leave everything in it, and everything that they said."""

    def __init__(self, folder: Path, encoder: Path, apart: bool, watched: tuple[Any, ...]) -> None:
        self.folder, self._apart = folder, apart
        self._capfd, self._caplog, self._recwarn = watched
        for name in ("tmp", "r"):
            (folder / name).mkdir()
        self.environment = {
            "TMPDIR": str(folder / "tmp"),
            "RAY_TMPDIR": str(folder / "r"),
            "HOME": str(folder),
            "COLUMNS": "300",
            "PYTHONPATH": str(REPOSITORY),
            fitted_once.FOLDER: str(encoder),
        }

    def build(self, source: str, out: str, *more: str, **engine: Any) -> str:
        """Run `build` on the planted source."""
        settings = merged(
            SETTINGS,
            attention={"encoder": fitted_once.NAME},
            shards={"samples_per_shard": 12, "image_size": 64},
            engine={"kind": "serial", "max_reject_rate": 1.0, **engine},
        )
        (self.folder / "settings.yaml").write_text(json.dumps(settings))
        root = ["--source", source, "--root", str(self.folder.parent / "source")]
        return self.run("build", str(self.folder / "settings.yaml"), *root, "--out", str(self.folder / out), *more)

    def run(self, *arguments: str) -> str:
        """Run a command and keep what it said, which no canary may be in."""
        if self._apart:
            command = [sys.executable, "-W", "always", "-m", "medcutmix_pipeline", *arguments]
            process = subprocess.run(
                command, env={**os.environ, **self.environment}, cwd=self.folder, capture_output=True, check=False
            )
            said = process.stdout + process.stderr
        else:
            with pytest.MonkeyPatch.context() as patch, self._caplog.at_level(logging.DEBUG):
                for name, value in self.environment.items():
                    patch.setenv(name, value)
                patch.setattr(tempfile, "tempdir", None)
                patch.chdir(self.folder)
                cli.run(arguments)
            said = "".join([*self._capfd.readouterr(), self._caplog.text, *(str(w.message) for w in self._recwarn)])
            said = said.encode()
        assert b"Traceback" not in said, said.decode()
        hit = FORMS.search(said)
        assert hit is None, around(said, hit.start())
        return said.decode()


@pytest.fixture
def short() -> Path:
    """A folder whose path is short, because Ray's sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="p", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("engine", ["serial", pytest.param("ray", marks=pytest.mark.slow)])
def test_no_canary_is_in_anything_that_a_build_leaves(
    built, short, source, engine, capfd, caplog, recwarn, record_property
):
    plant, count = SOURCES[source]
    aviary = Aviary()
    plant(short / "source", aviary, count, seed=2)
    (short / "p").mkdir()
    place = Place(short / "p", built / "encoder", engine == "ray", (capfd, caplog, recwarn))
    assert "samples and" in place.build(source, "out", kind=engine, workers=2)
    assert "max_reject_rate=0 allows" in place.build(source, "stopped", max_reject_rate=0)
    place.build(source, "none", "--dry-run")
    place.run("validate", str(place.folder / "out"))
    place.run("inspect", str(place.folder / "out"), "--random", "2")
    # The build that stopped may go on: until then its working files, and they alone, name the source's files.
    found = sightings(place.folder)
    working = tuple(f"stopped/.build/{name}" for name in ("work", "scratch"))
    assert [s for s in found if not s.startswith(working)] == []
    assert found, "the search sees what is there"
    assert any((place.folder / "out" / "shards").iterdir())
    assert len(aviary.places) > 200
    record_property("canaries planted", len(aviary.places))


@pytest.mark.parametrize("form", ["text", "utf-16-le", "base64", "hex", "lower case", "parquet", "a file's name"])
def test_the_search_finds_canaries_in_every_form(tmp_path, form):
    for number, canary in enumerate((Aviary().word("x"), Aviary().number("x"))):
        path = tmp_path / f"{number}.bin"
        if form == "parquet":
            pq.write_table(pa.table({"a": ["x" * 50 + canary] * 40}), path.with_suffix(".parquet"), compression="zstd")
            continue
        packed = {
            "text": canary.encode(),
            "utf-16-le": canary.encode("utf-16-le"),
            "base64": base64.b64encode(b"ab" + canary.encode() + b"cd"),
            "hex": canary.encode().hex().encode(),
            "lower case": canary.lower().encode(),
            "a file's name": b"",
        }[form]
        (tmp_path / f"{canary}.txt" if not packed else path).write_bytes(b"\0\1" + packed + b"\2")
    assert len({s.split(":")[0] for s in sightings(tmp_path)}) == 2
    assert WORD in Aviary().word("x")
    assert NUMBER in Aviary().number("x")
