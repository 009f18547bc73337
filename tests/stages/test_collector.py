"""The garbage collector is as it was after a pause, whatever happened in it."""

import gc

import pytest

from medcutmix_pipeline.stages.collector import collector_paused


@pytest.fixture(autouse=True)
def _as_it_was():
    running = gc.isenabled()
    yield
    gc.enable() if running else gc.disable()


@pytest.mark.parametrize("running", [True, False])
def test_a_pause_leaves_the_collector_as_it_found_it_even_after_an_exception(running):
    gc.enable() if running else gc.disable()
    with pytest.raises(RuntimeError, match="paused"), collector_paused():
        raise RuntimeError("on" if gc.isenabled() else "paused")
    assert gc.isenabled() == running


def test_pauses_may_be_nested():
    gc.enable()
    with collector_paused():
        with collector_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
