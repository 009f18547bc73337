"""A Ray that is not there is one clear line; what one that is taken down has to say is not the user's business."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import ray
from ray._private import services

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.pipeline import ray_start
from medcutmix_pipeline.schemas.config import EngineConfig

WITHOUT_STDERR = """
import os, ray
from medcutmix_pipeline.pipeline import ray_start
os.close(2)
ray.shutdown = lambda: os.write(1, b"taken down")
ray_start.stop()
"""


def test_what_ray_writes_from_c_while_it_is_taken_down_is_not_shown_and_later_words_are(capfd, monkeypatch):
    monkeypatch.setattr(ray, "shutdown", lambda: os.write(2, b"task_manager.cc: Failed to push error to driver\n"))
    ray_start.stop()
    os.write(2, b"interrupted\n")
    assert capfd.readouterr().err == "interrupted\n"


def test_stderr_is_back_where_taking_ray_down_is_cut_short(capfd, monkeypatch):
    def cut_short():
        os.write(2, b"noise\n")
        raise KeyboardInterrupt

    monkeypatch.setattr(ray, "shutdown", cut_short)
    with pytest.raises(KeyboardInterrupt):
        ray_start.stop()
    os.write(2, b"told\n")
    assert capfd.readouterr().err == "told\n"


def test_ray_is_taken_down_where_there_is_no_stderr():
    done = subprocess.run([sys.executable, "-c", WITHOUT_STDERR], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"taken down")


def test_auto_where_no_ray_runs_is_one_clear_line(tmp_path, monkeypatch):
    """In this process: `auto` finds any Ray of the machine, such as another test's, unless its search finds nothing."""
    monkeypatch.setenv("RAY_ADDRESS", "")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(services, "_find_address_from_flag", lambda _: set())
    services.find_gcs_addresses.cache_clear()
    with pytest.raises(UsageError, match=r"no Ray answers at auto .*ray start --head"):
        ray_start.start_or_join(EngineConfig(ray_address="auto"))
    services.find_gcs_addresses.cache_clear()
