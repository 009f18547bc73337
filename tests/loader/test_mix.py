"""Mixed features equal the formula computed in numpy, for every layout, kind, map and mode; all else stays."""

from __future__ import annotations

import collections
import copy
import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers.modeling_outputs import BaseModelOutput

from medcutmix_pipeline.loader.batch import MixBatch
from medcutmix_pipeline.loader.mixing.mix import AttentiveManifoldMix
from medcutmix_pipeline.loader.mixing.weights import KINDS, MAPS
from tests.loader.mixing import expected_mix, expected_weights, random_plan

ROWS = 6
# layout, shape of the features, grid, prefix tokens, shape of the maps, settings beyond what `auto` finds out
LAYOUTS = {
    "cnn": ("NCHW", (ROWS, 5, 7, 7), (7, 7), 0, (8, 8), {}),
    "cnn, not square": ("NCHW", (ROWS, 3, 4, 8), (4, 8), 0, (6, 12), {}),
    "cnn, side rounded up": ("NCHW", (ROWS, 16, 4, 5), (4, 5), 0, (7, 8), {}),
    "channels last": ("NHWC", (ROWS, 7, 7, 5), (7, 7), 0, (8, 8), {}),
    "channels last, as told": ("NHWC", (ROWS, 4, 4, 4), (4, 4), 0, (8, 8), {"layout": "NHWC"}),
    "tokens": ("NLC", (ROWS, 16, 5), (4, 4), 0, (8, 8), {}),
    "tokens, not square": ("NLC", (ROWS, 18, 5), (3, 6), 0, (4, 8), {}),
    "tokens on a grid of one's own": (
        "NLC",
        (ROWS, 1 + 15, 5),
        (3, 5),
        1,
        (8, 8),
        {"grid": (3, 5), "prefix_tokens": 1},
    ),
    "tokens with prefix": ("NLC", (ROWS, 5 + 16, 4), (4, 4), 5, (8, 8), {"prefix_tokens": 5}),
    "tokens first": ("LNC", (1 + 16, ROWS, 4), (4, 4), 1, (8, 8), {"prefix_tokens": 1}),
    "as many tokens as rows": ("LNC", (ROWS, ROWS, 4), (1, 5), 1, (8, 8), {"layout": "LNC", "grid": (1, 5)}),
}


class Layer(nn.Module):
    """Gives its input, in a shape of output of one's choice."""

    def __init__(self, wrap=lambda x: x):
        super().__init__()
        self.inner = nn.Identity()
        self.inner.forward = wrap

    def forward(self, x):
        return self.inner(x)


def mixed(features, plan, **settings):
    model = Layer()
    with AttentiveManifoldMix(model, "inner", **settings)(plan):
        return model(features)


