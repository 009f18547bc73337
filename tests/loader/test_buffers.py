"""Memory of a batch is used again only when nobody holds anything of it."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from medcutmix_pipeline.loader.reading.buffers import Buffers

HOLDS = {
    "the tensor": lambda t: t,
    "a row": lambda t: t[1],
    "an array": lambda t: t.numpy(),
    "another view": lambda t: t.view(-1)[5:],
    "its storage": lambda t: t.untyped_storage(),
}


@pytest.mark.parametrize("hold", HOLDS)
def test_what_is_held_is_never_given_out_again(hold):
    buffers = Buffers(8)
    first = torch.from_numpy(buffers.take(36)).reshape(4, 1, 3, 3)
    place = first.data_ptr()
    held = HOLDS[hold](first)
    del first
    others = [buffers.take(36) for _ in range(3)]
    assert place not in {other.ctypes.data for other in others}
    del held
    assert buffers.take(36).ctypes.data == place


def test_bytes_of_a_shard_are_held_by_whatever_is_read_from_them():
    buffers = Buffers(8)
    held = np.frombuffer(memoryview(buffers.take(100))[10:20], np.uint8)
    held_since = held.copy()
    buffers.take(100)[:] = held_since[0] + 1
    assert np.array_equal(held, held_since)


def test_a_block_serves_what_is_somewhat_smaller_and_nothing_much_smaller():
    buffers = Buffers(8)
    block = buffers.take(1600)
    place = block.ctypes.data
    del block
    sizes = [400, 1700, 1000]
    taken = [buffers.take(size) for size in sizes]
    assert [one.size for one in taken] == sizes
    assert [one.ctypes.data == place for one in taken] == [False, True, False]


@pytest.mark.parametrize("other", [copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b))])
def test_a_copy_shares_no_memory(other):
    buffers = Buffers(8)
    place = buffers.take(64).ctypes.data
    taken = other(buffers).take(64)
    assert buffers.take(64).ctypes.data == place != taken.ctypes.data
