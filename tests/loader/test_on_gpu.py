"""On a GPU: the mix equals the formula computed in numpy, in a compiled step too, and batches leave pinned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from medcutmix_pipeline.loader.loading import MixLoader
from medcutmix_pipeline.loader.mixing.mix import AttentiveManifoldMix
from medcutmix_pipeline.loader.mixing.weights import KINDS, MAPS
from tests.loader.made import write_dataset
from tests.loader.mixing import expected_mix, expected_weights, random_plan

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

ROWS = 6


@pytest.mark.parametrize("source", MAPS)
@pytest.mark.parametrize("kind", KINDS)
def test_mixed_features_equal_the_formula_in_numpy(kind, source):
    plan = random_plan(ROWS, seed=4, active=4, maps=(6, 12))
    features = torch.randn(ROWS, 3, 4, 8, generator=torch.Generator().manual_seed(1))
    model = nn.Sequential(nn.Identity())
    with AttentiveManifoldMix(model, "0", weights=kind, share=0.6, map=source)(plan.to("cuda")):
        out = model(features.cuda()).cpu().numpy()
    expected = expected_mix(features.numpy(), plan, expected_weights(plan, (4, 8), kind, 0.6, source), "NCHW")
    assert np.abs(out - expected).max() < 1e-6 * np.abs(expected).max()
    untouched = ~plan.active.numpy()
    assert out[untouched].tobytes() == features.numpy()[untouched].tobytes()


@pytest.mark.parametrize("on", ["cpu", "cuda"])
def test_a_model_that_is_moved_after_its_mix_was_made_is_mixed_where_it_is(on):
    model, plan = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()), random_plan(ROWS, active=3)
    mix = AttentiveManifoldMix(model, "0")
    for device in ("cuda", "cpu"):
        model.to(device)
        with mix(plan.to(on)):
            out = model(torch.ones(ROWS, 3, 16, 16, device=device))
        assert out.device.type == mix.host_share().device.type == device
        assert np.abs(mix.weights.cpu().numpy() - expected_weights(plan, (16, 16), "soft", 0.5, "donor")).max() < 1e-6


@pytest.mark.parametrize("reentrant", [True, False])
def test_passes_with_the_mix_and_without_it_share_a_loss_under_gradient_checkpointing(reentrant):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=1)).cuda()
    mix, plan = AttentiveManifoldMix(model, "0"), random_plan(ROWS, active=3).to("cuda")
    images, gradients = torch.randn(ROWS, 1, 16, 16, device="cuda", requires_grad=True), []
    for run in (model, lambda x: checkpoint(model, x, use_reentrant=reentrant)):
        model.zero_grad()
        with mix(plan):
            mixed = run(images)
        (mixed.square().sum() + 2 * run(images).square().sum()).backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_features_keep_their_type_and_rows_without_a_plan_their_bits(dtype):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()).cuda()
    images, plan = torch.randn(ROWS, 3, 16, 16, device="cuda"), random_plan(ROWS, active=3).to("cuda")
    with torch.autocast("cuda", dtype):
        plain = model(images)
        with AttentiveManifoldMix(model, "0")(plan):
            mixed = model(images)
    assert mixed.dtype == plain.dtype == dtype
    assert torch.equal(mixed[~plan.active], plain[~plan.active])
    assert not torch.equal(mixed[plan.active], plain[plan.active])
    assert torch.isfinite(mixed).all()


def test_a_compiled_training_step_has_the_gradients_of_the_plain_one():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, 8, 3, padding=1)).cuda()
    mix, compiled = AttentiveManifoldMix(model, "1"), torch.compile(model)
    images = torch.randn(ROWS, 1, 16, 16, device="cuda")
    for step in range(4):
        gradients = []
        for module in (compiled, model):
            model.zero_grad()
            with mix(random_plan(ROWS, seed=step, active=step + 1).to("cuda")):
                module(images).square().mean().backward()
            gradients.append([p.grad.clone() for p in model.parameters()])
        for ours, theirs in zip(*gradients, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_batches_leave_in_page_locked_memory_and_are_mixed_on_the_gpu_as_here(tmp_path):
    loader = MixLoader(write_dataset(tmp_path / "dataset", [11, 9]), batch_size=4, mix=1.0, pin_memory=True)
    model = nn.Sequential(nn.Identity())
    mix, seen = AttentiveManifoldMix(model, "0", layout="NCHW"), 0
    for batch in loader:
        assert batch.images.is_pinned()
        assert batch.plan.donor_map.is_pinned()
        there = batch.to("cuda", non_blocking=True)
        answers = []
        for one in (batch, there):
            with mix(one.plan):
                answers.append(model(one.images.float()).cpu())
        torch.testing.assert_close(*answers, rtol=1e-5, atol=1e-3)  # of 0–255
        torch.testing.assert_close(there.normalised().cpu(), batch.normalised())
        seen += len(batch.images)
    assert seen == 20
