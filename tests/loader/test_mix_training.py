"""The mix in training as it is: transformers' encoders, autocast, gradient checkpointing and torch.compile."""

from __future__ import annotations

import copy
import re
import threading

import numpy as np
import pytest
import torch
import transformers
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

from medcutmix_pipeline.loader.mixing.mix import AttentiveManifoldMix
from tests.loader.mixing import assert_same, expected_mix, expected_weights, gradients, random_plan, small_cnn

VIT = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 32,
    "patch_size": 8,
}
SWIN = {"image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 2}
CONV = {"hidden_sizes": [6, 10], "depths": [1, 1]}

# class, configuration, layout, prefix tokens, grid
ENCODERS = {
    "CLIPVision": (VIT, "NLC", 1, (4, 4)),
    "ViT": (VIT, "NLC", 1, (4, 4)),
    "DeiT": (VIT, "NLC", 2, (4, 4)),
    "Dinov2WithRegisters": (VIT | {"num_register_tokens": 3}, "NLC", 4, (4, 4)),
    "SiglipVision": (VIT, "NLC", 0, (4, 4)),
    "BlipVision": (VIT, "NLC", 1, (4, 4)),
    "Swin": (SWIN, "NLC", 0, (4, 4)),
    "ConvNext": (CONV | {"num_stages": 2}, "NCHW", 0, (8, 8)),
    "ResNet": (CONV | {"embedding_size": 6, "layer_type": "basic"}, "NCHW", 0, (8, 8)),
}


def encoder(name, **more):
    torch.manual_seed(0)
    settings = ENCODERS[name][0] | more
    model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**settings))
    return model.train()


def block_of(model, number=0):
    """The name of a block of the encoder; it differs between versions of transformers."""
    return next(n for n, _ in model.named_modules() if re.search(rf"(^|\.)(layers?|stages)\.{number}$", n))


def small_vit():
    return encoder("ViT", num_channels=1)


def last(output):
    return output if isinstance(output, torch.Tensor) else output.last_hidden_state


@pytest.mark.parametrize("name", ENCODERS)
def test_layout_and_prefix_tokens_of_transformers_encoders_are_found(name):
    model, plan = encoder(name), random_plan(5, seed=1, active=3)
    _, layout, prefix, grid = ENCODERS[name]
    block, seen = model.get_submodule(block_of(model)), []
    block.register_forward_hook(lambda m, i, out: seen.append(out))
    mix = AttentiveManifoldMix(model, block_of(model))
    block.register_forward_hook(lambda m, i, out: seen.append(out))
    with mix(plan):
        model(torch.randn(5, 3, 32, 32))
    before, after = ((out[0] if isinstance(out, tuple) else out).detach().numpy() for out in seen)
    expected = expected_mix(before, plan, expected_weights(plan, grid, "soft", 0.5, "donor"), layout, prefix)
    assert not np.array_equal(before, after)
    assert np.abs(after - expected).max() < 1e-6 * max(1, np.abs(expected).max())


