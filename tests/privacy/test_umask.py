"""Files are as open as the umask says, no more and no less; the secret key is for its owner alone."""

import os
import stat

import pytest

from medcutmix_pipeline.pipeline.secrets import load_key
from tests.builds import run_build


@pytest.fixture
def masked():
    """Sets the umask, and takes it back."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_everything_that_a_build_makes_has_the_mode_that_the_umask_leaves(studies, tmp_path, masked):
    fit = {"image_size": 32, "steps": 1, "batch": 4, "width": 16, "max_images": 16}
    mask = 0o027  # not what temporary files have, nor what files have where nobody cares
    masked(mask)
    changes = {"attention": {"encoder": "fit", "fit": fit}, "shards": {"image_size": 32, "pixel": True}}
    run_build(studies, tmp_path / "out", source={"limit": 24}, **changes)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]}
    assert {p for p, mode in modes.items() if mode != (0o777 if p.is_dir() else 0o666) & ~mask} == set()
    assert len(modes) > 20


def test_the_key_that_is_made_is_for_its_owner_alone_whatever_the_umask(tmp_path, masked, monkeypatch):
    masked(0o000)
    monkeypatch.delenv("MEDCUTMIX_KEY_FILE")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_key(None) == load_key(None)
    [path] = (tmp_path / "medcutmix-pipeline").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
