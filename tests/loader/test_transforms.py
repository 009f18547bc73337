"""Transforms: what moves in the image moves in the maps, for both partners alike, and the same in a replay."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.loader import MixLoader
from medcutmix_pipeline.loader.transforms import Compose, OnImage, RandomAffine


def rng(seed):
    return np.random.Generator(np.random.Philox(key=seed))


def disc(height, width, x, y, radius):
    """uint8 [1, height, width], a soft disc around (x, y) in [0, 1]², its radius a share of the height."""
    down, right = np.mgrid[0:height, 0:width]
    far = np.hypot((right + 0.5) / height - x * width / height, (down + 0.5) / height - y)
    return torch.from_numpy((255 * np.clip(1.5 - far / radius, 0, 1)).astype(np.uint8))[None]


def centre(plane):
    """(x, y) of a plane's centre of mass, in [0, 1]²."""
    mass = plane.double()
    height, width = mass.shape
    x = (mass.sum(0) * (torch.arange(width) + 0.5)).sum() / mass.sum() / width
    y = (mass.sum(1) * (torch.arange(height) + 0.5)).sum() / mass.sum() / height
    return float(x), float(y)


MOVES = {
    "crop": RandomAffine(scale=(0.7, 0.9), rotate=0),
    "turn": RandomAffine(scale=(1, 1), rotate=30),
    "shift": RandomAffine(scale=(1, 1), rotate=0, translate=0.1),
    "all": RandomAffine(scale=(0.8, 1.2), rotate=15, translate=0.05, size=96),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize(("image", "grid"), [((128, 128), (16, 16)), ((96, 160), (12, 20)), ((100, 100), (14, 14))])
@given(seed=st.integers(0, 2**32), x=st.floats(0.42, 0.58), y=st.floats(0.42, 0.58))
def test_a_lesion_is_in_the_same_place_of_image_and_map(move, image, grid, seed, x, y):
    shown, maps = MOVES[move](disc(*image, x, y, 0.15), disc(*grid, x, y, 0.15), rng(seed))
    # A cell of the map is several pixels, so their centres agree to a fraction of a cell.
    assert centre(shown[0]) == pytest.approx(centre(maps[0]), abs=0.25 / min(grid))


def test_a_turn_keeps_distances_in_an_oblong_image():
    turn = RandomAffine(scale=(1, 1), rotate=60)
    none = torch.zeros((0, 1, 1), dtype=torch.uint8)
    left, _ = turn(disc(96, 160, 0.5, 0.5, 0.05), none, rng(3))
    right, _ = turn(disc(96, 160, 0.7, 0.5, 0.05), none, rng(3))
    (x0, y0), (x1, y1) = centre(left[0]), centre(right[0])
    assert abs(y1 - y0) * 96 > 10
    assert np.hypot((x1 - x0) * 160, (y1 - y0) * 96) == pytest.approx(0.2 * 160, abs=0.5)


def test_a_window_of_the_whole_image_changes_nothing():
    image = torch.from_numpy(rng(1).integers(0, 256, (1, 40, 56), np.uint8))
    maps = torch.from_numpy(rng(2).integers(0, 256, (2, 5, 7), np.uint8))
    shown, moved = RandomAffine(scale=(1, 1), rotate=0)(image, maps, rng(3))
    assert torch.equal(shown, image)
    assert torch.equal(moved, maps)


def test_a_crop_shows_the_pixels_that_it_names():
    """With half the side and an output of half the size, the window falls on pixels and copies them one to one."""
    image = torch.from_numpy(rng(1).integers(0, 256, (1, 64, 64), np.uint8))

    class Middle:
        def random(self, _):
            return np.full(4, 0.5)

    shown, _ = RandomAffine(scale=(0.5, 0.5), rotate=5, size=32)(image, image[:, ::8, ::8], Middle())
    assert torch.equal(shown, image[:, 16:48, 16:48])


def test_never_mirrored():
    image = torch.zeros((1, 64, 64), dtype=torch.uint8)
    image[:, :, :32] = 200
    for seed in range(50):
        shown, _ = RandomAffine(scale=(0.8, 1.0), rotate=20)(image, image[:, ::8, ::8], rng(seed))
        assert shown[0, 16:48, :16].double().mean() > shown[0, 16:48, 48:].double().mean()


@given(seed=st.integers(0, 2**32))
def test_the_same_generator_gives_the_same_bytes(seed):
    image, maps = disc(64, 64, 0.4, 0.5, 0.2), disc(8, 8, 0.4, 0.5, 0.2)
    once, again = (MOVES["all"](image, maps, rng(seed)) for _ in range(2))
    assert torch.equal(once[0], again[0])
    assert torch.equal(once[1], again[1])
    assert not torch.equal(once[0], MOVES["all"](image, maps, rng(seed + 1))[0])


def test_composed_transforms_follow_each_other_and_pixel_changes_leave_the_maps():
    image, maps = disc(64, 64, 0.4, 0.5, 0.2), disc(8, 8, 0.4, 0.5, 0.2)
    darker = OnImage(lambda pixels, draw: (pixels * draw.uniform(0.2, 0.8)).to(torch.uint8))
    both = Compose(MOVES["crop"], darker)(image, maps, rng(5))
    one = rng(5)
    cropped = MOVES["crop"](image, maps, one)
    by_hand = darker(*cropped, one)
    assert torch.equal(both[0], by_hand[0])
    assert torch.equal(both[1], cropped[1])
    assert int(both[0].max()) < int(cropped[0].max())


@pytest.mark.parametrize("wrong", [{"scale": (0, 1)}, {"scale": (1, 0.5)}, {"rotate": -1}, {"translate": -0.1}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RandomAffine(**wrong)


def test_partners_are_cropped_alike_and_their_maps_with_them(built):
    """What the loader yields is the transform of what it yields without, with one draw for both partners."""
    seen = {}

    class Replay:
        def __init__(self, window):
            self.window = window

        def random(self, _):
            return self.window

    def noted(image, maps, generator):
        window = generator.random(4)
        seen[image.numpy().tobytes()] = window
        return MOVES["crop"](image, maps, Replay(window))

    plain = list(MixLoader(built, 8, mix=1.0, seed=3))
    moved = list(MixLoader(built, 8, mix=1.0, seed=3, transform=noted))
    met = 0
    for before, after in zip(plain, moved, strict=True):
        windows = [tuple(seen[image.numpy().tobytes()]) for image in before.images]
        pairs = {frozenset((i, int(before.plan.donor[i]))) for i in before.plan.active.nonzero()[:, 0].tolist()}
        assert all(len({windows[row] for row in pair}) == 1 for pair in pairs)
        assert len(set(windows)) == len(windows) - len(pairs)
        for row, window in enumerate(windows):
            maps = torch.stack([before.plan.host_map[row], before.plan.donor_map[row]])
            image, maps = MOVES["crop"](before.images[row], maps, Replay(window))
            assert torch.equal(after.images[row], image)
            assert torch.equal(torch.stack([after.plan.host_map[row], after.plan.donor_map[row]]), maps)
        met += len(pairs)
    assert met > 10


@pytest.mark.parametrize(
    ("transform", "told"),
    [
        (lambda image, maps, _: (image, maps.float() / 255), r"torch.float32 of maps \[\d, \d+, \d+\] torch.uint8"),
        (lambda image, maps, _: (image, maps[:0]), r"makes \[0, \d+, \d+\] torch.uint8 of maps"),
        (lambda image, maps, _: (image, maps[:, 1:]), "must leave their number, shape and type as they came"),
        (lambda image, maps, _: image, "the transform gives Tensor: it must give two tensors"),
        (lambda image, maps, _: (image.numpy(), maps), r"the transform gives \['ndarray', 'Tensor'\]"),
        (lambda image, maps, rng: (image[:, rng.integers(9) :], maps), "images of unlike size or type"),
    ],
)
def test_a_transform_that_makes_no_batch_is_told(built, transform, told):
    with pytest.raises(UsageError, match=told):
        list(MixLoader(built, 8, mix=1.0, transform=transform))


def test_images_that_a_transform_has_normalised_are_not_normalised_again(built):
    def ready(image, maps, _):
        return image.float() / 255, maps

    with pytest.raises(UsageError, match="leave normalize out"):
        next(iter(MixLoader(built, 8, transform=ready, normalize=(0.5, 0.5))))
    batch = next(iter(MixLoader(built, 8, transform=ready)))
    with pytest.raises(ValueError, match="normalised already"):
        batch.normalised()


def test_an_error_of_a_transform_names_the_sample(built):
    def fails(image, maps, rng):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        next(iter(MixLoader(built, 8, transform=fails)))
    assert caught.value.__notes__[0].startswith("raised by the loader's transform, for sample ")