@pytest.mark.parametrize("mode", ["replace", "append"])
@pytest.mark.parametrize("source", MAPS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", LAYOUTS)
def test_mixed_features_equal_the_formula_in_numpy(case, kind, source, mode):
    layout, shape, grid, prefix, maps, settings = LAYOUTS[case]
    plan = random_plan(ROWS, seed=4, active=4, maps=maps)
    features = torch.randn(shape, generator=torch.Generator().manual_seed(1), requires_grad=True)
    out = mixed(features, plan, weights=kind, share=0.6, map=source, mode=mode, **settings)

    weights = expected_weights(plan, grid, kind, 0.6, source)
    expected = expected_mix(features.detach().numpy(), plan, weights, layout, prefix)
    if mode == "append":
        axis = layout.index("N")
        added = expected.take(np.flatnonzero(plan.active), axis)
        expected = np.concatenate([features.detach().numpy(), added], axis)
    assert out.shape == expected.shape
    # Features are float32 of a few units: 1e-6 of the largest.
    assert np.abs(out.detach().numpy() - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("mode", ["replace", "append"])
@pytest.mark.parametrize("case", ["cnn", "channels last", "tokens with prefix", "tokens first"])
def test_gradients_equal_those_of_the_plain_formula(case, mode):
    layout, shape, grid, prefix, maps, settings = LAYOUTS[case]
    plan = random_plan(ROWS, seed=5, active=4, maps=maps)
    features = torch.randn(shape, requires_grad=True)
    out = mixed(features, plan, mode=mode, **settings)
    upstream = torch.randn_like(out)
    (ours,) = torch.autograd.grad(out, features, upstream)

    weights = torch.from_numpy(expected_weights(plan, grid, "soft", 0.5, "donor"))
    plain = features.double().movedim(layout.index("N"), 0)
    spread = {"NCHW": weights[:, None], "NHWC": weights[..., None]}.get(layout)
    if spread is None:
        spread = torch.cat([torch.zeros(ROWS, prefix), weights.flatten(1)], 1)[..., None]
    formula = plain + spread * (plain[plan.donor] - plain)
    if mode == "append":
        formula = torch.cat([plain, formula[plan.active]])
    (theirs,) = torch.autograd.grad(formula.movedim(0, layout.index("N")), features, upstream.double())
    # A sum of float32 terms, up to one for each row that has it as donor.
    assert (ours - theirs).abs().max() < 1e-6 * theirs.abs().max()


@given(st.integers(2, 9), st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.sampled_from(["NCHW", "NLC"]))
def test_hosts_without_an_active_plan_are_untouched_to_the_bit(rows, seed, kind, layout):
    plan = random_plan(rows, seed, active=rows // 2)
    random = np.random.default_rng(seed)
    values = np.array([-0.0, 0.0, np.inf, -np.inf, np.nan, 1e-45, 1.5], np.float32)
    features = torch.from_numpy(random.choice(values, (rows, 3, 4, 4) if layout == "NCHW" else (rows, 2 + 16, 3)))
    settings = {"weights": kind, "layout": layout, "prefix_tokens": 2 if layout == "NLC" else "auto"}
    out = mixed(features, plan, **settings)
    # Compared as bits: -0.0 equals 0.0, and NaN nothing.
    assert torch.equal(out[~plan.active].view(torch.int32), features[~plan.active].view(torch.int32))
    if layout == "NLC":
        assert torch.equal(out[:, :2].view(torch.int32), features[:, :2].view(torch.int32))
    appended = mixed(features, plan, mode="append", **settings)
    assert torch.equal(appended[:rows].view(torch.int32), features.view(torch.int32))


def test_a_donor_that_is_not_finite_harms_no_cell_outside_of_its_map():
    plan = random_plan(4, active=4)
    half = plan.donor_map.clone()
    half[:, :, :4] = 0
    features = torch.ones(4, 2, 8, 8)
    features[int(plan.donor[0])] = torch.inf
    features.requires_grad_()
    out = mixed(features, replace(plan, donor_map=half))
    assert torch.equal(out[..., :4], features[..., :4])
    out[..., :4].sum().backward()
    assert torch.equal(features.grad[..., :4], torch.ones(4, 2, 8, 4))


def test_a_weight_of_one_gives_the_donor():
    plan = random_plan(4, active=4)
    features = torch.randn(4, 3, 8, 8)
    out = mixed(features, replace(plan, lam=torch.zeros(4)), weights="uniform")
    assert torch.equal(out, features[plan.donor])


def test_nothing_to_mix_gives_the_very_object_of_the_layer():
    features = torch.randn(4, 3, 8, 8)
    model = Layer()
    mix = AttentiveManifoldMix(model, "inner")
    plan = random_plan(4)
    assert model(features) is features
    for nothing in (random_plan(4, active=0), None):
        with mix(nothing):
            assert model(features) is features
    with mix(plan):
        assert model(features) is not features
        model.eval()
        assert model(features) is features
    model.train()
    assert model(features) is features
    mix.remove()
    with mix(plan):
        assert model(features) is features


def test_a_batch_is_mixed_by_its_plan_and_an_inner_context_gives_way_to_the_outer():
    features, model = torch.randn(4, 3, 8, 8), Layer()
    outer, inner = random_plan(4, seed=1), random_plan(4, seed=2)
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    batch = MixBatch(images, [""] * 4, [""] * 4, [""] * 4, [{}] * 4, outer, torch.zeros(4, dtype=torch.bool))
    mix = AttentiveManifoldMix(model, "inner")
    with mix(batch):
        by_outer = model(features)
        with mix(inner):
            assert torch.equal(model(features), mixed(features, inner))
        with pytest.raises(ValueError, match="no layer"), mix(inner):
            AttentiveManifoldMix(model, "other")
        assert torch.equal(model(features), by_outer)
    assert torch.equal(by_outer, mixed(features, outer))
    assert model(features) is features


Pair = collections.namedtuple("Pair", "features attention")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: (x, "attention"),
        lambda x: [x, "attention"],
        lambda x: Pair(x, "attention"),
        lambda x: BaseModelOutput(last_hidden_state=x, attentions=("attention",)),
    ],
)
def test_features_within_a_tuple_list_or_output_are_mixed_and_the_rest_is_kept(wrap):
    features, model, plan = torch.randn(4, 16, 3), Layer(wrap), random_plan(4)
    with AttentiveManifoldMix(model, "inner")(plan):
        out = model(features)
    assert type(out) is type(wrap(features))
    assert torch.equal(out[0], mixed(features, plan))
    assert out[1] in ("attention", ("attention",))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_features_keep_their_dtype_and_weights_are_cast_last(dtype):
    features, plan = torch.randn(4, 3, 7, 7), random_plan(4)
    out = mixed(features.to(dtype), plan)
    assert out.dtype == dtype
    assert (out.float() - mixed(features, plan)).abs().max() < 8 * torch.finfo(dtype).eps + 1e-6


def test_the_layer_is_drawn_by_the_plan_alone():
    model = nn.Sequential(*[nn.Conv2d(1, 1, 1) for _ in range(3)])
    mix = AttentiveManifoldMix(model, ["0", "1", "2"])
    again = AttentiveManifoldMix(copy.deepcopy(model), ["0", "1", "2"])
    drawn = []
    for draw in range(300):
        plan = replace(random_plan(4), draw=draw)
        with mix(plan), again(plan):
            pass
        assert mix.drawn == again.drawn
        drawn.append(mix.drawn)
    counts = collections.Counter(drawn)
    assert set(counts) == {"0", "1", "2"}
    assert min(counts.values()) > 60


def test_weights_and_shares_are_those_of_the_last_step():
    model, plan = Layer(), random_plan(4, active=2)
    mix = AttentiveManifoldMix(model, "inner")
    with pytest.raises(RuntimeError, match="after a step"):
        mix.host_share()
    with mix(plan):
        model(torch.randn(4, 3, 6, 6, requires_grad=True))
    weights = expected_weights(plan, (6, 6), "soft", 0.5, "donor")
    assert not mix.weights.requires_grad
    assert np.abs(mix.weights.numpy() - weights).max() < 1e-6
    assert np.abs(mix.host_share().numpy() - (1 - weights.mean((1, 2)))).max() < 1e-6
    assert torch.equal(mix.host_share("attention")[~plan.active], torch.ones(2))
    with mix(random_plan(3, active=0)):
        model(torch.randn(3, 3, 6, 6))
    assert mix.weights is None
    assert torch.equal(mix.host_share(), torch.ones(3))


def test_shares_of_appended_rows_follow_those_of_the_batch():
    model, plan = Layer(), random_plan(4, active=2)
    mix = AttentiveManifoldMix(model, "inner", mode="append")
    with mix(plan):
        model(torch.randn(4, 3, 6, 6))
    shares = mix.host_share()
    assert len(shares) == len(plan.appended())
    assert torch.equal(shares[:4], torch.ones(4))
    assert (shares[4:] < 1).all()


def test_the_model_stays_what_it_was_and_its_copies_do_not_mix():
    model, plan, features = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU()), random_plan(4), torch.randn(4, 1, 8, 8)
    names = list(model.state_dict()), [n for n, _ in model.named_modules()]
    mix = AttentiveManifoldMix(model, "0")
    assert (list(model.state_dict()), [n for n, _ in model.named_modules()]) == names
    plain = model(features)
    stored = io.BytesIO()
    torch.save(model, stored)
    with mix(plan):
        assert not torch.equal(model(features), plain)
        copies = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
        for duplicate in (*copies, torch.load(io.BytesIO(stored.getvalue()), weights_only=False)):
            assert torch.equal(duplicate(features), plain)
    with AttentiveManifoldMix(copies[0], "0")(plan):
        assert not torch.equal(copies[0](features), plain)


