"""Who trains on mixed reports with features that are not mixed is told so, once; nobody else is."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

from medcutmix_pipeline.loader.mixing.mix import AttentiveManifoldMix
from tests.loader.mixing import random_plan, small_cnn

ROWS = 6
PLAN = random_plan(ROWS, active=4)


def images():
    return torch.randn(ROWS, 1, 32, 32)


@pytest.fixture
def silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def step(mix, model, plan=PLAN):
    with mix(plan):
        loss = model(images()).square().sum()
    loss.backward()


def two_steps(mix, model):
    for _ in range(2):
        step(mix, model)


def test_a_layer_in_eval_within_a_model_in_training_is_named_once():
    model = small_cnn()
    mix = AttentiveManifoldMix(model, "0")
    model[0].eval().requires_grad_(False)
    with pytest.warns(UserWarning, match=r"layer '0' is in eval\(\) mode") as told:
        two_steps(mix, model)
    assert len(told) == 1
    assert told[0].filename == __file__


def test_a_trainer_that_never_calls_train_is_told_when_gradients_come():
    model = small_cnn().eval()
    mix = AttentiveManifoldMix(model, "0")
    with pytest.warns(UserWarning, match=r"layer '0' is in eval\(\) mode; call model.train\(\)") as told:
        two_steps(mix, model)
    assert len(told) == 1


@pytest.mark.parametrize("removed", [False, True], ids=["made after the first call", "made anew"])
def test_a_mix_that_a_compiled_model_does_not_know_is_told_how_to_come_in(removed):
    torch._dynamo.reset()
    model = small_cnn()
    compiled = torch.compile(model, backend="eager")
    if removed:
        first = AttentiveManifoldMix(model, "0")
        step(first, compiled)
        first.remove()
    compiled(images())
    mix = AttentiveManifoldMix(model, "0")
    with pytest.warns(UserWarning, match=r"layer '0' did not run .* torch.compiler.reset\(\)"):
        step(mix, compiled)
    torch.compiler.reset()
    step(mix, compiled)
    assert mix.weights is not None


@pytest.mark.parametrize("run", [lambda model: copy.deepcopy(model), lambda model: model[1:]])
def test_a_forward_pass_that_does_not_come_by_the_layer_is_told(run):
    model = small_cnn()
    mix, other = AttentiveManifoldMix(model, "0"), run(model)
    inputs = images() if len(other) == len(model) else torch.randn(ROWS, 6, 8, 8)
    with pytest.warns(UserWarning, match="layer '0' did not run"), mix(PLAN):
        other(inputs)


@pytest.mark.usefixtures("silent")
def test_training_that_is_mixed_and_steps_without_a_plan_are_silent():
    model = small_cnn()
    mix = AttentiveManifoldMix(model, ["0", "1"])
    for seed in range(4):
        step(mix, model, random_plan(ROWS, seed, active=4))
    for nothing in (None, random_plan(ROWS, active=0)):
        step(mix, model, nothing)
    mix.remove()
    step(mix, model)


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_validation_within_the_context_is_silent(mode, frozen):
    model = small_cnn()
    wrapped = nn.DataParallel(model)
    mix = AttentiveManifoldMix(wrapped, "0")
    model.eval()  # the wrapper itself stays in training
    if frozen:
        model.requires_grad_(False)
    for _ in range(2):
        with mode(), mix(PLAN):
            model(images()).square().sum()
        with mix(PLAN), mode():
            model(images()).square().sum()


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_passes_without_gradients_are_silent_whatever_runs(mode):
    model = small_cnn()
    mix = AttentiveManifoldMix(model, "0")
    with mix(PLAN), mode():
        model[1:](torch.randn(ROWS, 6, 8, 8))
    model[0].eval()
    with mode(), mix(PLAN):
        model(images())


@pytest.mark.usefixtures("silent")
def test_contexts_that_run_nothing_nest_or_fail_are_silent():
    model = small_cnn()
    mix = AttentiveManifoldMix(model, "0")
    with mix(PLAN):
        pass
    with mix(PLAN):
        step(mix, model)
    with pytest.raises(RuntimeError, match="shapes"), mix(PLAN):
        model[1:](torch.randn(ROWS, 6, 4, 4))
