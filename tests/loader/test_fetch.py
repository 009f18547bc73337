"""Reading from far away: what may pass is asked for again, what will not is told, and nobody waits for ever."""

from __future__ import annotations

import email.utils
import time
from concurrent.futures import CancelledError
from itertools import count
from typing import ClassVar

import fsspec
import fsspec.implementations.memory
import pytest

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.loader import MixLoader, ShardError
from medcutmix_pipeline.loader.reading import remote, whole
from medcutmix_pipeline.loader.reading.sources import find_shards, read_shard_bytes
from tests.loader.made import write_dataset
from tests.loader.served import one_line

COUNTS = [5, 3, 4]
LARGEST = 1 << 30
pytestmark = pytest.mark.usefixtures("waited")
PAUSE = remote._pause


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("fetch") / "dataset", COUNTS)


@pytest.mark.parametrize("trouble", ["busy", "cut", "cut_in_a_chunk", "nonsense", "hang_up"])
def test_what_fails_for_once_is_asked_for_again(server, waited, trouble):
    (ref, *_) = find_shards(server.url, None).refs
    server.troubles[f"/shards/{ref.name}.tar"] = [trouble, trouble]
    assert len(read_shard_bytes(ref, LARGEST, verify=True)) == ref.size
    assert waited == sorted(waited)
    assert len(waited) == 2


@pytest.mark.parametrize(
    ("trouble", "says"), [("busy", "500"), ("cut", "ended early"), ("cut_in_a_chunk", ""), ("hang_up", "")]
)
def test_what_fails_for_about_a_minute_is_told(server, waited, trouble, says):
    (ref, *_) = find_shards(server.url, None).refs
    server.troubles[f"/shards/{ref.name}.tar"] = [trouble] * 99
    with pytest.raises(ShardError, match=f"shard {ref.name} cannot be read: .*{says}") as caught:
        read_shard_bytes(ref, LARGEST, verify=True)
    one_line(caught)
    assert 45 < sum(waited) < 80
    assert server.asked.count(f"/shards/{ref.name}.tar") == len(waited) + 1 < 10


def refusal(code, **headers):
    return lambda handler: handler.answer(code, **headers)


@pytest.mark.parametrize("code", [400, 401, 403, 451])
def test_what_a_server_refuses_is_not_asked_for_again(server, waited, code):
    (ref, *_) = find_shards(server.url, None).refs
    server.troubles[f"/shards/{ref.name}.tar"] = [refusal(code)]
    with pytest.raises(ShardError, match=f"shard {ref.name} cannot be read: the server answers {code}") as caught:
        read_shard_bytes(ref, LARGEST, verify=True)
    one_line(caught)
    assert waited == []


HOUR = 3600


@pytest.mark.parametrize(
    ("code", "after", "least", "most"),
    [
        (503, "3", 3, 3),
        (429, "20", 20, 20),
        (408, None, 0.1, 1),
        (425, None, 0.1, 1),
        (503, "0", 0.1, 1),
        (503, "soon", 0.1, 1),
        (503, "²", 0.1, 1),
        (503, str(10**400), 60, 60),
        (503, str(HOUR), 60, 60),
        pytest.param(503, email.utils.formatdate(time.time() + HOUR, usegmt=True), 60, 60, id="in an hour"),
        pytest.param(503, email.utils.formatdate(time.time() - HOUR, usegmt=True), 0.1, 1, id="an hour ago"),
        pytest.param(503, "Thu, 01 Jan 2026 00:00:00", 0.1, 1, id="a date without a zone"),
    ],
)
def test_a_server_is_left_alone_for_as_long_as_it_asks_within_bounds(server, waited, code, after, least, most):
    (ref, *_) = find_shards(server.url, None).refs
    headers = {} if after is None else {"Retry_After": after}
    server.troubles[f"/shards/{ref.name}.tar"] = [refusal(code, **headers)]
    assert len(read_shard_bytes(ref, LARGEST, verify=True)) == ref.size
    (once,) = waited
    assert least <= once <= most


def test_a_server_that_drips_is_given_up(server, monkeypatch):
    (ref, *_) = find_shards(server.url, None).refs
    server.troubles[f"/shards/{ref.name}.tar"] = ["endless"] * 99
    seconds = count(0, 50)
    monkeypatch.setattr(whole, "_clock", lambda: next(seconds))
    with pytest.raises(
        ShardError, match=f"shard {ref.name} cannot be read: it comes too slowly: .* bytes in"
    ) as caught:
        read_shard_bytes(ref, LARGEST, verify=False)
    one_line(caught)


