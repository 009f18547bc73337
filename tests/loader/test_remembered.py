"""What a shard's records say is read once: the epochs after it get the same, unless the shard has become another."""

import itertools

import pytest

from medcutmix_pipeline.loader import MixLoader
from medcutmix_pipeline.loader.reading.remembered import Remembered
from medcutmix_pipeline.loader.reading.shard import parse_shard


@pytest.fixture(scope="module")
def shard(built):
    path = min((built / "shards").glob("train-*.tar"))
    return path.read_bytes()


def told(shard):
    return [
        (s.key, bytes(s.image), s.maps and bytes(s.maps), s.text, s.study, s.labels, plans(s)) for s in shard.samples
    ]


def plans(sample):
    return [sample.plan(number) for number in range(len(sample.donors))]


def test_a_remembered_shard_is_the_shard(shard):
    memory, first = Remembered(1 << 30), parse_shard(shard, "a")
    memory.keep(3, shard, first)
    again = memory.recall(3, bytes(shard), "a")
    assert told(again) == told(first)
    assert [s.place for s in again.samples] == list(range(len(first.samples)))
    pairs = [(s.place, plan.donor) for s in first.samples for plan in plans(s)]
    assert pairs
    for host, donor in pairs:
        assert again.samples[host].plans_with(donor) == first.samples[host].plans_with(donor) != []
    assert again.edges is first.edges
    assert memory.recall(4, shard, "b") is None


def test_a_shard_of_another_layout_is_not_taken_for_the_remembered_one(shard):
    memory = Remembered(1 << 30)
    memory.keep(0, shard, parse_shard(shard, "a"))
    renamed = bytearray(shard)
    renamed[0:1] = b"z"
    assert memory.recall(0, bytes(renamed), "a") is None
    assert memory.recall(0, shard[:1024], "a") is None
    assert memory.recall(0, shard + bytes(512), "a") is None


def test_no_more_is_remembered_than_allowed_and_nothing_of_a_broken_shard(shard):
    parsed = parse_shard(shard, "a")
    little = Remembered(1000)
    little.keep(0, shard, parsed)
    assert little.recall(0, shard, "a") is None
    memory = Remembered(1 << 30)
    parsed.samples[0].problem = "it is odd"
    memory.keep(0, shard, parsed)
    assert memory.recall(0, shard, "a") is None


@pytest.mark.parametrize("mix", [0.0, 1.0])
def test_epochs_are_the_same_whether_records_are_remembered_or_read_anew(built, mix):
    def batches(remember_bytes):
        loader = MixLoader(built, 8, mix=mix, remember_bytes=remember_bytes)
        for epoch in range(3):
            loader.set_epoch(epoch)
            yield from loader

    for one, other in itertools.zip_longest(batches(1 << 28), batches(0)):
        assert one.keys == other.keys
        assert one.texts == other.texts
        assert one.labels == other.labels
        assert one.plan.plan_ids == other.plan.plan_ids
        assert one.images.equal(other.images)
