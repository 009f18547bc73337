"""What a Ray that is taken down has to say is not the user's business."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import ray

from medcutmix_pipeline.pipeline import ray_start

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
