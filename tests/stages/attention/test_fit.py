"""The fitted encoder: the same bytes each time, no patient in its files, and maps that learn where things are."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.config import AttentionConfig, FitConfig
from medcutmix_pipeline.stages.attention.checkpoint import Card, save_checkpoint
from medcutmix_pipeline.stages.attention.encoder import encoder_image_size, load_encoder
from medcutmix_pipeline.stages.attention.fit import Pair, fit_encoder
from medcutmix_pipeline.stages.attention.learner import Learner
from medcutmix_pipeline.stages.ingest import image_view
from tests.stages.attention.fit_once import CONFIG, material

ROOT = Path(__file__).resolve().parents[3]


def quiet(*_):
    """Progress that nobody looks at."""


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit") / "encoder"
    images, pairs = material()
    seen = []
    fit_encoder(images, pairs, CONFIG.fit, 7, folder, lambda *told: seen.append(told))
    return folder, images, seen


def test_fresh_processes_with_other_thread_settings_give_the_same_weights_and_maps(fitted, tmp_path):
    folder, images, _ = fitted
    here = load_encoder(CONFIG, folder).attend(
        images, [0, 1, 1], ["left nodule", "the right effusion", "never heard of"]
    )
    for threads in ("1", "2"):
        other = tmp_path / threads
        subprocess.run(
            [sys.executable, "-m", "tests.stages.attention.fit_once", str(other), threads],
            check=True,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
        )
        for name in ("model.safetensors", "config.json"):
            assert (other / name).read_bytes() == (folder / name).read_bytes()
        there = np.load(other / "maps.npz")
        assert there["maps"].tobytes() == here.maps.tobytes()
        assert there["scores"].tobytes() == here.scores.tobytes()


def test_a_fit_leaves_torch_as_it_was(tmp_path):
    torch.manual_seed(5)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state().tolist()
    images, pairs = material(8)
    fit_encoder(
        images, pairs, FitConfig(image_size=64, steps=1, batch=4, width=16, threads=1), 0, tmp_path, lambda *_: None
    )
    after = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.get_rng_state().tolist()
    assert after == before


def test_progress_tells_every_step(fitted):
    _, _, seen = fitted
    assert [told[:2] for told in seen] == [(n, 4) for n in range(1, 5)]
    assert all(np.isfinite(loss) for _, _, loss in seen)


def test_a_map_and_a_score_are_the_means_of_those_that_each_network_gives_alone(fitted, tmp_path):
    folder, images, _ = fitted
    weights, card = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    asked = [0, 1, 5], ["There is fracture on the left.", "edema", "There is fracture on the right."]
    together = load_encoder(CONFIG, folder).attend(images, *asked)
    alone = []
    for n in range(card["networks"]):
        own = {f"members.0.{k.split('.', 2)[2]}": v for k, v in weights.items() if k.startswith(f"members.{n}.")}
        save_checkpoint(tmp_path / str(n), Card(64, 16, 1, tuple(card["vocabulary"])), own)
        alone.append(load_encoder(CONFIG, tmp_path / str(n)).attend(images, *asked))
    assert len(alone) == 2
    assert np.abs(alone[0].maps - alone[1].maps).max() > 1e-4
    np.testing.assert_allclose(together.maps, np.mean([a.maps for a in alone], 0), rtol=1e-5)
    np.testing.assert_allclose(together.scores, np.mean([a.scores for a in alone], 0), rtol=1e-5)


def test_another_seed_gives_another_encoder_with_another_hash(fitted, tmp_path):
    folder, images, _ = fitted
    fit_encoder(images, material()[1], CONFIG.fit, 8, tmp_path, lambda *_: None)
    assert load_encoder(CONFIG, tmp_path).sha256 != load_encoder(CONFIG, folder).sha256


def test_attention_sums_to_one_and_scores_are_shares_even_for_words_never_seen(fitted):
    folder, images, _ = fitted
    got = load_encoder(CONFIG, folder).attend(images, [3, 3, 0], ["", "Zyx 12 ÄÖ", "word " * 100])
    assert got.maps.shape == (3, 16, 16)
    np.testing.assert_allclose(got.maps.sum((1, 2)), 1, rtol=1e-5)
    assert ((got.scores >= 0) & (got.scores <= 1)).all()
    assert got.truncated == 1


@pytest.mark.parametrize(
    "others", ["x", "There is pleural effusion in the right base, and edema and fracture in the left."]
)
def test_the_same_sentence_asked_beside_shorter_or_longer_ones_is_answered_alike(others, fitted):
    folder, images, _ = fitted
    encoder = load_encoder(CONFIG, folder)
    alone = encoder.attend(images, [2], ["There is fracture on the left."])
    among = encoder.attend(images, [0, 2, 2], [others, "There is fracture on the left.", "x"])
    np.testing.assert_allclose(among.maps[1], alone.maps[0], rtol=1e-4)
    np.testing.assert_allclose(among.scores[1], alone.scores[0], rtol=1e-5)


def test_no_word_of_a_single_patient_is_in_the_files(tmp_path):
    images, pairs = material()
    first = next(p for p in pairs if p.sentence)
    named = [
        Pair(p.image, p.sentence.replace(".", " in Mr Featherstonehaugh."), p.findings, p.view, p.patient, p.labels)
        if p.patient == first.patient and p.sentence
        else p
        for p in pairs
    ]
    fit_encoder(images, named, CONFIG.fit, 0, tmp_path, lambda *_: None)
    assert "there" in json.loads((tmp_path / "config.json").read_text())["vocabulary"]
    for path in tmp_path.iterdir():
        assert b"featherstonehaugh" not in path.read_bytes().lower()


def test_a_corpus_without_a_diagnostic_sentence_cannot_be_fitted(tmp_path):
    images, pairs = material(8)
    plain = [Pair(p.image, "", (), p.view, p.patient, p.labels) for p in pairs]
    with pytest.raises(DataError, match="no report has a diagnostic sentence"):
        fit_encoder(images, plain, CONFIG.fit, 0, tmp_path, lambda *_: None)


def test_a_fitted_encoder_knows_its_own_image_size(fitted, tmp_path):
    folder, _, _ = fitted
    assert encoder_image_size(AttentionConfig(), folder) == 64
    assert encoder_image_size(AttentionConfig(), tmp_path) == FitConfig().image_size


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("harm", ["missing", "cut"])
def test_a_missing_or_damaged_checkpoint_is_told_in_one_line(name, harm, fitted, tmp_path):
    folder, _, _ = fitted
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if harm == "missing":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes((folder / name).read_bytes()[:200])
    with pytest.raises(UsageError, match=name) as caught:
        load_encoder(CONFIG, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_storage_that_fails_is_not_taken_for_a_damaged_checkpoint(name, fitted, monkeypatch):
    folder, _, _ = fitted
    for method in ("read_bytes", "read_text"):
        read = getattr(Path, method)

        def fails(path, *told, read=read):
            if path.name == name:
                raise OSError(errno.EIO, "Input/output error", str(path))
            return read(path, *told)

        monkeypatch.setattr(Path, method, fails)
    with pytest.raises(OSError, match="Input/output error"):
        load_encoder(CONFIG, folder)


def test_weights_of_another_width_are_told_in_one_line(fitted, tmp_path):
    folder, _, _ = fitted
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
    card = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**card, "width": 32}))
    with pytest.raises(UsageError, match="do not belong together"):
        load_encoder(CONFIG, tmp_path)


def test_the_number_of_threads_changes_nothing_and_what_goes_wrong_ends_a_fit_at_once(tmp_path, monkeypatch):
    images, pairs = material(16)
    config = FitConfig(image_size=64, steps=30, batch=8, width=16, networks=3)
    for threads in (1, 2, 5):
        fit_encoder(
            images, pairs, config.model_copy(update={"threads": threads, "steps": 5}), 3, tmp_path / str(threads), quiet
        )
    saved = {(tmp_path / str(n) / "model.safetensors").read_bytes() for n in (1, 2, 5)}
    assert len(saved) == 1
    told = []

    def stop(step, steps, loss):
        told.append(step)
        raise KeyboardInterrupt

    learn, learnt = Learner.learn, []
    monkeypatch.setattr(Learner, "learn", lambda *given: learnt.append(1) or learn(*given))
    with pytest.raises(KeyboardInterrupt):
        fit_encoder(images, pairs, config.model_copy(update={"held_out": 0}), 3, tmp_path / "stopped", stop)
    assert told == [1]
    assert len(learnt) < 30 * config.networks
    assert not (tmp_path / "stopped").exists()


def test_a_frontal_image_and_its_mirror_image_give_mirrored_maps_for_mirrored_sentences_and_a_lateral_one_does_not(
    fitted,
):
    folder, images, _ = fitted
    encoder = load_encoder(CONFIG, folder)
    views = [image_view(image) for image in images]
    rows = [views.index("frontal"), views.index("lateral")]
    one = encoder.attend(images[rows], [0, 1], ["There is fracture on the left."] * 2)
    other = encoder.attend(images[rows][:, :, ::-1], [0, 1], ["there is fracture on the right."] * 2)
    np.testing.assert_allclose(other.maps[0], one.maps[0][:, ::-1], rtol=1e-4, atol=1e-8)
    assert other.scores[0] == pytest.approx(one.scores[0], rel=1e-5)
    assert np.abs(other.maps[1] - one.maps[1][:, ::-1]).max() > 1e-4
