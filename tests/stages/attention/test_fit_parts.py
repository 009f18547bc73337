"""What a fit draws, varies and minimises."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator, Philox

from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.stages.attention.augment import some_of, vary_images
from medcutmix_pipeline.stages.attention.calibration import calibrate
from medcutmix_pipeline.stages.attention.corpus import Corpus, Pair, pairs_of
from medcutmix_pipeline.stages.attention.evidence import attention, detail_of, evidence_of
from medcutmix_pipeline.stages.attention.losses import contrastive_loss, side_loss
from medcutmix_pipeline.stages.attention.muon import orthogonal
from medcutmix_pipeline.stages.attention.network import PatchAttention
from medcutmix_pipeline.stages.attention.relations import FAILS, HOLDS, OPEN
from medcutmix_pipeline.stages.sentences.reader import ReportReader

LESION, EFFUSION = ("Lung Lesion",), ("Pleural Effusion",)


def corpus() -> Corpus:
    """Left and right lesions and effusions of frontal and lateral views, and images of which nothing is told."""
    pairs = []
    for n in range(24):
        side = ("left", "right")[n % 2]
        view = "lateral" if n % 5 == 0 else "frontal"
        findings = (LESION, EFFUSION)[n // 2 % 2]
        labels = {findings[0]: "present"}
        pairs.append(Pair(n, f"{side} {findings[0]} seen", findings, view, f"p{n}", labels))
    pairs += [Pair(n, "", (), "frontal", f"p{n}", {"Lung Lesion": "absent"}) for n in range(24, 32)]
    return Corpus(pairs)


@given(st.integers(0, 2**32), st.integers(1, 40), st.floats(0, 1))
def test_in_a_batch_every_told_image_has_a_sentence_that_holds_and_a_plain_one_none(seed, size, vague):
    batch = corpus().draw(Generator(Philox(key=seed)), size, vague)
    assert len(set(batch.images.tolist())) == len(batch.images) <= size
    told = batch.images < 24
    assert (batch.target[:, told] == HOLDS).any(0).all()
    assert (batch.target[:, ~told] == FAILS).all()
    assert not batch.mirrored[(batch.images % 5 == 0) & told].any()


@given(st.integers(0, 2**32))
def test_what_holds_of_a_mirrored_frontal_image_names_the_other_side(seed):
    drawn = corpus()
    batch = drawn.draw(Generator(Philox(key=seed)), 16, 0.0)
    words = {n + 2: word for n, word in enumerate(drawn.vocabulary.words)}
    for row, numbers in enumerate(batch.words):
        side = next(words[n] for n in numbers if words.get(n) in ("left", "right"))
        for column, image in enumerate(batch.images):
            if image < 24 and image % 5 and batch.target[row, column] == HOLDS:
                own = ("left", "right")[image % 2]
                assert (side == own) != batch.mirrored[column]


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_the_half_of_a_picture_is_that_which_the_report_s_side_is_on_mirrored_or_not(seed, vague):
    batch = corpus().draw(Generator(Philox(key=seed)), 16, vague)
    for column, image in enumerate(batch.images):
        on_the_right = (image % 2 == 0) != batch.mirrored[column]  # even images have it on the patient's left
        expected = 0 if image >= 24 or image % 5 == 0 else 1 if on_the_right else -1
        holds = batch.target[:, column] == HOLDS
        assert (batch.half[holds, column] == expected).all()


def test_a_sentence_teaches_only_what_is_matched_and_an_image_of_which_nothing_is_left_is_plain():
    reader = ReportReader(Config().sentences)
    text = "FINDINGS: A left chest tube is in place. There is a small left pleural effusion."
    report = reader.read(reader.clean(text))
    every = list(pairs_of(3, report, "frontal", "p", frozenset()))
    assert [p.findings for p in every] == [("Support Devices",), ("Pleural Effusion",)]
    [kept] = pairs_of(3, report, "frontal", "p", frozenset({"Support Devices"}))
    assert (kept.image, kept.findings, kept.sentence) == (3, EFFUSION, every[1].sentence)
    [plain] = pairs_of(3, report, "frontal", "p", frozenset({"Support Devices", "Pleural Effusion"}))
    assert (plain.sentence, plain.findings) == ("", ())


def test_the_same_key_draws_the_same_batch_and_another_key_another():
    first, again, other = (corpus().draw(Generator(Philox(key=k)), 12, 0.5) for k in (1, 1, 2))
    assert all(
        np.array_equal(getattr(first, f), getattr(again, f)) for f in ("images", "mirrored", "words", "target", "half")
    )
    assert not np.array_equal(first.images, other.images)


TARGET = np.array([[HOLDS, FAILS, OPEN, HOLDS], [FAILS, HOLDS, FAILS, OPEN], [FAILS, FAILS, OPEN, FAILS]], np.int8)


def test_the_contrastive_loss_sets_each_pair_that_holds_against_its_row_s_and_its_column_s_failures():
    logits = np.random.default_rng(0).normal(size=TARGET.shape)

    def one_way(values, target):
        rows = []
        for v, t in zip(values, target, strict=True):
            failing = sum(math.exp(x) for x, k in zip(v, t, strict=True) if k == FAILS)
            each = [-math.log(math.exp(x) / (math.exp(x) + failing)) for x, k in zip(v, t, strict=True) if k == HOLDS]
            rows += [np.mean(each)] if each else []
        return np.mean(rows)

    expected = one_way(logits, TARGET) + one_way(logits.T, TARGET.T)
    assert float(contrastive_loss(torch.tensor(logits), torch.tensor(TARGET))) == pytest.approx(expected)


def test_the_side_loss_sets_the_told_half_s_answer_against_the_other_half_s():
    cosines = np.random.default_rng(0).uniform(-1, 1, (*TARGET.shape, 8))
    columns = np.tile([-1.5, -0.5, 0.5, 1.5], (4, 2))
    half = np.array([[1, 1, -1, -1], [0, 0, 0, 0], [1, 1, 1, 1]], np.int8)
    contrast = 15.0

    def score(c):
        return math.log(sum(math.exp(12 * x) for x in c)) / 12

    expected = []
    for row, column, sign in ((0, 0, 1), (0, 3, -1)):  # the pairs that hold and have a half
        told = cosines[row, column]
        on, off = (score(told[columns[column] * sign * way > 0]) for way in (1, -1))
        expected.append(math.log1p(math.exp(contrast * (off - on))))
    given_ = [torch.from_numpy(a) for a in (cosines, columns, half, TARGET)]
    assert side_loss(*given_, torch.tensor(contrast)).item() == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(("columns", "half"), [([-1.0, 1.0], 0), ([-1.0, -2.0], 1), ([1.0, 2.0], 1)])
def test_the_side_loss_is_nothing_where_no_half_is_told_or_all_patches_are_of_one(columns, half):
    cosines = torch.tensor([[[0.3, -0.2]]], requires_grad=True)
    target = torch.tensor([[HOLDS]], dtype=torch.int8)
    halves = torch.tensor([[half]], dtype=torch.int8)
    assert side_loss(cosines, torch.tensor([columns]), halves, target, torch.tensor(20.0)).item() == 0


def test_calibration_finds_the_odds_that_made_the_pairs_whatever_their_frequency():
    rng = np.random.default_rng(2)
    scores = rng.normal(0.1, 0.2, 200_000)
    drawn = rng.random(scores.size) < 1 / (1 + np.exp(-(12 * scores - 1)))
    kept = drawn | (rng.random(scores.size) < 0.1)  # nine tenths of those that fail are lost
    odds = math.log((~drawn).sum() / drawn.sum())  # at even weights of what holds and what fails
    for chosen in (np.ones_like(kept), kept):
        gain, offset = calibrate(scores[chosen], drawn[chosen])
        assert gain == pytest.approx(12, rel=0.08)
        assert offset == pytest.approx(odds - 1, abs=0.2)


def test_calibration_stays_finite_where_scores_part_the_pairs_or_are_all_alike():
    for scores in (np.array([0.1, 0.2, 0.8, 0.9]), np.full(4, 0.3)):
        gain, offset = calibrate(scores, np.array([False, False, True, True]))
        assert math.isfinite(gain)
        assert math.isfinite(offset)
        assert gain >= -1e-9


def test_open_pairs_have_no_gradient_and_a_batch_without_any_pair_has_no_loss():
    logits = torch.randn(TARGET.shape, dtype=torch.float64, requires_grad=True)
    contrastive_loss(logits, torch.tensor(TARGET)).backward()
    assert (logits.grad[torch.tensor(TARGET) == OPEN] == 0).all()
    assert (logits.grad[torch.tensor(TARGET) != OPEN] != 0).any()
    assert float(contrastive_loss(torch.zeros(2, 2), torch.full((2, 2), OPEN))) == 0


def test_an_image_is_mirrored_where_asked_and_otherwise_hardly_moved():
    images = torch.zeros(2, 1, 64, 64)
    images[:, :, 20:30, 6:16] = 0.8
    varied = vary_images(images, np.array([False, True]), torch.Generator().manual_seed(0))
    across = (varied[:, 0].clamp(min=0.3) - 0.3).sum(1)
    centres = (across * torch.arange(64)).sum(1) / across.sum(1)
    assert abs(float(centres[0]) - 10.5) < 8
    assert abs(float(centres[1]) - 52.5) < 8


def test_moving_an_image_by_parts_of_a_pixel_keeps_most_of_its_finest_detail():
    """Of the variance of noise, linear interpolation would keep (2/3)² on average, and a fit would learn from blur."""
    images = 0.5 + 0.1 * torch.randn(64, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    varied = vary_images(images, np.zeros(64, bool), torch.Generator().manual_seed(0))
    kept = (varied[..., 12:-12, 12:-12].var() - 0.03**2) / 0.1**2
    assert 0.6 < float(kept) < 1


@given(st.integers(1, 256), st.integers(0, 2**32))
@settings(max_examples=10)
def test_patches_that_are_shown_alone_are_described_as_among_all(count, seed):
    torch.manual_seed(0)
    model, images = PatchAttention(8, 16, 64).eval(), torch.rand(2, 1, 64, 64)
    shown = torch.stack(
        [torch.randperm(256, generator=torch.Generator().manual_seed(seed + n))[:count] for n in (0, 1)]
    )
    with torch.no_grad():
        whole, some = model.encode_images(images), model.encode_images(images, shown)
    torch.testing.assert_close(some, torch.stack([w[k] for w, k in zip(whole, shown, strict=True)]))


@given(st.integers(1, 4), st.integers(1, 20), st.integers(0, 2**32))
def test_of_every_four_neighbours_one_patch_answers_so_that_nothing_small_is_passed_over(images, half, seed):
    side = 2 * half
    shown = np.zeros((images, side * side), np.int64)
    drawn = some_of(images, side, torch.Generator().manual_seed(seed))
    np.add.at(shown, (np.arange(images)[:, None], drawn.numpy()), 1)
    squares = shown.reshape(images, half, 2, half, 2).sum((2, 4))
    assert (squares == 1).all()


def test_each_of_four_neighbours_answers_as_often_as_the_others_and_no_two_squares_agree_by_more_than_chance():
    drawn = some_of(500, 8, torch.Generator().manual_seed(0))
    down, across = drawn // 8 % 2, drawn % 2
    told = torch.cat([down, across], 1).float()
    assert (told.mean(0) - 0.5).abs().max() < 0.1
    assert (torch.corrcoef(told.T) - torch.eye(32)).abs().max() < 0.2


def test_the_slope_over_pixels_is_the_gradient_of_the_first_layer():
    torch.manual_seed(0)
    tower = PatchAttention(8, 16, 32).patches.eval()
    norm = tower.stem[0][1]
    with torch.no_grad():
        for numbers in (norm.weight, norm.running_var):
            numbers.uniform_(0.5, 2)
        for numbers in (norm.bias, norm.running_mean):
            numbers.normal_()
    pixels = torch.randn(3, 1, 32, 32, requires_grad=True)
    texture = tower.stem[0](pixels)
    given = torch.randn(texture.shape)
    [expected] = torch.autograd.grad((given * texture).sum(), pixels)
    assert (texture == 0).any()
    torch.testing.assert_close(tower.slope(texture, given), expected[:, 0])


@pytest.mark.parametrize(("darker", "brighter"), [((20, 24), (24, 26)), ((27, 31), (25, 27))])
def test_evidence_is_strongest_on_a_thin_plate_whichever_of_its_edges_the_network_knows_it_by(darker, brighter):
    picture, slope = torch.full((1, 1, 64, 64), 0.3), torch.zeros(1, 64, 64)
    picture[..., 24:27, 20:44] = 0.9
    slope[:, slice(*darker), 20:44], slope[:, slice(*brighter), 20:44] = -1.0, 1.0
    rows = evidence_of(slope, detail_of(picture))[0].sum(1)
    assert int(rows.argmax()) in (24 // 2, 26 // 2)


def test_a_picture_without_detail_gives_a_map_by_attention_alone():
    answers = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(0))
    flat = evidence_of(torch.ones(2, 32, 32), detail_of(torch.full((2, 1, 32, 32), 0.4)))
    assert float(flat.max()) < 1e-6
    maps = attention(answers, flat * 0)
    assert torch.isfinite(maps).all()
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(2))


def test_grid_cells_are_centred_on_the_pixels_that_they_stand_for():
    """Kernels equal to their mirror images must give features that mirror with the image, or the grid is off centre."""
    torch.manual_seed(0)
    model = PatchAttention(8, 16, 64).eval()
    with torch.no_grad():
        model.patches.place.weight.zero_()
        for module in model.patches.modules():
            if isinstance(module, torch.nn.Conv2d):
                w = module.weight
                w.copy_((w + w.flip(2) + w.flip(3) + w.flip(2, 3)) / 4)
        image = torch.rand(1, 1, 64, 64)
        grid = model.encode_images(image).unflatten(1, (16, 16))
        flipped = model.encode_images(image.flip(2, 3)).unflatten(1, (16, 16))
    torch.testing.assert_close(flipped, grid.flip(1, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_what_turns_kernels_is_orthogonal_and_the_same_alone_and_among_others(seed):
    rng = torch.Generator().manual_seed(seed)
    matrices = [torch.randn(shape, generator=rng) for shape in ((8, 16), (32, 288), (32, 14), (5, 5), (1, 9), (9, 1))]
    found = orthogonal(matrices)
    for matrix, turned in zip(matrices, found, strict=True):
        assert turned.shape == matrix.shape
        torch.testing.assert_close(turned, orthogonal([matrix])[0], rtol=1e-4, atol=1e-5)
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        assert values.min() / values.max() < 0.9 or min(matrix.shape) == 1
        of_turned = torch.linalg.svdvals(turned)
        assert 0.6 < of_turned.min() <= of_turned.max() < 1.25
        # The directions stay; only the lengths along them change.
        along = left.T @ turned @ right.T
        torch.testing.assert_close(along, torch.diag(along.diagonal()), rtol=1e-3, atol=1e-3)
