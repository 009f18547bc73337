"""Transformers checkpoints: maps equal to plain arithmetic on the weights, and one clear line for what is wrong."""

from __future__ import annotations

import json
import weakref
from functools import partial

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import errors

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import AttentionConfig
from medcutmix_pipeline.stages.attention.device import round_weights
from medcutmix_pipeline.stages.attention.encoder import check_encoder, encoder_image_size, load_encoder
from tests.stages.attention import plain
from tests.stages.attention.small_models import SIDE, save_checkpoint, save_tokenizer

FAMILIES = ("clip", "siglip", "siglip2", "vision-text-dual-encoder", "blip")
SENTENCES = ["Small left effusion", "nodule in the right upper lobe", "heart " * 60, "Small left effusion"]
ROWS = [0, 2, 2, 1]
REFERENCE = "No abnormality is seen."
CLIP_CHANNELS = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Each family's folder and model."""
    root = tmp_path_factory.mktemp("models")
    return {family: (root / family, save_checkpoint(family, root / family)) for family in FAMILIES}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)


def config_of(folder, **settings):
    return AttentionConfig(encoder=str(folder), **{"device": "cpu", "batch": 2, **settings})


def standardised(images, family):
    pixels = torch.from_numpy(images)[:, None].expand(-1, 3, -1, -1).float() / 255
    mean, std = CLIP_CHANNELS if family in ("clip", "blip") else ((0.5,) * 3, (0.5,) * 3)
    return (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


def tokens_of(folder, sentence):
    """By the checkpoint's own tokenizer, cut as its model needs."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)(sentence, truncation=True, max_length=40)["input_ids"]


def vit_names(weights):
    """The layers of a ViT by their shapes and places, whatever this version of transformers calls them."""
    stem = next(k for k in weights if k.startswith("vision_model.") and k.endswith(".0.layernorm_before.weight"))
    stem = stem.removesuffix(".0.layernorm_before.weight")
    parts = [k.removeprefix(f"{stem}.0.").removesuffix(".weight") for k in weights if k.startswith(f"{stem}.0.")]
    matrices = [p for p in parts if not p.endswith(".bias") and "norm" not in p]
    find = {
        "q": ("query", "q_proj"),
        "k": ("key", "k_proj"),
        "v": ("value", "v_proj"),
        "out": ("attention.output.dense", "o_proj", "out_proj"),
        "up": ("intermediate.dense", "fc1", "up_proj"),
    }
    named = {n: next(m for m in matrices if m.endswith(ends)) for n, ends in find.items()}
    (named["down"],) = set(matrices) - set(named.values())
    return {**named, "layers": stem}


def expected_by_cosine(family, folder, model, images):
    weights = {k: v.detach() for k, v in model.state_dict().items()}
    features, sentence = {
        "clip": (plain.clip_features, plain.clip_sentence),
        "siglip": (plain.siglip_features, plain.siglip_sentence),
        "siglip2": (plain.siglip_features, plain.siglip_sentence),
        "vision-text-dual-encoder": (None, plain.dual_sentence),
    }[family]
    features = features or partial(plain.dual_features, names=vit_names(weights))
    seen = features(weights, standardised(images, family))
    scale = float(weights["logit_scale"].exp())
    reference = sentence(weights, tokens_of(folder, REFERENCE))
    for row, text in zip(ROWS, SENTENCES, strict=True):
        asked = sentence(weights, tokens_of(folder, text))
        whole = seen[row, 0] @ asked
        if family.startswith("siglip"):
            score = torch.sigmoid(scale * whole + weights["logit_bias"])
        else:
            score = torch.stack([whole, seen[row, 0] @ reference]).mul(scale).softmax(0)[0]
        yield plain.soft_map(seen[row, 1:] @ asked, scale), score


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_maps_and_scores_equal_plain_arithmetic_on_the_weights(family, device, checkpoints, images):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    folder, model = checkpoints[family]
    encoder = load_encoder(config_of(folder, device=device), None)
    got = encoder.attend(images, ROWS, SENTENCES)
    if family == "blip":
        weights = {k: v.detach() for k, v in model.state_dict().items()}
        pixels = standardised(images, family)
        expected = [
            plain.blip_answer(weights, pixels[r : r + 1], tokens_of(folder, s))
            for r, s in zip(ROWS, SENTENCES, strict=True)
        ]
    else:
        expected = list(expected_by_cosine(family, folder, model, images))
    assert got.maps.dtype == got.scores.dtype == np.float32
    assert got.maps.shape == (4, 4, 4)
    assert (got.maps >= 0).all()
    assert got.truncated == 1
    tolerance = {"rtol": 1e-4, "atol": 1e-6} if device == "cpu" else {"rtol": 0.1, "atol": 0.02}
    np.testing.assert_allclose(got.maps, np.stack([m for m, _ in expected]), **tolerance)
    np.testing.assert_allclose(got.scores, np.array([float(s) for _, s in expected]), **tolerance)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_size_of_images_is_known_without_the_weights(family, checkpoints):
    assert encoder_image_size(config_of(checkpoints[family][0]), None) == SIDE


def test_an_encoder_goes_by_its_folder_s_last_part_and_its_hash_follows_the_weights(checkpoints, tmp_path):
    folder, model = checkpoints["clip"]
    encoder = load_encoder(config_of(folder), None)
    assert encoder.id == "clip"
    other = tmp_path / "clip"
    with torch.no_grad():
        model.logit_scale.add_(0.5)
    model.save_pretrained(other)
    with torch.no_grad():
        model.logit_scale.sub_(0.5)
    save_tokenizer(other)
    assert load_encoder(config_of(other), None).sha256 != encoder.sha256
    assert load_encoder(config_of(folder), None).sha256 == encoder.sha256


def damage_config(folder):
    (folder / "config.json").write_text("{")


def other_family(folder):
    card = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**card, "model_type": "resnet"}))


def cut_weights(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])


def drop_weights(folder):
    (folder / "model.safetensors").unlink()


def drop_tokenizer(folder):
    (folder / "tokenizer.json").unlink()


def damage_tokenizer(folder):
    (folder / "tokenizer.json").write_text('{"model": 1}')


def larger_tokenizer(folder):
    save_tokenizer(folder, extra=20)


def drop_config(folder):
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (damage_config, "config.json cannot be read"),
        (drop_config, "it has no config.json"),
        (other_family, "'resnet', which is not supported"),
        (cut_weights, "model.safetensors cannot be read"),
        (drop_weights, "has no weights"),
        (drop_tokenizer, "has no tokenizer"),
        (damage_tokenizer, "tokenizer of mine cannot be read"),
        (larger_tokenizer, "does not fit"),
    ],
)
def test_a_damaged_checkpoint_is_told_in_one_line_before_any_work(harm, says, tmp_path):
    folder = tmp_path / "mine"
    save_checkpoint("clip", folder)
    check_encoder(config_of(folder))
    harm(folder)
    with pytest.raises(UsageError, match=says) as caught:
        check_encoder(config_of(folder))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_weights_that_a_checkpoint_lacks_are_never_made_up(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "mine"
    save_checkpoint("clip", folder)
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UsageError, match=r"lacks 1 of the weights of a CLIPModel, such as visual_projection.weight"):
        load_encoder(config_of(folder), None)


def test_a_folder_that_is_not_there_is_told_in_one_line():
    with pytest.raises(UsageError, match=r"no folder \./nowhere"):
        check_encoder(AttentionConfig(encoder="./nowhere"))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errors.LocalEntryNotFoundError, "not in the local cache, and the hub cannot be reached"),
        (errors.OfflineModeIsEnabled, "not in the local cache, and the hub cannot be reached"),
        (errors.RepositoryNotFoundError, "there is none of that name"),
        (errors.GatedRepoError, "terms have to be accepted"),
        (errors.HFValidationError, "no name of a model"),
        (TimeoutError, r"the download failed \(TimeoutError\)"),
    ],
)
def test_a_published_model_that_cannot_be_had_is_told_in_one_line_with_the_reason(monkeypatch, error, says):
    def fail(*_, **__):
        raise error.__new__(error)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(UsageError, match=says) as caught:
        check_encoder(AttentionConfig(encoder="somebody/model"))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is here")
def test_cuda_that_is_asked_for_and_absent_is_told_in_one_line():
    with pytest.raises(UsageError, match="cuda was asked for"):
        check_encoder(AttentionConfig(device="cuda"))


def test_a_device_that_does_not_exist_is_told_in_one_line():
    with pytest.raises(UsageError, match="not one of auto, cpu, cuda, cuda:N"):
        check_encoder(AttentionConfig(device="tpu"))


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_that_are_rounded_once_give_the_bytes_of_autocast(family, checkpoints, images):
    """As on a GPU, where it saves time: autocast would round them in every call."""
    pixels, answers = standardised(images, family).contiguous(), []
    for rounds in (False, True):
        encoder = load_encoder(config_of(checkpoints[family][0]), None)
        if rounds:
            round_weights(encoder._model)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            if family == "blip":
                seen = encoder._model.vision_model(pixel_values=pixels).last_hidden_state
            else:
                seen = torch.cat([part.flatten() for part in encoder.embed_images(pixels)])
        answers.append(seen.float().numpy().tobytes())
    assert answers[0] == answers[1]


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_memory_that_runs_out_halves_the_batch_and_changes_nothing(batch, checkpoints, images, monkeypatch):
    folder, _ = checkpoints["clip"]
    whole = load_encoder(config_of(folder, batch=batch), None)
    expected = whole.attend(images, ROWS, SENTENCES)
    small = load_encoder(config_of(folder, batch=batch), None)
    encode = small.encode_images

    def tight(batch_of_images):
        if len(batch_of_images) > 1:
            raise torch.OutOfMemoryError
        return encode(batch_of_images)

    monkeypatch.setattr(small, "encode_images", tight)
    got = small.attend(images, ROWS, SENTENCES)
    np.testing.assert_allclose(got.maps, expected.maps, rtol=1e-5)
    np.testing.assert_allclose(got.scores, expected.scores, rtol=1e-5)


def test_features_are_given_back_before_half_of_them_are_tried(checkpoints, images, monkeypatch):
    encoder = load_encoder(config_of(checkpoints["clip"][0], batch=3), None)
    encode, look, alive, held = encoder.encode_images, encoder.look, [], []

    def seen(batch):
        held.append(sum(one() is not None for one in alive))
        features = encode(batch)
        alive.append(weakref.ref(features))
        return features

    def tight(features, *asked):
        if len(features) > 1:
            raise torch.OutOfMemoryError
        return look(features, *asked)

    monkeypatch.setattr(encoder, "encode_images", seen)
    monkeypatch.setattr(encoder, "look", tight)
    encoder.attend(images, ROWS, SENTENCES)
    assert held == [0] * len(held)
    assert len(held) > 3


def test_each_image_is_encoded_once_however_many_sentences_ask(checkpoints, images, monkeypatch):
    encoder = load_encoder(config_of(checkpoints["clip"][0]), None)
    seen = []
    encode = encoder.encode_images
    monkeypatch.setattr(encoder, "encode_images", lambda batch: seen.append(len(batch)) or encode(batch))
    encoder.attend(images, [2, 0, 2, 2, 0], ["a", "b", "c", "d", "e"])
    assert sum(seen) == 2


def test_nothing_asked_gives_nothing(checkpoints, images):
    got = load_encoder(config_of(checkpoints["clip"][0]), None).attend(images, [], [])
    assert len(got.maps) == len(got.scores) == 0