def test_a_manifest_that_cannot_be_read_is_told_within_seconds(server, waited):
    server.troubles["/dataset.json"] = ["busy"] * 99
    with pytest.raises(DataError, match="cannot be read as a dataset's manifest: the server answers 500") as caught:
        find_shards(server.url, None)
    one_line(caught)
    assert 1 < sum(waited) < 15


@pytest.mark.parametrize("trouble", ["unwanted", "unwanted_endless"])
def test_a_shard_that_nobody_wants_any_more_is_not_read_on(server, monkeypatch, trouble):
    (ref, *_) = find_shards(server.url, None).refs
    server.troubles[f"/shards/{ref.name}.tar"] = [trouble]
    monkeypatch.setattr(remote, "_pause", PAUSE)
    with pytest.raises(CancelledError):
        read_shard_bytes(ref, LARGEST, verify=False, stopped=server.stopped)
    assert server.asked.count(f"/shards/{ref.name}.tar") == 1


class OddError(Exception):
    """No OSError: as those of many object stores."""

    def __init__(self, code=None):
        super().__init__("an answer\nof several lines about https://host/file?signature=secret")
        self.code = code


class OddStore(fsspec.implementations.memory.MemoryFileSystem):
    """A store with errors of its own; `troubles` are raised, one at a time, where a shard is opened."""

    protocol = "odd"
    store: ClassVar = {}
    pseudo_dirs: ClassVar = [""]
    troubles: ClassVar = []

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("odd:/"))

    def _open(self, path, *args, **kwargs):
        if path.endswith(".tar") and self.troubles:
            raise self.troubles.pop(0)
        return super()._open(path, *args, **kwargs)

    def glob(self, path, **_):
        raise OddError


@pytest.fixture
def odd(folder):
    fsspec.register_implementation("odd", OddStore, clobber=True)
    fsspec.filesystem("odd").put(str(folder), "/dataset", recursive=True)
    yield OddStore.troubles
    OddStore.troubles.clear()
    fsspec.filesystem("odd").rm("/dataset", recursive=True)


def test_any_error_of_a_store_is_taken_for_one_that_may_pass(odd, waited):
    (ref, *_) = find_shards("odd://dataset", None).refs
    odd += [OddError(), OddError(503), ValueError("of the store's own"), ConnectionError()]
    assert len(read_shard_bytes(ref, LARGEST, verify=True)) == ref.size
    assert len(waited) == 4


@pytest.mark.parametrize("error", [OddError(), OddError(403), OddError(404), PermissionError(13, "denied")])
def test_what_a_store_raises_in_the_end_names_the_shard_and_no_secret(odd, error):
    (ref, *_) = find_shards("odd://dataset", None).refs
    odd += [error] * 99
    with pytest.raises(ShardError, match=f"shard {ref.name} ") as caught:
        read_shard_bytes(ref, LARGEST, verify=True)
    assert "secret" not in one_line(caught)
    assert len(odd) == (91 if error.args == OddError().args and error.code is None else 98)


def test_a_shard_that_a_store_does_not_give_is_skipped_where_asked(odd):
    loader = MixLoader("odd://dataset", 3, on_error="skip", threads=1, pool_shards=3, shuffle=False, mix=0)
    odd += [OddError(403)]
    told = [line for batch in loader for line in batch.skipped]
    assert len(told) in COUNTS  # whichever was asked for first
    assert all(line.endswith("the server answers 403") for line in told)


def test_a_store_that_cannot_be_searched_is_told(odd):
    with pytest.raises(DataError, match="cannot be searched for shards: OddError") as caught:
        find_shards("odd://dataset/shards/*.tar", None)
    assert "secret" not in one_line(caught)


def test_what_is_not_there_is_not_asked_for_again(server, waited):
    (ref, *_) = find_shards(server.url, None).refs
    gone = type(ref)("gone", f"{server.url}/shards/gone.tar", 1, 1)
    with pytest.raises(ShardError, match=r"shard gone is not there \(http"):
        read_shard_bytes(gone, LARGEST, verify=True)
    assert waited == []