def test_the_image_tower_of_a_dual_encoder_is_mixed_and_the_text_tower_is_not_asked():
    text = {k: VIT[k] for k in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")}
    text |= {"vocab_size": 50, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    model = transformers.CLIPModel(transformers.CLIPConfig(vision_config=VIT, text_config=text)).train()
    layer = next(n for n, _ in model.named_modules() if re.fullmatch(r"vision_model.*layers\.0", n))
    images, tokens, plan = torch.randn(4, 3, 32, 32), torch.randint(3, 50, (4, 7)), random_plan(4, active=2)
    plain = model(input_ids=tokens, pixel_values=images)
    with AttentiveManifoldMix(model, layer)(plan):
        mixed = model(input_ids=tokens, pixel_values=images)
    assert torch.equal(mixed.text_embeds, plain.text_embeds)
    changed = (mixed.image_embeds != plain.image_embeds).any(1)
    assert torch.equal(changed, plan.active)


def test_a_layer_in_front_of_the_prefix_tokens_is_read_without_them():
    model, plan = encoder("ViT"), random_plan(4)
    layer = next(n for n, _ in model.named_modules() if n.endswith("patch_embeddings"))
    mix = AttentiveManifoldMix(model, layer)
    with mix(plan):
        model(torch.randn(4, 3, 32, 32))
    assert mix.weights.shape == (4, 4, 4)


@pytest.mark.parametrize("make", [small_cnn, small_vit])
def test_autocast_changes_features_to_half_precision_and_weights_not_at_all(make):
    model, plan, images = make(), random_plan(4), torch.randn(4, 1, 32, 32)
    mix = AttentiveManifoldMix(model, "0" if make is small_cnn else block_of(model))
    with mix(plan):
        plain = last(model(images))
    weights = mix.weights
    with mix(plan), torch.autocast("cpu", dtype=torch.bfloat16):
        half = last(model(images))
        assert torch.equal(mix.weights, weights)
    assert mix.weights.dtype == torch.float32
    assert (half - plain).abs().max() < 0.1
    half.float().sum().backward()


@pytest.mark.parametrize("backward_within", [True, False])
@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_runs_the_layer_again_under_the_same_plan(reentrant, backward_within):
    model, images = small_cnn(), torch.randn(6, 1, 32, 32, requires_grad=True)
    mix, runs = AttentiveManifoldMix(model, "0"), []
    model[0].register_forward_pre_hook(lambda *_: runs.append(1))
    for seed in range(3):
        plan = random_plan(6, seed, active=seed * 2)
        collected = []
        for head in (model[0], lambda x: checkpoint(model[0], x, use_reentrant=reentrant)):
            model.zero_grad()
            with mix(plan):
                loss = model[1:](head(images)).square().sum()
                if backward_within:
                    loss.backward()
            if not backward_within:
                loss.backward()
            collected.append(gradients(model))
        assert_same(*collected, within=0)
    assert len(runs) == 3 * (1 + 2)


def test_a_backward_pass_in_another_thread_sees_the_plan():
    model, images, plan = small_cnn(), torch.randn(6, 1, 32, 32, requires_grad=True), random_plan(6)
    mix, collected = AttentiveManifoldMix(model, "0"), []
    for head in (model[0], lambda x: checkpoint(model[0], x, use_reentrant=False)):
        model.zero_grad()
        with mix(plan):
            loss = model[1:](head(images)).square().sum()
        backward = threading.Thread(target=loss.backward)
        backward.start()
        backward.join()
        collected.append(gradients(model))
    assert_same(*collected, within=0)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_of_transformers_gives_the_same_gradients(reentrant):
    plain = small_vit()
    saving = copy.deepcopy(plain)
    saving.gradient_checkpointing_enable({"use_reentrant": reentrant})
    images, plan, collected = torch.randn(6, 1, 32, 32, requires_grad=True), random_plan(6, active=4), []
    for model in (plain, saving):
        with AttentiveManifoldMix(model, [block_of(model, 0), block_of(model, 1)])(plan):
            loss = model(images).last_hidden_state[:, 0].square().sum()
        loss.backward()
        collected.append(gradients(model))
    assert_same(*collected, within=1e-6)


@torch._dynamo.config.patch(force_nn_module_property_static_shapes=False)
@pytest.mark.parametrize(
    ("make", "several", "mode", "backend"),
    [
        (small_cnn, False, "replace", "aot_eager"),
        (small_cnn, False, "append", "aot_eager"),
        (small_vit, True, "replace", "eager"),
    ],
)
def test_a_compiled_model_has_one_graph_for_each_layer_and_one_without_the_mix(make, several, mode, backend):
    torch._dynamo.reset()
    model, images = make(), torch.randn(6, 1, 32, 32)
    layers = [block_of(model, n) for n in (0, 1)] if several else ["0"]
    mix = AttentiveManifoldMix(model, layers, mode=mode, weights="hard-mass", map="union")
    counter = CompileCounterWithBackend(backend)
    compiled = torch.compile(model, backend=counter, fullgraph=True)
    graphs, drawn = [], set()
    for step in range(16):
        # Any number of rows but one: a size of one has a graph of its own wherever sizes differ.
        plan = random_plan(6, step, active=[0, 6, 3, 4, 2, 5, 6, 3][step % 8])
        with mix(plan):
            ours = last(compiled(images))
        with mix(plan):
            theirs = last(model(images))
        drawn.add(mix.drawn)
        assert (ours - theirs).abs().max() < 1e-5
        ours.sum().backward()
        graphs.append(counter.frame_count)
    assert drawn == set(layers)
    if mode == "replace":
        assert graphs[-1] == len(layers) + 1
    assert graphs[-1] == graphs[7]
