"""A Ray that cannot be started or joined is one clear line, whatever Ray itself raises for it."""

import os
import socket

import pytest

from tests.builds import run_cli
from tests.test_cli import one_line


def build(studies, out, *arguments, **environment):
    call = ("build", "--source", "phantom", "--root", studies, "--out", out, "--workers", "1", *arguments)
    return run_cli(*call, **environment)


def nothing_was_made(out):
    return not (out / "dataset.json").exists() and not list(out.rglob("*.tar"))


def test_a_local_ray_that_comes_up_too_late(studies, tmp_path):
    """Ray waits half a minute for its processes; here not at all."""
    result = build(studies, tmp_path / "out", RAY_gcs_server_port_wait_time_s="0", RAY_TMPDIR=str(tmp_path))
    one_line(result, 2, "no local Ray could be started", str(tmp_path / "ray"), "--engine serial")
    assert nothing_was_made(tmp_path / "out")


def test_a_folder_whose_path_is_too_long_for_sockets(studies, tmp_path):
    deep = tmp_path / ("d" * 100)
    result = build(studies, tmp_path / "out", RAY_TMPDIR=str(deep))
    one_line(result, 2, "no local Ray could be started", "path", "RAY_TMPDIR")
    assert nothing_was_made(tmp_path / "out")


def test_a_folder_that_is_none(studies, tmp_path):
    (tmp_path / "file").write_text("")
    result = build(studies, tmp_path / "out", RAY_TMPDIR=str(tmp_path / "file"))
    one_line(result, 2, "no local Ray could be started", "RAY_TMPDIR")


@pytest.mark.slow
def test_a_port_of_another_service_is_told_in_minutes_where_ray_would_try_for_ten(studies, tmp_path):
    """Ray's own lines, from its C++ side, come before."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        result = build(studies, tmp_path / "out", "--ray-address", address)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"error: no Ray answers at {address} (Failed to connect")


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "nowhere.invalid:6379"])
def test_an_address_at_which_there_can_be_none(studies, tmp_path, address):
    environment = {name: "" for name in ("RAY_ADDRESS",) if name in os.environ}
    result = build(studies, tmp_path / "out", "--ray-address", address, RAY_TMPDIR=str(tmp_path), **environment)
    one_line(result, 2, f"no Ray answers at {address}", "ray start --head")
