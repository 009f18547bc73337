"""What is published is whole: a source distribution holds all that an installation needs, and no half of anything."""

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Names of the files of a source distribution that is made of a copy of what it may hold."""
    copy = tmp_path_factory.mktemp("published")
    for name in ("medcutmix_pipeline", "tests"):
        shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (path for path in REPOSITORY.iterdir() if path.is_file()):
        shutil.copy(path, copy)
    script = "from setuptools import build_meta; build_meta.build_sdist('.')"
    made = subprocess.run([sys.executable, "-c", script], cwd=copy, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    [archive] = copy.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        return {name.partition("/")[2] for name in files.getnames()}


def test_it_holds_the_package_with_its_data_and_the_tested_versions(published):
    package = REPOSITORY / "medcutmix_pipeline"
    wanted = {
        p.relative_to(REPOSITORY).as_posix() for p in package.rglob("*") if p.suffix in {".py", ".toml", ".typed"}
    }
    assert wanted <= published
    assert {"README.md", "LICENSE", "pyproject.toml", "constraints.txt"} <= published


def test_it_holds_no_tests_because_a_few_of_them_run_nowhere(published):
    assert not [name for name in published if name.startswith("tests")]
