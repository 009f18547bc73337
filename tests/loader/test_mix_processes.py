"""Under DistributedDataParallel the mix gives the gradients that one process has on all rows."""

from __future__ import annotations

import torch
from torch.nn.parallel import DistributedDataParallel

from medcutmix_pipeline.loader.mixing.mix import AttentiveManifoldMix
from tests.loader.mixing import assert_same, gradients, in_two_processes, random_plan, rows_of, small_cnn


def _halves():
    plans = [random_plan(4, seed, active=3) for seed in (1, 2)]
    return torch.randn(8, 1, 32, 32, generator=torch.Generator().manual_seed(1)), plans


def _one_rank(rank, world, path):
    model, (images, plans) = small_cnn(), _halves()
    wrapped = DistributedDataParallel(model)
    with AttentiveManifoldMix(wrapped, "0")(plans[rank]):
        loss = wrapped(images.chunk(world)[rank]).square().mean()
    loss.backward()
    if rank == 0:
        torch.save(gradients(model), path)


def test_gradients_over_two_processes_equal_those_of_one_on_both_halves(tmp_path):
    in_two_processes(_one_rank, tmp_path, str(tmp_path / "gradients"))
    model, (images, plans) = small_cnn(), _halves()
    with AttentiveManifoldMix(model, "0")(rows_of(plans)):
        loss = model(images).square().mean()
    loss.backward()
    assert_same(torch.load(tmp_path / "gradients"), gradients(model))
    plain = small_cnn()
    plain(images).square().mean().backward()
    assert max(float((a - b).abs().max()) for a, b in zip(gradients(plain), gradients(model), strict=True)) > 1e-3