class Learner(nn.Module):
    """Holds a model and its mix, one before the other."""

    def __init__(self, mix_first):
        super().__init__()
        model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU())
        if mix_first:
            # A module's own __dict__ is copied in order: this comes before the module's submodules.
            self.__dict__ = {"mix": AttentiveManifoldMix(model, "0")} | self.__dict__
        self.model = model
        if not mix_first:
            self.mix = AttentiveManifoldMix(model, "0")


@pytest.mark.parametrize("mix_first", [True, False])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda held: pickle.loads(pickle.dumps(held))])
def test_a_copy_of_what_holds_model_and_mix_mixes_for_itself(duplicate, mix_first):
    torch.manual_seed(0)  # weights by chance may give nothing but zeros behind the ReLU, mixed or not
    learner, plan, features = Learner(mix_first), random_plan(4), torch.randn(4, 1, 8, 8)
    with learner.mix(plan):
        mixed, copied = learner.model(features), duplicate(duplicate(learner))
        assert torch.equal(copied.model(features), learner.model[:1].eval()(features).relu())
    learner.train()
    with copied.mix(plan):
        assert torch.equal(copied.model(features), mixed)
        assert not torch.equal(learner.model(features), mixed)
    assert torch.equal(copied.mix.host_share(), learner.mix.host_share())
    copied.mix.remove()
    with copied.mix(plan), learner.mix(plan):
        assert not torch.equal(copied.model(features), mixed)
        assert torch.equal(learner.model(features), mixed)


