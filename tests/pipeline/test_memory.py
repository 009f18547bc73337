"""What a build leaves of the memory that Arrow takes."""

import pyarrow as pa
import pytest

from medcutmix_pipeline.pipeline.machine import arrow_memory_returned


def test_arrow_takes_memory_from_the_system_while_a_build_runs_and_from_its_own_allocator_afterwards():
    before = pa.default_memory_pool().backend_name
    with arrow_memory_returned():
        taken = pa.system_memory_pool().bytes_allocated()
        column = pa.array(range(100_000))
        assert pa.system_memory_pool().bytes_allocated() - taken >= column.nbytes
    assert pa.default_memory_pool().backend_name == before


def test_a_build_that_fails_gives_the_allocator_back():
    before = pa.default_memory_pool().backend_name
    with pytest.raises(RuntimeError), arrow_memory_returned():
        raise RuntimeError
    assert pa.default_memory_pool().backend_name == before
