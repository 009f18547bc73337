"""`validate` warns of what stands in two splits: the same reports, and images that are all but the same."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medcutmix_pipeline.cli import run
from medcutmix_pipeline.dataset.leakage import MOST_BITS, Leaks, alike, image_print
from tests.builds import run_build
from tests.pipeline import fitted_once, manifests
from tests.pipeline.manifests import Entry, Picture

prints = st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(0, 255), max_size=24)), min_size=1, max_size=12)


def made(told):
    """Prints near three others that have nothing to do with each other: bits of one of them turned over."""
    bases = np.random.default_rng(0).integers(0, 2, (3, 256)).astype(bool)
    bits = np.stack([bases[base] for base, _ in told])
    for row, (_, turned) in enumerate(told):
        bits[row, turned] ^= True
    return bits, np.packbits(bits, axis=1).view(">u2").astype(np.uint16)


@given(prints, prints)
@settings(max_examples=40)
def test_every_pair_within_reach_is_found_and_no_other(few, many):
    (a, a_prints), (b, b_prints) = made(few), made(many)
    distance = (a[:, None] ^ b[None]).sum(axis=2)
    assert alike(a_prints, b_prints) == list(
        zip(*map(np.ndarray.tolist, np.nonzero(distance <= MOST_BITS)), strict=True)
    )


def film(seed, side=192):
    """A soft picture of many greys, as unlike another of them as chests are."""
    noise = np.random.default_rng(seed).normal(size=(12, 12))
    grown = np.asarray(Image.fromarray(noise.astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC))
    return Image.fromarray(np.clip(grown * 40 + 128, 0, 255).astype(np.uint8))


def saved(image, kind="JPEG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


COPIES = {
    "the same": lambda im: saved(im, "PNG"),
    "another quality": lambda im: saved(im, quality=50),
    "another size": lambda im: saved(im.resize((130, 130)), quality=80),
    "another gamma": lambda im: saved(im.point([round(255 * (v / 255) ** 0.8) for v in range(256)]), "PNG"),
}


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_has_nearly_the_print_of_its_original_and_no_other_picture_has(copy):
    originals = np.stack([image_print(saved(film(n), "PNG")) for n in range(40)])
    copies = np.stack([image_print(COPIES[copy](film(n))) for n in range(40)])
    assert alike(copies, originals) == [(n, n) for n in range(40)]


def test_every_two_splits_are_compared_and_counted_once():
    leaks = Leaks()
    for split, study, text, picture in [
        ("train", "A", "Clear.", 1),
        ("train", "B", "Effusion.", 2),
        ("train", "B", "Effusion.", 3),
        ("train", "C", "Clear.", 4),
        ("validate", "D", "Clear.", 2),
        ("validate", "E", "Oedema.", 5),
        ("test", "F", "Oedema.", 6),
    ]:
        leaks.add(
            {"sample_id": f"{study}-{picture}", "study_id": study, "split": split, "text": text}, saved(film(picture))
        )
    told = list(leaks.warnings())
    assert [(w.count, w.examples) for w in told] == [
        (1, (("F", "E"),)),
        (1, (("D", "A"),)),
        (1, (("D-2", "B-2"),)),
    ]
    assert "1 of 2 studies of validate have the very report of a study of train" in str(told[1])


def test_the_command_warns_and_strictly_fails(built, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(fitted_once.FOLDER, str(built / "encoder"))
    told = list(manifests.SENTENCES)[:3]  # all of one finding
    good = (Picture("good", 32, "frontal", named=True),)
    entries = [Entry(n, n, "val" if n > 8 else "train", f"FINDINGS: {told[n % 3]}", good) for n in range(12)]
    manifests.write_manifest(entries, tmp_path / "studies")
    changes = {"attention": {"encoder": fitted_once.NAME}, "shards": {"samples_per_shard": 16, "image_size": 32}}
    run_build(tmp_path / "studies", tmp_path / "out", source={"kind": "manifest"}, **changes)
    assert run(["validate", str(tmp_path / "out")]) == 0
    assert "warning: 3 of 3 studies of validate have the very report of a study of train" in capsys.readouterr().out
    for quiet in ([], ["--quiet"]):
        assert run(["validate", str(tmp_path / "out"), "--strict", *quiet]) == 1
        told = capsys.readouterr()
        assert told.err.startswith("error: 1 warning, and --strict treats it as a problem")
        assert "warning: 3 of 3 studies of validate" in told.out
