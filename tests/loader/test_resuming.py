"""Where an iteration begins: an epoch anew, or in its middle where the loader was told to go on there."""

import copy
import json
import pickle

import pytest
from torch.utils.data import DataLoader

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.loader import MixLoader
from tests.loader.batches import all_same, loaders
from tests.loader.made import write_dataset


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("odd") / "dataset", [31, 7, 1, 19, 12], seed=3)


@pytest.mark.parametrize("stop", [0, 1, 3, 7])
def test_a_loader_goes_on_with_the_very_batches_that_would_have_followed(odd, stop):
    (whole,), (cut,), (resumed,) = (loaders(odd, 1, batch=2) for _ in range(3))
    for loader in (whole, cut):
        loader.set_epoch(5)
    expected = list(whole)
    running = iter(cut)
    for _ in range(stop):
        next(running)
    state = json.loads(json.dumps(cut.state_dict()))  # it goes into any checkpoint
    del running
    resumed.load_state_dict(state)
    assert all_same(resumed, expected[stop:])
    resumed.set_epoch(6)
    assert len(list(resumed)) == len(expected)


def test_the_state_that_a_batch_carries_resumes_behind_workers_that_ran_ahead(odd):
    (loader,), (resumed,) = loaders(odd, 1), loaders(odd, 1)
    batches = list(DataLoader(loader, batch_size=None, num_workers=2))
    resumed.load_state_dict(batches[4].state)
    assert all_same(DataLoader(resumed, batch_size=None, num_workers=3), batches[5:])


def test_a_state_of_another_loader_is_refused(odd):
    (loader,) = loaders(odd, 1)
    for other in (loaders(odd, 2)[0], loaders(odd, 1, batch=5)[0], MixLoader(odd, 4, seed=9, mix=0.5, pool_shards=2)):
        with pytest.raises(UsageError, match="another seed, batch size"):
            other.load_state_dict(loader.state_dict())
    with pytest.raises(UsageError, match="no state of a loader"):
        loader.load_state_dict({"epoch": 1})
    with pytest.raises(UsageError, match="no state of a loader"):
        loader.load_state_dict(loader.state_dict() | {"batch": -1})


@pytest.mark.parametrize("epoch", [-1, 1.5, "2", None])
def test_what_is_no_epoch_is_refused(odd, epoch):
    (loader,) = loaders(odd, 1)
    with pytest.raises(UsageError, match="epoch must be"):
        loader.set_epoch(epoch)


def some(loader, count):
    """The first batches of an iteration that is left early."""
    return [batch for batch, _ in zip(loader, range(count), strict=False)]


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_an_iteration_that_is_left_early_is_begun_anew(odd, taken):
    (loader,), (whole,) = loaders(odd, 1), loaders(odd, 1)
    some(loader, taken)
    assert all_same(loader, whole)


def test_a_look_at_one_batch_leaves_every_rank_with_as_many_as_the_others(odd):
    ranks = loaders(odd, 2)
    next(iter(ranks[0]))
    assert len(list(ranks[0])) == len(list(ranks[1])) == len(ranks[0])


def test_two_iterations_at_once_do_not_take_each_other_s_batches(odd):
    (loader,), (whole,) = loaders(odd, 1), loaders(odd, 1)
    first, second = zip(*zip(loader, loader, strict=True), strict=True)
    assert all_same(first, second)
    assert all_same(first, whole)


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("kept", [False, True])
def test_only_the_next_iteration_goes_on_in_the_middle_with_any_number_of_workers(odd, workers, kept):
    (loader,), (whole,) = loaders(odd, 1), loaders(odd, 1)
    expected = list(whole)
    loader.load_state_dict(expected[9].state)
    batches = DataLoader(loader, batch_size=None, num_workers=workers, persistent_workers=kept and workers > 0)
    assert all_same(batches, expected[10:])
    for _ in range(2):
        assert all_same(batches, expected)
    loader.load_state_dict(expected[12].state)
    assert all_same(batches, expected[13:])


def test_after_other_workers_have_gone_on_in_the_middle_all_begin_anew(odd):
    (loader,), (whole,) = loaders(odd, 1), loaders(odd, 1)
    expected = list(whole)
    loader.load_state_dict(expected[9].state)
    assert all_same(DataLoader(loader, batch_size=None, num_workers=1), expected[10:])
    assert all_same(DataLoader(loader, batch_size=None, num_workers=2), expected)
    assert all_same(loader, expected)


def test_training_that_stopped_at_the_end_of_an_epoch_goes_on_with_the_next(odd):
    def train(loader, epochs):
        for epoch in epochs:
            loader.set_epoch(epoch)
            yield from loader

    (whole,), (cut,), (resumed,) = (loaders(odd, 1) for _ in range(3))
    expected = list(train(whole, range(3)))
    done = list(train(cut, range(1)))
    state = cut.state_dict()
    assert state == done[-1].state
    resumed.load_state_dict(state)
    assert all_same([*done, *train(resumed, range(state["epoch"], 3))], expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda loader: pickle.loads(pickle.dumps(loader))])
def test_workers_of_a_copy_see_the_epochs_that_it_is_told(odd, copied):
    (loader,), (alone,) = loaders(odd, 1), loaders(odd, 1)
    twin = copied(loader)
    kept = DataLoader(twin, batch_size=None, num_workers=1, persistent_workers=True)
    for epoch in range(3):
        twin.set_epoch(epoch)
        alone.set_epoch(epoch)
        assert all_same(kept, alone)
    assert loader.epoch == 0
