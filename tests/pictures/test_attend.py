"""`attend`: one sentence looked for in one image."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.pictures import attend_image, overlay
from medcutmix_pipeline.pictures.attend import fitted_in
from medcutmix_pipeline.schemas.config import AttentionConfig
from medcutmix_pipeline.sources.phantom import generate
from medcutmix_pipeline.stages.shards.tar import read_tar
from tests.builds import run_build, run_cli

SENTENCE = "There is a left pleural effusion."


@pytest.fixture
def image(studies):
    return sorted((studies / "images").iterdir())[0]


def test_the_answer_is_what_a_build_would_store_for_that_image_and_sentence(built, image):
    found = attend_image(image, SENTENCE, AttentionConfig(), fitted_in(str(built)))
    assert found.attention.dtype == np.uint8
    assert found.attention.max() == 255
    assert 0 <= found.score <= 1
    assert found.area == pytest.approx(found.attention.mean() / 255)
    rows, columns = np.nonzero(found.attention == 255)
    height, width = found.attention.shape
    assert found.peak == pytest.approx(((columns.mean() + 0.5) / width, (rows.mean() + 0.5) / height))


@pytest.mark.parametrize("square", ["pad", "crop"])
def test_an_image_is_prepared_as_in_the_dataset_whose_encoder_is_asked(square, tmp_path):
    generate(tmp_path / "studies", 30, seed=3, size=64)
    for path in (tmp_path / "studies" / "images").iterdir():
        with Image.open(path) as small:
            small.resize((96, 150)).save(path)
    run_build(tmp_path / "studies", tmp_path / "out", shards={"square": square, "image_size": 80})
    asked = 0
    for shard in sorted((tmp_path / "out" / "shards").iterdir()):
        for key, files in read_tar(shard):
            maps = json.loads(files["json"])["maps"]
            for told, stored in zip(maps, np.load(io.BytesIO(files["attn.npy"])) if maps else [], strict=True):
                image = tmp_path / "studies" / "images" / f"{key}.png"
                found = attend_image(image, told["sentence"], AttentionConfig(), fitted_in(str(tmp_path / "out")))
                assert found.image.shape == (80, 80)
                assert np.abs(found.attention.astype(int) - stored).max() <= 2
                asked += 1
    assert asked > 5


def test_a_wider_mass_covers_more_of_the_image(built, image):
    folder = fitted_in(str(built))
    areas = [attend_image(image, SENTENCE, AttentionConfig(mass=mass), folder).area for mass in (0, 0.5, 0.95)]
    assert areas == sorted(areas)
    assert areas[0] < areas[-1]


def test_the_overlay_leaves_the_image_as_it_is_and_colours_its_copy_where_the_map_is():
    image = np.full((64, 128), 90, np.uint8)
    attention = np.zeros((8, 16), np.uint8)
    attention[5:7, 11:14] = 255
    picture = np.asarray(overlay(image, attention)).astype(int)
    left, right = picture[:, :512], picture[:, 522:]
    assert (left == 90).all()
    changed = np.abs(right - 90).sum(axis=2) > 30
    rows, columns = np.nonzero(changed)
    cell = 512 / 16
    assert 4.5 * cell < rows.min() < rows.max() < 7.5 * cell
    assert 10.5 * cell < columns.min() < columns.max() < 14.5 * cell


def test_the_command_writes_a_picture_and_says_where_it_looked(built, image, tmp_path):
    out = tmp_path / "overlay.png"
    ended = run_cli("attend", image, SENTENCE, "--encoder", built, "--out", out)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("score 0.") or ended.stdout.startswith("score 1.")
    with Image.open(out) as picture:
        assert picture.width == 1034


def test_a_sentence_that_is_longer_than_the_encoder_reads_is_told(built, image, tmp_path):
    long = "There is a left pleural effusion and " * 40
    ended = run_cli("attend", image, long, "--encoder", built, "--out", tmp_path / "overlay.png")
    assert ended.returncode == 0
    assert "longer than the encoder reads" in ended.stderr


@pytest.mark.parametrize("through", ["its name", "a link"])
def test_the_radiograph_is_never_overwritten_by_its_overlay(built, image, tmp_path, through):
    picture, link = tmp_path / "chest.png", tmp_path / "link.png"
    shutil.copy(image, picture)
    link.symlink_to(picture)
    out = picture if through == "its name" else link
    ended = run_cli("attend", picture, SENTENCE, "--encoder", built, "--out", out)
    assert ended.returncode == 2
    assert "which would be lost: name another file with --out" in ended.stderr
    assert picture.read_bytes() == image.read_bytes()
    assert link.is_symlink()


def test_what_cannot_be_used_is_told_in_a_line(built, image, tmp_path, studies):
    folder = fitted_in(str(built))
    with pytest.raises(UsageError, match="what is to be looked for"):
        attend_image(image, " ", AttentionConfig(), folder)
    with pytest.raises(UsageError, match="image-missing"):
        attend_image(tmp_path / "none.png", SENTENCE, AttentionConfig(), folder)
    with pytest.raises(UsageError, match="is a folder: name one image"):
        attend_image(image.parent, SENTENCE, AttentionConfig(), folder)
    with pytest.raises(DataError, match="not a DICOM, PNG"):
        attend_image(studies / "studies.csv", SENTENCE, AttentionConfig(), folder)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(UsageError, match="encoder that was not fitted"):
        fitted_in(str(tmp_path))
    assert fitted_in("openai/clip-vit-base-patch16") is None
