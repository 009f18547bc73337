"""On a GPU: the same bytes each time, what a CPU answers, and memory that really runs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medcutmix_pipeline.schemas.config import AttentionConfig
from medcutmix_pipeline.stages.attention import device
from medcutmix_pipeline.stages.attention.encoder import load_encoder
from medcutmix_pipeline.stages.attention.fit import fit_encoder
from tests.stages.attention.fit_once import CONFIG, material
from tests.stages.attention.small_models import SIDE, save_checkpoint

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

ROWS, SENTENCES = [0, 1, 1, 5], ["left fracture", "the right effusion", "never heard of", "edema"]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit") / "encoder"
    images, pairs = material()
    fit_encoder(images, pairs, CONFIG.fit, 7, folder, lambda *_: None, "cuda")
    return folder, images, pairs


def test_a_fit_gives_the_same_weights_again_and_saves_them_for_any_device(fitted, tmp_path):
    folder, images, pairs = fitted
    fit_encoder(images, pairs, CONFIG.fit, 7, tmp_path, lambda *_: None, "cuda")
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    assert load_encoder(CONFIG, folder).attend(images, ROWS, SENTENCES).maps.shape == (4, 16, 16)


def test_a_fitted_encoder_answers_on_a_gpu_as_on_a_cpu(fitted):
    folder, images, _ = fitted
    here = load_encoder(CONFIG, folder).attend(images, ROWS, SENTENCES)
    there = load_encoder(CONFIG.model_copy(update={"device": "cuda"}), folder).attend(images, ROWS, SENTENCES)
    np.testing.assert_allclose(there.maps, here.maps, rtol=0.02, atol=1e-5)
    np.testing.assert_allclose(there.scores, here.scores, rtol=0.01)


@pytest.mark.parametrize("family", ["clip", "siglip", "siglip2", "vision-text-dual-encoder", "blip"])
def test_maps_and_scores_are_the_same_bytes_each_time(family, tmp_path):
    save_checkpoint(family, tmp_path)
    images = np.random.default_rng(1).integers(0, 256, (40, SIDE, SIDE), dtype=np.uint8)
    rows = [n % 40 for n in range(100)]
    sentences = [f"left effusion {'nodule ' * (n % 3)}" for n in range(100)]
    config = AttentionConfig(encoder=str(tmp_path), device="cuda", batch=7)
    first, second = (load_encoder(config, None).attend(images, rows, sentences) for _ in range(2))
    assert first.maps.tobytes() == second.maps.tobytes()
    assert first.scores.tobytes() == second.scores.tobytes()


@pytest.mark.parametrize("family", ["clip", "siglip", "siglip2", "vision-text-dual-encoder", "blip"])
def test_weights_that_are_rounded_once_give_the_bytes_of_autocast(family, tmp_path, monkeypatch):
    save_checkpoint(family, tmp_path)
    images = np.random.default_rng(1).integers(0, 256, (6, SIDE, SIDE), dtype=np.uint8)
    config = AttentionConfig(encoder=str(tmp_path), device="cuda")
    rounded = load_encoder(config, None).attend(images, ROWS, SENTENCES)
    monkeypatch.setattr(device, "round_weights", lambda model: None)
    whole = load_encoder(config, None).attend(images, ROWS, SENTENCES)
    assert rounded.maps.tobytes() == whole.maps.tobytes()
    assert rounded.scores.tobytes() == whole.scores.tobytes()


def test_memory_that_really_runs_out_is_answered_in_halves(tmp_path, caplog):
    save_checkpoint("clip", tmp_path)
    images = np.random.default_rng(1).integers(0, 256, (8192, SIDE, SIDE), dtype=np.uint8)
    rows, sentences = list(range(8192)), ["nodule"] * 8192
    config = AttentionConfig(encoder=str(tmp_path), device="cuda", batch=8192)
    torch.cuda.empty_cache()
    whole = load_encoder(config, None)
    torch.cuda.reset_peak_memory_stats()
    expected = whole.attend(images, rows, sentences)
    share = 0.5 * torch.cuda.max_memory_reserved() / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(share)
    try:
        got = whole.attend(images, rows, sentences)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "going on with half" in caplog.text
    np.testing.assert_allclose(got.maps, expected.maps, rtol=0.05, atol=0.01)
    np.testing.assert_allclose(got.scores, expected.scores, rtol=0.05, atol=0.01)
