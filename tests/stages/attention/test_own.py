"""`module:Class`: encoders that users bring."""

from __future__ import annotations

import numpy as np
import pytest

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import AttentionConfig
from medcutmix_pipeline.stages.attention.encoder import check_encoder, encoder_image_size, load_encoder

MODULE = """
import numpy as np
from medcutmix_pipeline.stages.attention.encoder import Attention

class Bright:
    id, sha256, image_size = "bright", "0" * 64, 8
    def __init__(self, config):
        self.batch = config.batch
    def attend(self, images, image_index, sentences):
        maps = images[list(image_index)].astype(np.float32)
        return Attention(maps, np.full(len(sentences), 0.5, np.float32))

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
