"""The loader needs numpy, Pillow, torch and fsspec, and nothing of what the build needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.loader.made import write_dataset

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ["duckdb", "pandas", "pyarrow", "pydantic", "pydicom", "ray", "rich", "safetensors", "scipy", "scispacy"]
HEAVY += ["sklearn", "spacy", "transformers", "typer", "webdataset", "yaml"]
EPOCH = """
import sys
from medcutmix_pipeline.loader import MixLoader
loader = MixLoader(sys.argv[1], 4, mix=1.0)
batches = list(loader)
assert len(batches) == len(loader) > 0
assert sum(int(batch.plan.active.sum()) for batch in batches) > 0
assert all(batch.images.shape == (4, 1, 12, 12) for batch in batches)
"""
BLOCKED = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed", name=name)
sys.meta_path.insert(0, Blocked())
{EPOCH}
print(*sorted({{name.split(".")[0] for name in sys.modules}} & set({HEAVY!r})))
"""


def test_an_epoch_is_read_where_nothing_of_the_build_can_be_imported(tmp_path):
    folder = write_dataset(tmp_path / "dataset", [9, 8])
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, folder], capture_output=True, text=True, check=False, timeout=120, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-1000:]
    assert done.stdout.split() == []


@pytest.mark.slow
def test_an_epoch_is_read_in_an_environment_without_extras(tmp_path):
    folder = write_dataset(tmp_path / "dataset", [9, 8])
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    for name in ("pyproject.toml", "README.md", "LICENSE"):  # a copy: building leaves a folder in the tree
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "medcutmix_pipeline", tmp_path / "medcutmix_pipeline")
    install = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", tmp_path]
    subprocess.run(install, check=True, timeout=580, cwd=tmp_path)

    # without the source tree on the path: what is imported is what was installed
    subprocess.run([python, "-I", "-c", EPOCH, folder], check=True, timeout=120, cwd=folder)

    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True, timeout=120
    ).stdout.lower()
    names = {line.split("==")[0] for line in listed.splitlines()}
    assert {"torch", "numpy", "pillow", "fsspec", "medcutmix-pipeline"} <= names
    assert not names & set(HEAVY)
