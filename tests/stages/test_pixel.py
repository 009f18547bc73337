"""A pixel mix is the host's image with the donor's shining through where the map says, as an independent sum tells."""

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medcutmix_pipeline.schemas.config import ShardsConfig
from medcutmix_pipeline.stages.ingest.squares import encode
from medcutmix_pipeline.stages.pixel.bake import pixel_mixes
from medcutmix_pipeline.stages.pixel.mix import mix_pixels
from medcutmix_pipeline.stages.shards.tar import npy_bytes


def plain_mix(host, donor, stored, lam, cut=None):
    """The formula in float64, the map brought to the image by Pillow: nothing of the package takes part."""
    if donor.shape != host.shape:
        donor = np.asarray(Image.fromarray(donor).resize(host.shape[::-1], Image.Resampling.LANCZOS))
    attention = np.zeros(host.shape)
    for one in (stored, stored if cut is None else cut):
        raised = Image.fromarray(one.astype(np.float32), mode="F").resize(host.shape[::-1], Image.Resampling.BILINEAR)
        attention = np.maximum(attention, np.asarray(raised, np.float64) / np.asarray(raised).max())
    return host + (1 - lam) * attention * (donor.astype(np.float64) - host)


def picture(seed, height, width):
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def peaked(seed, height, width):
    stored = np.random.default_rng(seed).integers(0, 255, (height, width), dtype=np.uint8)
    stored.flat[seed % stored.size] = 255
    return stored


SIDES = st.integers(16, 70)


@given(st.integers(0, 999), SIDES, SIDES, st.integers(2, 24), st.integers(2, 24), st.floats(0, 1), st.booleans())
@settings(max_examples=60)
def test_pixels_are_those_of_the_formula(seed, height, width, rows, columns, lam, same_size):
    host, stored = picture(seed, height, width), peaked(seed, rows, columns)
    donor = picture(seed + 1, height, width) if same_size else picture(seed + 1, width + 5, height + 9)
    mixed = mix_pixels(host, donor, stored, lam)
    assert mixed.dtype == np.uint8
    assert np.abs(mixed - plain_mix(host, donor, stored, lam)).max() <= 0.51


@given(st.integers(0, 999), st.floats(0, 1))
@settings(max_examples=20)
def test_with_the_host_s_own_map_its_lesion_gives_way_too(seed, lam):
    host, donor, stored, cut = (
        picture(seed, 40, 40),
        picture(seed + 1, 40, 40),
        peaked(seed, 5, 5),
        peaked(seed + 2, 5, 5),
    )
    mixed = mix_pixels(host, donor, stored, lam, cut)
    assert np.abs(mixed - plain_mix(host, donor, stored, lam, cut)).max() <= 0.51


def test_a_host_that_is_kept_whole_stays_as_it_is_and_so_does_everything_outside_of_the_map():
    host, donor, stored = picture(1, 64, 64), picture(2, 64, 64), np.zeros((8, 8), np.uint8)
    stored[1, 1] = 255
    assert (mix_pixels(host, donor, stored, 1.0) == host).all()
    mixed = mix_pixels(host, donor, stored, 0.0)
    assert (mixed[24:] == host[24:]).all()
    assert (mixed[:, 24:] == host[:, 24:]).all()
    assert (mixed[10:14, 10:14] != host[10:14, 10:14]).any()


def test_a_full_map_and_no_host_give_the_donor():
    host, donor = picture(1, 48, 48), picture(2, 48, 48)
    assert (mix_pixels(host, donor, np.full((6, 6), 255, np.uint8), 0.0) == donor).all()


def shard(plans_per_host=5, hosts=4, side=24):
    """The members of a small shard: every host may take from every other."""
    samples = []
    for place in range(hosts):
        plans = [
            {
                "plan_id": f"{place:08x}{n:08x}",
                "disease": "Edema",
                "donor": (place + 1 + n % (hosts - 1)) % hosts,
                "donor_id": f"s{(place + 1 + n % (hosts - 1)) % hosts}",
                "donor_map": n % 2,
                "host_map": 0,
                "lambda": 0.25,
                "edits": [[0, 4, "Größer"], [9, 9, f" plan {n}"]],
                "labels": {"Edema": "present"},
            }
            for n in range(plans_per_host)
        ]
        record = {
            "sample_id": f"s{place}",
            "study_id": f"study{place}",
            "patient_id": f"p-{place}",
            "view": "frontal",
            "split": "train",
            "labels": {},
            "maps": [{}, {}],
            "plans": plans,
        }
        samples.append(
            {
                "png": encode(picture(place, side, side), "png", 90),
                "txt": "Host says – this.".encode(),
                "json": json.dumps(record).encode(),
                "attn.npy": npy_bytes(np.stack([peaked(place, 4, 4), peaked(place + 9, 4, 4)])),
            }
        )
    return samples


def test_a_mix_is_a_plain_sample_with_the_mixed_report():
    mixes = dict(pixel_mixes(shard(), ShardsConfig(image_format="png"), seed=0))
    assert len(mixes) == 20
    files = mixes["mix-0000000200000001"]
    assert set(files) == {"png", "txt", "json"}
    assert files["txt"].decode() == "Größer says plan 1 – this."
    assert json.loads(files["json"]) == {
        "plan_id": "0000000200000001",
        "host_id": "s2",
        "donor_id": "s0",
        "study_id": "study2",
        "patient_id": "p-2",
        "view": "frontal",
        "split": "train",
        "disease": "Edema",
        "lambda": 0.25,
        "labels": {"Edema": "present"},
    }
    expected = plain_mix(picture(2, 24, 24), picture(0, 24, 24), peaked(9, 4, 4), 0.25)
    with Image.open(io.BytesIO(files["png"])) as image:
        assert image.mode == "L"
        assert np.abs(np.asarray(image) - expected).max() <= 1


@pytest.mark.parametrize("most", [1, 2, 5, 9])
def test_a_bound_takes_so_many_of_each_host_by_chance_that_the_seed_alone_decides(most):
    samples = shard(plans_per_host=5, hosts=12)
    every = [key for key, _ in pixel_mixes(samples, ShardsConfig(image_format="png"), seed=0)]
    bound = ShardsConfig(image_format="png", pixel_per_host=most)
    taken = [key for key, _ in pixel_mixes(samples, bound, seed=0)]
    assert taken == [key for key in every if key in set(taken)]
    hosts = [key[4:12] for key in taken]
    assert all(hosts.count(host) == min(most, 5) for host in set(hosts))
    assert len(set(hosts)) == 12
    again = [key for key, _ in pixel_mixes(samples, bound, seed=0)]
    other = [key for key, _ in pixel_mixes(samples, bound, seed=1)]
    assert again == taken
    assert (other != taken) == (most < 5)


def test_a_mix_is_made_when_it_is_asked_for_and_not_before():
    samples = shard(hosts=3)
    samples[2]["png"] = b"no picture"
    mixes = pixel_mixes(samples, ShardsConfig(image_format="png"), seed=0)
    assert next(mixes)[0] == "mix-0000000000000000"
    with pytest.raises(OSError, match="cannot identify"):
        next(mixes)
