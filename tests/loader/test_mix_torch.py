"""The mix leans on names of torch that are not public: where one is missing, it says so, and the rest works."""

import runpy

import pytest
import torch

from medcutmix_pipeline.loader import AttentiveManifoldMix
from medcutmix_pipeline.loader.mixing import autograd
from tests.loader.mixing import small_cnn


@pytest.mark.parametrize(
    ("holder", "name"),
    [
        (torch._C, "_current_graph_task_id"),
        (torch._C, "_current_autograd_node"),
        (torch._C._autograd, "_get_sequence_nr"),
    ],
)
def test_a_torch_that_does_not_tell_passes_apart_is_refused_in_one_line(monkeypatch, holder, name):
    monkeypatch.delattr(holder, name)
    with pytest.raises(RuntimeError, match=f"with torch .*{name}.*use another release") as caught:
        AttentiveManifoldMix(small_cnn(), "0")
    assert "\n" not in str(caught.value)


def test_without_the_name_that_spares_the_compiler_s_import_the_public_one_serves(monkeypatch):
    monkeypatch.delattr(torch._compile, "_disable_dynamo")
    assert runpy.run_path(autograd.__file__)["uncompiled"] is torch.compiler.disable
