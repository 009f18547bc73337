"""Under gradient checkpointing each pass runs again as it was: mixed by its own plan, or not at all."""

from __future__ import annotations

import threading

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from medcutmix_pipeline.loader.mixing.mix import AttentiveManifoldMix
from medcutmix_pipeline.loader.mixing.passes import KEPT
from tests.loader.mixing import assert_same, gradients, random_plan, small_cnn

ROWS = 6
KINDS = pytest.mark.parametrize("reentrant", [True, False])
# The layer `0` alone, and a block of which it is the first layer.
PARTS = pytest.mark.parametrize("layers", [1, 3])


def images_of(rows=ROWS):
    return torch.randn(rows, 1, 32, 32, generator=torch.Generator().manual_seed(2), requires_grad=True)


class Net:
    """A network whose first layers are checkpointed, or not."""

    def __init__(self, layers, reentrant=None):
        self.model, self.layers, self.reentrant = small_cnn(), layers, reentrant
        self.mix = AttentiveManifoldMix(self.model, "0")

    def __call__(self, images):
        head, tail = self.model[: self.layers], self.model[self.layers :]
        if self.reentrant is None:
            return tail(head(images))
        return tail(checkpoint(head, images, use_reentrant=self.reentrant))

    def loss(self, plan, rows=ROWS):
        """Of a pass under a plan; of one outside of any context for 'outside'."""
        if plan == "outside":
            return self(images_of(rows)).square().sum()
        with self.mix(plan):
            return self(images_of(rows)).square().sum()


def assert_as_without_checkpointing(layers, reentrant, train):
    """Compares the gradients of a training that takes a net."""
    collected = []
    for net in (Net(layers), Net(layers, reentrant)):
        train(net)
        collected.append(gradients(net.model))
    assert_same(*collected, within=1e-6 * max(float(g.abs().max()) for g in collected[0]))


def plans(*seeds):
    return [random_plan(ROWS, seed, active=4) for seed in seeds]


@PARTS
@KINDS
@pytest.mark.parametrize("rows", [ROWS, 3])
def test_a_pass_outside_of_the_context_is_not_mixed_by_the_plan_of_the_step_before(layers, reentrant, rows):
    (plan,) = plans(1)

    def train(net):
        net.loss(plan).backward()
        net.model.zero_grad()
        net.loss("outside", rows).backward()

    assert_as_without_checkpointing(layers, reentrant, train)


@PARTS
@KINDS
@pytest.mark.parametrize(
    "passes", [(1, "outside"), ("outside", 1), (1, None), (1, 2), (1, "outside", 2, None, 3, "outside")], ids=str
)
def test_passes_with_the_mix_and_without_it_share_a_loss(layers, reentrant, passes):
    taken = [random_plan(ROWS, p, active=4) if isinstance(p, int) else p for p in passes]
    assert_as_without_checkpointing(
        layers, reentrant, lambda net: sum((k + 1) * net.loss(plan) for k, plan in enumerate(taken)).backward()
    )


@KINDS
def test_backward_passes_may_come_late_and_in_any_order(reentrant):
    taken = plans(1, 2, 3)

    def train(net):
        losses = [(k + 1) * net.loss(plan) for k, plan in enumerate(taken)]
        for k in (1, 0, 2):
            losses[k].backward()

    assert_as_without_checkpointing(1, reentrant, train)


@KINDS
def test_a_pass_without_gradients_between_forward_and_backward_changes_nothing(reentrant):
    def train(net):
        loss = net.loss(plans(1)[0])
        with torch.no_grad():
            net.loss("outside")
            net.loss(plans(2)[0])
        loss.backward()

    assert_as_without_checkpointing(1, reentrant, train)


@KINDS
def test_the_backward_pass_of_a_clean_loss_may_run_while_the_next_batch_s_context_is_open(reentrant):
    def train(net):
        clean = net.loss("outside")
        with net.mix(plans(1)[0]):
            (clean + 2 * net(images_of()).square().sum()).backward()

    assert_as_without_checkpointing(1, reentrant, train)


@KINDS
def test_an_outer_context_goes_on_after_an_inner_one(reentrant):
    outer, inner = plans(1, 2)

    def train(net):
        with net.mix(outer):
            first = net(images_of()).square().sum()
            second = net.loss(inner)
            third = net(images_of()).square().sum()
        (first + 2 * second + 4 * third).backward()

    assert_as_without_checkpointing(1, reentrant, train)


@KINDS
def test_another_mix_of_the_same_layer_that_lies_idle_does_not_mix_again(reentrant):
    first, second = plans(1, 2)

    def train(net):
        net.loss(first).backward()
        net.model.zero_grad()
        net.mix = AttentiveManifoldMix(net.model, "0")
        net.loss(second).backward()

    assert_as_without_checkpointing(1, reentrant, train)


def backward_here(loss):
    loss.backward()


def backward_in_a_thread_of_its_own(loss):
    """As on a GPU: there autograd has a thread of its own, which numbers nodes for itself."""
    failed = []

    def run():
        try:
            loss.backward()
        except RuntimeError as why:
            failed.append(why)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


@KINDS
@pytest.mark.parametrize("inner", [True, False])
@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
@pytest.mark.parametrize("backward", [backward_here, backward_in_a_thread_of_its_own])
def test_checkpoints_within_checkpoints_run_the_layer_again_under_the_plan(reentrant, inner, seeds, backward):
    collected = []
    for nested in (False, True):
        model = small_cnn()
        mix = AttentiveManifoldMix(model, "0")

        def within(x, model=model):
            return model[1](checkpoint(model[0], x, use_reentrant=inner))

        loss = 0
        for weight, plan in enumerate(plans(*seeds), 1):
            with mix(plan):
                images = images_of()
                features = checkpoint(within, images, use_reentrant=reentrant) if nested else model[:2](images)
                loss = loss + weight * model[2:](features).square().sum()
        backward(loss)
        collected.append(gradients(model))
    assert_same(*collected, within=1e-6 * max(float(g.abs().max()) for g in collected[0]))


@KINDS
@pytest.mark.parametrize("backward", [backward_here, backward_in_a_thread_of_its_own])
def test_a_pass_whose_plan_is_not_kept_any_more_is_not_run_again_under_another(reentrant, backward):
    taken = plans(*range(KEPT))
    assert_as_without_checkpointing(1, reentrant, lambda net: backward(sum(net.loss(plan) for plan in taken)))
    net = Net(1, reentrant)
    with pytest.raises(RuntimeError, match=f"more than {KEPT} contexts back, whose plan is not kept"):
        backward(sum(net.loss(plan) for plan in [*taken, *taken[:1]]))


@KINDS
def test_a_context_within_the_checkpointed_part_is_entered_again_with_it(reentrant):
    (plan,), collected = plans(1), []
    for checkpointed in (False, True):
        model = small_cnn()
        mix = AttentiveManifoldMix(model, "0")

        def within(x, model=model, mix=mix):
            with mix(plan):
                return model[0](x)

        features = checkpoint(within, images_of(), use_reentrant=reentrant) if checkpointed else within(images_of())
        model[1:](features).square().sum().backward()
        collected.append(gradients(model))
    assert_same(*collected)


@KINDS
def test_an_earlier_pass_that_runs_again_is_not_taken_for_one_of_the_context_that_is_open(reentrant):
    net, (first, second) = Net(1, reentrant), plans(1, 2)
    loss = net.loss(first)
    with torch.no_grad(), net.mix(second):
        loss.backward()
        assert net.mix.weights is None
        assert torch.equal(net.mix.host_share(), torch.ones(ROWS))
