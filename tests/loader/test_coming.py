"""The next epoch's first pool, read ahead: nothing that a user sees depends on it."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import threading

import pytest

from medcutmix_pipeline.loader import MixLoader, ShardError
from medcutmix_pipeline.loader.epochs.stream import EpochRun
from medcutmix_pipeline.loader.reading import reader as reading
from tests.loader.batches import same
from tests.loader.made import write_dataset

COUNTS = (9, 12, 7, 10, 8)


@pytest.fixture
def folder(tmp_path):
    return write_dataset(tmp_path, COUNTS)


@pytest.fixture
def fetched(monkeypatch):
    """The names of the shards in the order in which they are fetched."""
    names = []
    fetch = reading.read_shard_bytes

    def told(ref, *rest):
        names.append(ref.name)
        return fetch(ref, *rest)

    monkeypatch.setattr(reading, "read_shard_bytes", told)
    return names


def epochs(loader, numbers):
    for number in numbers:
        loader.set_epoch(number)
        yield list(loader)


def test_epochs_in_turn_are_those_that_a_fresh_loader_reads(folder):
    loader = MixLoader(folder, 4, pool_shards=2)
    for number, batches in enumerate(epochs(loader, range(4))):
        fresh = MixLoader(folder, 4, pool_shards=2)
        (expected,) = epochs(fresh, [number])
        assert len(batches) == len(expected) > 0
        assert all(same(a, b) for a, b in zip(batches, expected, strict=True))


@pytest.mark.parametrize("following", [0, 2, 7])
def test_another_epoch_than_the_one_read_ahead_is_read_as_it_is(folder, following):
    loader = MixLoader(folder, 4, pool_shards=2)
    _, batches = epochs(loader, [0, following])
    (expected,) = epochs(MixLoader(folder, 4, pool_shards=2), [following])
    assert all(same(a, b) for a, b in zip(batches, expected, strict=True))


def test_the_shards_read_ahead_are_not_read_again(folder, fetched):
    loader = MixLoader(folder, 4, pool_shards=5)
    list(epochs(loader, range(3)))
    loader.close()
    assert len(fetched) <= 4 * len(COUNTS)  # three epochs, and the one that never comes


def test_nothing_is_read_ahead_where_no_epochs_are_told(folder, fetched):
    list(MixLoader(folder, 4, pool_shards=5))
    assert sorted(fetched) == sorted(set(fetched))


def test_a_schedule_that_ends_with_the_last_epoch_disturbs_nothing(folder):
    shares = [0.2, 0.4]
    loader = MixLoader(folder, 4, mix=lambda epoch: shares[epoch])
    assert all(len(batches) == len(loader) for batches in epochs(loader, range(2)))


def test_damage_met_while_reading_ahead_is_told_in_the_epoch_that_it_belongs_to(folder, monkeypatch):
    loader = MixLoader(folder, 4, pool_shards=5)
    fetch, asked = reading.read_shard_bytes, iter(range(1000))

    def damaged(ref, *rest):
        if next(asked) >= len(COUNTS):
            raise ShardError(f"shard {ref.name} is damaged")
        return fetch(ref, *rest)

    monkeypatch.setattr(reading, "read_shard_bytes", damaged)
    (first,) = epochs(loader, [0])
    assert len(first) == len(loader)
    with pytest.raises(ShardError, match="is damaged"):
        list(epochs(loader, [1]))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork here")
def test_a_fork_does_not_wait_for_what_its_parent_reads_ahead(folder, monkeypatch):
    loader, parent, free = MixLoader(folder, 2, pool_shards=2), os.getpid(), threading.Event()
    made = EpochRun.pool

    def held_in_the_parent(run, *rest):
        if run.chance.epoch == 1 and os.getpid() == parent:
            free.wait()
        return made(run, *rest)

    monkeypatch.setattr(EpochRun, "pool", held_in_the_parent)
    list(epochs(loader, [0]))
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()
    child = context.Process(target=lambda: told.put([batch.keys for batch in next(epochs(loader, [1]))]), daemon=True)
    child.start()
    child.join(30)
    ended = not child.is_alive()
    child.kill()
    free.set()
    assert ended
    assert told.get() == [batch.keys for batch in next(epochs(loader, [1]))]


def test_a_loader_with_an_epoch_read_ahead_can_be_copied_and_pickled(folder):
    loader = MixLoader(folder, 4)
    list(epochs(loader, [0]))
    for other in (copy.deepcopy(loader), pickle.loads(pickle.dumps(loader))):
        assert all(same(a, b) for a, b in zip(*epochs(other, [1]), *epochs(loader, [1]), strict=True))
