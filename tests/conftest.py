"""What tests share: real data, a pseudonym key that is not the user's own, generated studies and a dataset of them."""

from __future__ import annotations

import os
from pathlib import Path

# Tests run in a process a core; a team of threads in each would wait for one another. Set before torch is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from medcutmix_pipeline.sources.phantom import generate
from tests.builds import run_build

# How fast an example runs is no claim of any test.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

SHARED_DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository, which is not published with it."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data are not here ({SHARED_DATA.parent.name}/{SHARED_DATA.name} beside the repository)")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def _own_key(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test touches the pseudonym key of the person who runs it."""
    key = tmp_path_factory.mktemp("key") / "pseudonym.key"
    key.write_bytes(bytes(range(32)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDCUTMIX_KEY_FILE", str(key))
        yield


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ninety generated studies."""
    root = tmp_path_factory.mktemp("phantom") / "studies"
    generate(root, 90, seed=5, size=96)
    return root


@pytest.fixture(scope="session")
def built(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of those studies, made in one process. Not to be changed."""
    out = tmp_path_factory.mktemp("built") / "dataset"
    run_build(studies, out)
    return out
