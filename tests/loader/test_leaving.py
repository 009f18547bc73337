"""Whoever leaves waits for no server: neither `break` nor Ctrl-C nor the end of the program."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from medcutmix_pipeline.loader import MixLoader
from medcutmix_pipeline.loader.reading import reader as reading
from medcutmix_pipeline.loader.reading.background import Background
from tests.loader.made import write_dataset

ROOT = Path(__file__).resolve().parents[2]
COUNTS = [8, 8, 8, 8]
AT_MOST_S = 30
"""After which what hangs is let go, so that the test fails instead."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("leaving") / "dataset", COUNTS)


class Silent:
    """A server that falls silent after the first shards; `began` is called when somebody waits for it."""

    def __init__(self, shards, began=lambda: None):
        self._left, self._began, self._fetch = shards, began, reading.read_shard_bytes
        self.asked, self.over = threading.Event(), threading.Event()
        self.ended = []

    def __call__(self, ref, *rest):
        self._left -= 1
        if self._left >= 0:
            return self._fetch(ref, *rest)
        self.asked.set()
        self._began()
        self.ended.append(self.over.wait(AT_MOST_S))
        return self._fetch(ref, *rest)


@pytest.fixture
def silent(monkeypatch):
    """Makes the loader read from a server that falls silent; lets it answer in the end."""
    servers = []

    def make(*args):
        servers.append(Silent(*args))
        monkeypatch.setattr(reading, "read_shard_bytes", servers[-1])
        return servers[-1]

    yield make
    for server in servers:
        server.over.set()


@pytest.fixture
def batches(folder):
    """Of pools of four batches each."""
    return iter(MixLoader(folder, 2, pool_shards=1, threads=1))


def test_a_break_waits_for_no_shard_that_does_not_come(batches, silent):
    server = silent(1)
    for number, _batch in enumerate(batches):
        if number == 1:  # the last that comes before the next pool is waited for
            assert server.asked.wait(AT_MOST_S)
            break
    batches.close()
    assert server.ended == []


def test_ctrl_c_gets_through_while_a_shard_does_not_come(batches, silent):
    waiting, main = threading.Event(), threading.get_ident()
    server = silent(1, lambda: waiting.wait(AT_MOST_S) and signal.pthread_kill(main, signal.SIGINT))

    def read():
        for number, _batch in enumerate(batches):
            if number == 1:  # the last that comes before the next pool is waited for
                waiting.set()

    # Processes that a shell starts in the background ignore Ctrl-C, and so may whoever runs the tests.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            read()
    finally:
        signal.signal(signal.SIGINT, before)
    assert server.ended == []


PROGRAM = """
import sys, threading
from medcutmix_pipeline.loader import MixLoader
from medcutmix_pipeline.loader.reading import reader as reading
fetch, asked = reading.read_shard_bytes, threading.Event()
left = [int(sys.argv[2])]
def silent(*args):
    left[0] -= 1
    if left[0] < 0:
        asked.set()
        threading.Event().wait()
    return fetch(*args)
reading.read_shard_bytes = silent
loader = MixLoader(sys.argv[1], 2, pool_shards=1, threads=1)
loader.set_epoch(0)
"""
ENDS = {
    "after a break": (1, "for batch in loader:\n    asked.wait()\n    break"),
    "with an iterator left open": (1, "batches = iter(loader)\nnext(batches)\nasked.wait()"),
    "after the last epoch": (4, "list(loader)\nasked.wait()"),
    "with nothing amiss and an iterator left open": (99, "batches = iter(loader)\nnext(batches)"),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_ends_though_a_shard_does_not_come(folder, end):
    shards, rest = ENDS[end]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + rest + "\nprint('done')", folder, str(shards)],
        capture_output=True,
        text=True,
        check=False,
        timeout=AT_MOST_S,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_call_in_the_background_gives_what_it_gives_and_its_thread_ends():
    background = Background(2, "test")
    assert [future.result() for future in [background.submit(lambda n=n: n * n) for n in range(9)]] == [
        n * n for n in range(9)
    ]
    with pytest.raises(ZeroDivisionError):
        background.submit(lambda: 1 // 0).result()
    background.join(AT_MOST_S)
    assert "test" not in {thread.name for thread in threading.enumerate()}


def test_no_more_calls_run_at_once_than_there_are_threads():
    background, running, most, go = Background(3, "test"), [], [], threading.Semaphore(0)

    def call():
        running.append(1)
        most.append(len(running))
        go.acquire()
        running.pop()

    futures = [background.submit(call) for _ in range(20)]
    for _ in futures:
        go.release()
    for future in futures:
        future.result()
    assert max(most) <= 3


def test_a_background_that_is_closed_keeps_nobody_waiting_and_begins_nothing_more():
    background, over, begun = Background(1, "test"), threading.Event(), threading.Event()
    began = []

    def call():
        began.append(background.stopped.is_set())
        begun.set()
        over.wait(AT_MOST_S)

    futures = [background.submit(call) for _ in range(3)]
    begun.wait(AT_MOST_S)
    background.close()
    futures.append(background.submit(call))
    for future in futures:
        with pytest.raises(CancelledError):
            future.result()
    assert not over.is_set()
    over.set()
    background.join(AT_MOST_S)
    assert began == [False]
    assert background.stopped.is_set()