def test_a_copy_of_a_mix_that_has_no_model_says_so_on_entry():
    model, plan, features = Layer(), random_plan(4), torch.randn(4, 3, 8, 8)
    mix = AttentiveManifoldMix(model, "inner")
    with pytest.raises(RuntimeError, match="a copy that has no model: make a new one"), copy.copy(mix)(plan):
        pass
    with mix(plan):
        assert model(features) is not features


@pytest.mark.parametrize("layer", ["0", "1"], ids=["with parameters", "without"])
def test_a_model_that_is_moved_after_its_mix_was_made_is_mixed_where_it_is(layer):
    model, plan = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU()), random_plan(4, maps=(6, 6))
    mix = AttentiveManifoldMix(model, layer)
    model.to("meta")
    with mix(plan):
        out = model(torch.randn(4, 1, 8, 8, device="meta"))
    assert out.device.type == mix.weights.device.type == mix.host_share().device.type == "meta"
    back = model.to_empty(device="cpu")
    for parameter in back.parameters():
        nn.init.normal_(parameter)
    with mix(plan):
        mixed = back(torch.ones(4, 1, 8, 8))
    assert torch.equal(mixed[~plan.active], back(torch.ones(4, 1, 8, 8))[~plan.active])
    assert np.abs(mix.weights.numpy() - expected_weights(plan, (8, 8), "soft", 0.5, "donor")).max() < 1e-6


def test_layers_are_found_with_and_without_the_names_of_wrappers():
    model = nn.Sequential(collections.OrderedDict(stem=nn.Conv2d(1, 1, 1), body=nn.Sequential(nn.ReLU())))
    wrapped = nn.Sequential(collections.OrderedDict(module=nn.Sequential(collections.OrderedDict(_orig_mod=model))))
    assert AttentiveManifoldMix(wrapped, "body.0").layers == ["module._orig_mod.body.0"]
    assert AttentiveManifoldMix(wrapped, "module.body.0").layers == ["module._orig_mod.body.0"]
    assert AttentiveManifoldMix(model, "module.body.0").layers == ["body.0"]


@pytest.mark.parametrize(
    ("layers", "says"),
    [("bdy", "did you mean 'body'"), ("0", "did you mean 'body.0'"), ([], "at least one"), (["stem", "stem"], "twice")],
)
def test_layers_that_do_not_exist_are_refused_with_those_that_are_close(layers, says):
    model = nn.Sequential(collections.OrderedDict(stem=nn.Conv2d(1, 1, 1), body=nn.Sequential(nn.ReLU())))
    with pytest.raises(ValueError, match=says):
        AttentiveManifoldMix(model, layers)


@pytest.mark.parametrize(
    "settings", [{"weights": "hard"}, {"map": "host"}, {"mode": "add"}, {"layout": "BCHW"}, {"prefix_tokens": "one"}]
)
def test_settings_that_do_not_exist_are_refused(settings):
    with pytest.raises(ValueError, match="must be"):
        AttentiveManifoldMix(Layer(), "inner", **settings)


@pytest.mark.parametrize(
    ("shape", "settings", "says"),
    [
        ((5, 3, 8, 8), {}, "5 rows, but the plan has 4"),
        ((8, 16, 3), {}, "8 rows, but the plan has 4"),
        ((4, 8, 8, 8), {}, "say layout='NCHW' or 'NHWC'"),
        ((4, 3, 5, 9), {}, "say layout="),
        ((4, 4, 8), {}, "say layout='NLC' or 'LNC'"),
        ((4, 17, 8), {}, "say prefix_tokens"),
        ((4, 17, 8), {"prefix_tokens": 2}, "say grid"),
        ((4, 17, 8), {"grid": (4, 5)}, "a grid of 4×5"),
        ((4, 3, 8, 8), {"grid": (4, 4)}, "say layout="),
        ((4, 3, 8, 8), {"layout": "NCHW", "grid": (4, 4)}, "grid is not 4×4"),
        ((4, 3, 8, 8), {"layout": "NLC"}, "cannot be layout"),
        ((4, 3), {}, "3 or 4 dimensions"),
    ],
)
def test_features_that_do_not_fit_are_refused_with_what_to_say(shape, settings, says):
    with pytest.raises(ValueError, match=says):
        mixed(torch.randn(shape), random_plan(4), **settings)


@pytest.mark.parametrize("output", [{"features": 1}, "text", torch.zeros(4, 3, 8, 8, dtype=torch.int64), ()])
def test_a_layer_that_gives_no_features_is_refused(output):
    model = Layer(lambda _: output)
    with AttentiveManifoldMix(model, "inner")(random_plan(4)), pytest.raises(ValueError, match="no features to mix"):
        model(torch.zeros(1))
