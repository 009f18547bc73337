"""Memory of a batch is used again only when nobody holds anything of it."""

from __future__ import annotations

import pytest

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
    buffers = Buffers()
    first = buffers.take(4, 1, 3, 3)
    place = first.data_ptr()
    held = HOLDS[hold](first)
    del first
    others = [buffers.take(4, 1, 3, 3) for _ in range(3)]
    assert place not in {other.data_ptr() for other in others}
    del held
    assert buffers.take(4, 1, 3, 3).data_ptr() == place


def test_a_batch_of_another_size_gets_memory_of_its_own():
    buffers = Buffers()
    buffers.take(2, 1, 4, 4)
    assert buffers.take(5, 1, 7, 7).shape == (5, 1, 7, 7)
