"""The loss equals its formula, written out row by row; over two processes it is the loss of the joined batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from medcutmix_pipeline.loader.losses.loss import NEIGHBOURS, MixContrastiveLoss
from tests.loader.mixing import in_two_processes, random_plan, rows_of


def features_of(rows, seed=0, width=6):
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(rows, width, generator=random, requires_grad=True) for _ in range(2)]


def full_plan(rows, seed=0):
    """A plan with findings, in which the last two rows are of one study."""
    plan = random_plan(rows, seed, active=rows // 2, diseases=5)
    study = plan.study.clone()
    study[-1] = study[-2]
    return replace(plan, study=study)


def by_rows(images, texts, scale, plan, shares, epsilon, neighbours, weight):
    """The loss in float64, one row after the other."""
    images, texts = (f.detach().double().numpy() for f in (images, texts))
    images, texts = (f / np.linalg.norm(f, axis=1, keepdims=True) for f in (images, texts))
    rows = range(len(images))
    donor = [int(plan.donor[i]) if plan.active[i] else None for i in rows]
    targets = np.zeros((len(images), len(images)))
    for i in rows:
        given_away = epsilon * (1 - float(shares[i])) if donor[i] is not None else 0.0
        targets[i, i] = 1 - given_away
        if donor[i] is not None:
            targets[i, donor[i]] += given_away

    def alike(i, j):
        reasons = [
            plan.study[i] == plan.study[j],
            donor[i] == j or donor[j] == i,
            bool((plan.findings[i] & plan.findings[j]).any()),
        ]
        return any(reasons[: NEIGHBOURS.index(neighbours)])

    def cross_entropy(i, similarities, target):
        weights = [1.0 if target[j] > 0 or i == j or not alike(i, j) else weight for j in rows]
        total = sum(w * np.exp(scale * s) for w, s in zip(weights, similarities, strict=True))
        return -sum(t * (scale * s - np.log(total)) for t, s in zip(target, similarities, strict=True) if t > 0)

    losses = []
    for i in rows:
        losses.append(cross_entropy(i, images[i] @ texts.T, targets[i]))
        losses.append(cross_entropy(i, texts[i] @ images.T, targets[:, i] / targets[:, i].sum()))
    return np.mean(losses)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("neighbours", NEIGHBOURS)
@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_the_loss_equals_its_formula(epsilon, neighbours, weight):
    images, texts = features_of(8)
    plan, shares = full_plan(8, seed=2), torch.rand(8)
    criterion = MixContrastiveLoss(epsilon, neighbours, weight)
    expected = by_rows(images, texts, 10.0, plan, shares, epsilon, neighbours, weight)
    assert float(criterion(images, texts, 10.0, plan, shares)) == pytest.approx(expected, rel=1e-5)
    by_lambda = by_rows(images, texts, 10.0, plan, plan.lam, epsilon, neighbours, weight)
    assert float(criterion(images, texts, 10.0, plan)) == pytest.approx(by_lambda, rel=1e-5)


def test_without_a_plan_it_is_the_loss_of_clip():
    images, texts = features_of(5)
    logits = 7.0 * functional.normalize(images) @ functional.normalize(texts).T
    own = torch.arange(5)
    clip = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    assert float(MixContrastiveLoss()(images, texts, 7.0)) == pytest.approx(float(clip), rel=1e-6)


def test_a_masked_neighbour_has_no_gradient_from_the_row_and_a_donor_with_a_target_is_drawn_near():
    images, texts = features_of(4)
    plan = replace(random_plan(4, active=0), donor=torch.tensor([1, 1, 2, 3]))
    plan = replace(plan, active=torch.tensor([True, False, False, False]), lam=torch.tensor([0.4, 1, 1, 1]))

    def pull(epsilon, weight):
        """How the donor's text changes with the loss of the host's image alone, along that image."""
        grown = texts.detach().clone().requires_grad_()
        kept = images.detach().clone().requires_grad_()
        loss = MixContrastiveLoss(epsilon, "partner", weight)(kept, grown, 5.0, plan)
        (host,) = torch.autograd.grad(loss, kept, create_graph=True)
        (mixed,) = torch.autograd.grad(host[0].sum(), grown)
        return float(mixed[1].abs().max())

    assert pull(0.0, 0.0) == 0
    assert pull(0.0, 1.0) > 0
    assert pull(0.5, 0.0) > 0


@given(st.integers(2, 7), st.integers(0, 10_000), st.sampled_from(NEIGHBOURS), st.floats(0, 1), st.floats(0, 1))
def test_loss_and_gradients_are_finite_whatever_is_masked(rows, seed, neighbours, epsilon, weight):
    images, texts = features_of(rows, seed)
    plan = replace(random_plan(rows, seed, active=rows, diseases=3), study=torch.zeros(rows, dtype=torch.int64))
    loss = MixContrastiveLoss(epsilon, neighbours, weight)(images, texts, 50.0, plan, torch.zeros(rows))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(f.grad).all() for f in (images, texts))


def test_the_order_of_the_rows_does_not_matter():
    images, texts = features_of(6)
    plan, shares = full_plan(6), torch.rand(6)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    criterion = MixContrastiveLoss(0.5, "finding", 0.2)
    moved = criterion(images[order], texts[order], 9.0, plan.reorder(order), shares[order])
    assert float(moved) == pytest.approx(float(criterion(images, texts, 9.0, plan, shares)), rel=1e-6)


def test_half_precision_features_are_contrasted_in_float32():
    images, texts = (f.detach().bfloat16().requires_grad_() for f in features_of(6))
    plan = full_plan(6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = MixContrastiveLoss(0.5)(images, texts, torch.tensor(100.0), plan)
    assert loss.dtype == torch.float32
    assert float(loss) == float(MixContrastiveLoss(0.5)(images.float(), texts.float(), 100.0, plan))


def test_appended_rows_belong_to_the_batch_and_their_hosts_are_no_negatives():
    plan = full_plan(6).appended()
    images, texts = features_of(9)
    expected = by_rows(images, texts, 10.0, plan, plan.lam, 0.5, "study", 0.0)
    assert float(MixContrastiveLoss(0.5, "study")(images, texts, 10.0, plan)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text_features": torch.zeros(3, 6)}, r"must both be \[B, D\]"),
        ({"plan": full_plan(6)}, "give plan.appended"),
        ({"host_share": torch.ones(5)}, r"host_share must be \[4\]"),
        ({"plan": random_plan(4)}, "needs the findings"),
    ],
)
def test_what_does_not_belong_together_is_refused(change, says):
    images, texts = features_of(4)
    call = {"image_features": images, "text_features": texts, "logit_scale": 1.0, "plan": full_plan(4)} | change
    with pytest.raises(ValueError, match=says):
        MixContrastiveLoss(neighbours="finding")(**call)


@pytest.mark.parametrize("settings", [{"neighbours": "all"}, {"epsilon": 2}, {"neighbour_weight": -1}])
def test_settings_that_do_not_exist_are_refused(settings):
    with pytest.raises(ValueError, match="must"):
        MixContrastiveLoss(**settings)


SETTINGS = [(0.5, "finding", 0.2), (0.0, "partner", 0.0)]


def _halves(sizes):
    """Features and plans of two ranks; one study has rows on both."""
    plans = [full_plan(size, seed) for seed, size in enumerate(sizes)]
    study = plans[1].study.clone()
    study[0] = plans[0].study[0]
    return [features_of(size, seed) for seed, size in enumerate(sizes)], [plans[0], replace(plans[1], study=study)]


def _one_rank(rank, world, folder):
    for number, (sizes, settings) in enumerate([((4, 4), SETTINGS[0]), ((6, 3), SETTINGS[1])]):
        features, plans = _halves(sizes)
        images, texts = features[rank]
        scale = torch.tensor(8.0, requires_grad=True)
        loss = MixContrastiveLoss(*settings)(images, texts, scale, plans[rank])
        loss.backward()
        alone = MixContrastiveLoss(*settings, gather=False)(images, texts, scale, plans[rank])
        # As DistributedDataParallel: gradients of parameters are averaged over ranks.
        done = [loss / world, images.grad / world, texts.grad / world, scale.grad / world, alone]
        torch.save([t.detach() for t in done], f"{folder}/{number}-{rank}")


def test_over_two_processes_loss_and_gradients_are_those_of_the_joined_batch(tmp_path):
    in_two_processes(_one_rank, tmp_path, str(tmp_path))
    for number, (sizes, settings) in enumerate([((4, 4), SETTINGS[0]), ((6, 3), SETTINGS[1])]):
        features, plans = _halves(sizes)
        images, texts = (torch.cat(side).detach().requires_grad_() for side in zip(*features, strict=True))
        scale = torch.tensor(8.0, requires_grad=True)
        joined = MixContrastiveLoss(*settings)(images, texts, scale, rows_of(plans))
        joined.backward()
        first, second = (torch.load(tmp_path / f"{number}-{rank}") for rank in (0, 1))
        assert float(first[0] + second[0]) == pytest.approx(float(joined), rel=1e-6)
        assert (torch.cat([first[1], second[1]]) - images.grad).abs().max() < 1e-6
        assert (torch.cat([first[2], second[2]]) - texts.grad).abs().max() < 1e-6
        assert float(first[3] + second[3]) == pytest.approx(float(scale.grad), rel=1e-5, abs=1e-7)
        own = MixContrastiveLoss(*settings)(*features[0], 8.0, plans[0])
        assert float(first[4]) == pytest.approx(float(own), rel=1e-6)
