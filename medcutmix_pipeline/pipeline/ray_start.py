"""Starting a Ray on this machine, or joining one that runs."""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import os
import signal
import socket
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.pipeline.machine import cpus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.schemas.config import EngineConfig

_PATIENCE = 10.0  # seconds
_TRIES_VARIABLE = "RAY_gcs_server_port_wait_time_s"  # for who joins, Ray takes it for a number of tries
_TOLD = 200  # characters of what Ray says of a failure, which may be twenty lines of its logs


def start_or_join(config: EngineConfig) -> str:
    """Start or join a Ray; returns the address of its dashboard, empty where it has none.

    Raises:
        UsageError: none answers at the configured address, none can be started here, or the dashboard that is asked
            for is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")  # the first error is told; others only follow from it
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray's coming default; keeps it from warning
    with _signals_kept():
        joined = _start(config) if config.ray_address is None else _join(config.ray_address)
    address = getattr(joined, "dashboard_url", None)
    return f"http://{address}" if address else ""


def stop() -> None:
    """Take down the Ray that this process started.

    Its threads are taken down one after the other, and what one of them then cannot tell another any more it writes to
    stderr from C++, whatever the level of logging. Nobody can do anything about it, so it goes nowhere.
    """
    with _silent_stderr():
        ray.shutdown()


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """What the process writes to its file descriptor 2 during the block goes nowhere."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Leave SIGTERM to whom it belonged: Ray takes it, and lets the process die of it with a stack trace."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _start(config: EngineConfig) -> Any:
    if config.dashboard:
        _check_dashboard()
    try:
        # Without an address Ray would join what RAY_ADDRESS names, or any Ray that runs on this machine.
        return ray.init(
            address="local",
            num_cpus=config.workers or cpus(),  # a job of a scheduler may not use all that the machine has
            include_dashboard=config.dashboard,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:  # Ray raises a bare Exception where its processes come up too late
        raise UsageError(
            f"no local Ray could be started ({_said(error)}): its logs are in {_logs()}; run the same command again "
            "when the machine is less busy and neither memory nor disk are full, name a folder with a shorter path or "
            "more room in RAY_TMPDIR, or build in one process with --engine serial"
        ) from None


def _check_dashboard() -> None:
    try:
        importlib.import_module("ray.dashboard.optional_deps")  # what Ray itself tries
    except ImportError:
        raise UsageError("engine.dashboard is on, but not installed: pip install 'ray[default]'") from None


def _logs() -> Path:
    """Where a Ray that is started without a folder of its own writes its logs: Ray chooses so."""
    usual = "/tmp"  # noqa: S108  # nosec B108
    folder = os.environ.get("TMPDIR", usual) if sys.platform.startswith("linux") else usual
    return Path(os.environ.get("RAY_TMPDIR", folder)) / "ray" / "session_latest" / "logs"


def _join(address: str) -> Any:
    if not _listens(address):
        raise _no_ray(address, "nothing listens there")
    join = functools.partial(ray.init, address=address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        with _few_tries():
            try:
                return join()
            except ConnectionAbortedError:
                # A Ray client's server is made for each driver, and now and then dies while it forks: the next serves.
                return join()
    except Exception as error:
        raise _no_ray(address, _said(error)) from None


@contextlib.contextmanager
def _few_tries() -> Iterator[None]:
    """For the length of the block, Ray gives up after two tries of half a minute, and not after its twenty.

    Something listens at the address; what does not answer then is no Ray, such as a dashboard's port.
    """
    given = os.environ.get(_TRIES_VARIABLE)
    os.environ.setdefault(_TRIES_VARIABLE, "2")
    try:
        yield
    finally:
        if given is None:
            del os.environ[_TRIES_VARIABLE]


def _listens(address: str) -> bool:
    """Whether something answers at HOST:PORT, where Ray itself would try for minutes; True without a port."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return True
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except (OSError, OverflowError):  # a port above 65535 overflows
        return False
    return True


def _said(error: Exception) -> str:
    """What Ray says of its failure, in one short line."""
    return textwrap.shorten(str(error), _TOLD, placeholder=" …").rstrip(".") or type(error).__name__


def _no_ray(address: str, why: str) -> UsageError:
    return UsageError(
        f"no Ray answers at {address} ({why}): start one with `ray start --head`, set RAY_AUTH_MODE=token if it asks "
        "for a token, or leave --ray-address out for a local Ray"
    )
