"""`module:Class`: encoders that users bring."""

from __future__ import annotations

import numpy as np
import pytest

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.config import AttentionConfig
from medcutmix_pipeline.sources.phantom import generate
from medcutmix_pipeline.stages.attention.encoder import check_encoder, encoder_image_size, load_encoder
from tests.builds import run_build

MODULE = """
import os
import numpy as np
from medcutmix_pipeline.stages.attention.encoder import Attention

class Bright:
    id, sha256, image_size = "bright", "0" * 64, 8
    def __init__(self, config):
        self.batch = config.batch
    def attend(self, images, image_index, sentences):
        maps = images[list(image_index)].astype(np.float32)
        return Attention(maps, np.full(len(sentences), 0.5, np.float32))

class Wrong(Bright):
    def __init__(self, config):
        pass
    def attend(self, images, image_index, sentences):
        seen = super().attend(images, image_index, sentences)
        how = os.environ["HOW_WRONG"]
        if how == "few":
            return Attention(seen.maps[1:], seen.scores)
        if how == "nan":
            return Attention(np.where(seen.maps > 0, np.nan, seen.maps), seen.scores)
        return Attention(seen.maps, seen.scores + 1)

class Half:
    id = "half"
    def __init__(self, config): ...

number = 3
"""


@pytest.fixture(autouse=True)
def _module(tmp_path, monkeypatch):
    (tmp_path / "mine_to_bring.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_an_encoder_of_one_s_own_is_found_beside_the_command_and_asked_like_any_other():
    config = AttentionConfig(encoder="mine_to_bring:Bright", device="cpu")
    check_encoder(config)
    encoder = load_encoder(config, None)
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)
    assert encoder_image_size(config, None) == 8
    assert (encoder.attend(images, [1], ["anything"]).maps[0] == images[1]).all()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mine_to_bring:Absent", "has no class Absent"),
        ("not_there_at_all:Class", "cannot be imported"),
        ("mine_to_bring:number", "is not a class"),
        ("mine_to_bring:Half", "lacks one of id, sha256, image_size and attend"),
    ],
)
def test_what_is_wrong_with_it_is_told_in_one_line(name, says):
    with pytest.raises(UsageError, match=says) as caught:
        load_encoder(AttentionConfig(encoder=name, device="cpu"), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("few", r"bright answered \d+ sentences with maps of shape \[\d+, 8, 8\]"),
        ("nan", "bright gave a map that is not finite"),
        ("high", r"bright gave a presence score that is not in \[0, 1\]"),
    ],
)
def test_answers_that_no_encoder_may_give_end_a_build_with_one_line(how, says, tmp_path, monkeypatch):
    monkeypatch.setenv("HOW_WRONG", how)
    generate(tmp_path / "studies", 40, seed=3, size=64)
    with pytest.raises(DataError, match=says) as caught:
        run_build(tmp_path / "studies", tmp_path / "out", attention={"encoder": "mine_to_bring:Wrong"})
    assert "\n" not in str(caught.value)
