"""Held-out patients: who they are, the curve of the loss on them, and the fit that it ends."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from medcutmix_pipeline.schemas.config import FitConfig
from medcutmix_pipeline.stages.attention.corpus import Pair
from medcutmix_pipeline.stages.attention.fit import fit_encoder
from medcutmix_pipeline.stages.attention.held_out import LOOKS, PATIENCE, WORSE, Best, Course, Examination, hold_out
from tests.stages.attention.fit_once import material


def pairs(patients: int) -> list[Pair]:
    """Two images of every patient, of which every second has something to tell."""
    return [
        Pair(n, "a nodule" if n // 2 % 2 else "", ("Lung Lesion",) if n // 2 % 2 else (), "frontal", f"p{n // 2}")
        for n in range(2 * patients)
    ]


def test_a_share_of_the_patients_is_held_out_with_all_that_is_theirs():
    told = pairs(100)
    seen, held = hold_out(told, 0.3, 5)
    assert len({p.patient for p in held}) == 30
    assert {p.patient for p in seen}.isdisjoint(p.patient for p in held)
    assert sorted(seen + held, key=lambda p: p.image) == told
    assert hold_out(told, 0.3, 5) == (seen, held)
    assert hold_out(told[::-1], 0.3, 5)[1] == held[::-1]
    assert hold_out(told, 0.3, 6)[1] != held


@pytest.mark.parametrize(("patients", "share"), [(100, 0.0), (20, 0.2), (0, 0.5)])
def test_nothing_is_held_out_where_it_would_tell_nothing(patients, share):
    assert hold_out(pairs(patients), share, 5) == (pairs(patients), [])


def test_of_a_large_corpus_no_more_patients_are_held_out_than_are_needed():
    assert len({p.patient for p in hold_out(pairs(3000), 0.1, 5)[1]}) == 100


def test_a_fit_is_past_its_best_when_looks_in_a_row_are_far_above_the_lowest_loss():
    course = Course()
    best = Best(course)
    far, little = 1.1 * WORSE, 0.9 * WORSE
    losses = [3.0, 2.0, 2.5, 1.0, *[little] * PATIENCE, *[far] * (PATIENCE - 1), little, *[far] * PATIENCE]
    past = [best.is_past(n, loss, {"w": torch.tensor(loss)}) for n, loss in enumerate(losses)]
    assert past == [False] * (len(losses) - 1) + [True]
    assert (course.kept, float(best.weights["w"])) == (3, 1.0)
    assert [step for step, _ in course.held_out_curve] == list(range(len(losses)))


def test_kept_weights_do_not_change_when_the_fit_goes_on():
    best, weights = Best(Course()), {"w": torch.zeros(2)}
    best.is_past(1, 0.5, weights)
    weights["w"] += 1
    assert best.weights["w"].tolist() == [0, 0]


def fitted(folder, **settings):
    images, told = material(40)
    config = FitConfig(image_size=64, batch=8, width=16, networks=2, threads=1, held_out=0.4, **settings)
    return fit_encoder(images, told, config, 3, folder, lambda *_: None), load_file(folder / "model.safetensors")


def test_a_fit_that_gets_worse_ends_early_with_its_best_weights_and_the_same_way_each_time(tmp_path, monkeypatch):
    looks = itertools.cycle(np.repeat([2.0, 1.0, *[1.1 * WORSE] * PATIENCE], 2))  # of two networks
    monkeypatch.setattr(Examination, "loss", lambda *_: next(looks))
    course, weights = fitted(tmp_path / "a", steps=3 * LOOKS)
    again, same = fitted(tmp_path / "b", steps=3 * LOOKS)
    assert (course.kept, course.stopped) == (6, 3 * (2 + PATIENCE))
    assert (course, sorted(weights)) == (again, sorted(same))
    assert all(torch.equal(weights[name], same[name]) for name in weights)


def test_a_fit_to_its_end_tells_a_curve_and_keeps_its_last_weights(tmp_path):
    course, _ = fitted(tmp_path, steps=LOOKS, learning_rate=1e-4)
    assert course.held_out == 13
    assert [step for step, _ in course.held_out_curve] == list(range(1, LOOKS + 1))
    assert np.isfinite([loss for _, loss in course.held_out_curve]).all()
    assert (course.stopped, course.kept) == (None, LOOKS)
