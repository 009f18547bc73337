"""What is published is whole: a source distribution holds all that an installation needs, and no half of anything."""

import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

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


def test_the_pythons_that_pages_and_makefile_name_are_those_that_every_dependency_takes():
    taken = [SpecifierSet(d.metadata["Requires-Python"] or "") for d in distributions()]
    fit = [f"3.{minor}" for minor in range(8, 40) if all(f"3.{minor}.9" in versions for versions in taken)]
    assert len(fit) > 1
    for name in ("README.md", "docs/index.md", "Makefile"):
        assert f"Python {', '.join(fit[:-1])} or {fit[-1]}" in (REPOSITORY / name).read_text("utf-8"), name
    [check] = re.findall(r"\$\(PYTHON\) -c '(.+)'", (REPOSITORY / "Makefile").read_text("utf-8"))
    for version in ("3.10", "3.11", "3.12", "3.13"):
        pretended = f"import sys; sys.version_info = ({version.replace('.', ', ')}, 9, 'final', 0); "
        ended = subprocess.run([sys.executable, "-c", pretended + check], capture_output=True, text=True, check=False)
        assert (ended.returncode == 0) == (version in fit), version
        assert ended.returncode == 0 or "make PYTHON=" in ended.stderr


def test_it_holds_no_tests_because_a_few_of_them_run_nowhere(published):
    assert not [name for name in published if name.startswith("tests")]
