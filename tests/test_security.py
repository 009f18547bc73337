"""Nothing that is read can run code: settings, weights, arrays; a model's own code has to be asked for."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import AttentionConfig, ShardsConfig
from medcutmix_pipeline.schemas.settings import load_config, parse_set
from medcutmix_pipeline.stages.attention.encoder import check_encoder, load_encoder
from medcutmix_pipeline.stages.pixel.bake import pixel_mixes
from tests.stages.attention.small_models import save_checkpoint
from tests.stages.ingest_files import picture, ramp

if TYPE_CHECKING:
    from pathlib import Path


class Deed:
    """Makes a file where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """What stands here afterwards was made by code that nobody should have run."""
    return tmp_path / "trace"


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir", "!!python/name:os.mkdir"]
)
def test_settings_are_data(tmp_path: Path, trace: Path, tag: str) -> None:
    (tmp_path / "build.yaml").write_text(f"seed: {tag} ['{trace}']\n")
    with pytest.raises(UsageError):
        load_config(tmp_path / "build.yaml", [])
    with pytest.raises(UsageError):
        load_config(None, [parse_set(f"seed={tag} ['{trace}']")])
    assert not trace.exists()


def test_weights_that_are_a_pickle_of_anything_else_are_refused(tmp_path: Path, trace: Path) -> None:
    folder = tmp_path / "model"
    save_checkpoint("clip", folder)
    (folder / "model.safetensors").unlink()
    torch.save({"logit_scale": torch.zeros(()), "more": Deed(trace)}, folder / "pytorch_model.bin")
    config = AttentionConfig(encoder=str(folder), device="cpu")
    with pytest.raises(UsageError, match="its weights cannot be loaded"):
        load_encoder(config, None)
    assert not trace.exists()


def test_a_model_s_own_code_is_run_only_where_that_was_asked_for(tmp_path: Path, trace: Path) -> None:
    folder = tmp_path / "model"
    save_checkpoint("clip", folder)
    (folder / "own.py").write_text(f"import os\nos.mkdir({str(trace)!r})\n")
    for name, classes in (
        ("config.json", {"AutoConfig": "own.Config", "AutoModel": "own.Model"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["own.Tokenizer", None]}),
    ):
        card = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**card, "auto_map": classes}))
    config = AttentionConfig(encoder=str(folder), device="cpu")
    try:
        check_encoder(config)
        load_encoder(config, None)
    except UsageError as why:
        assert "Traceback" not in str(why)  # noqa: PT017  # it may as well do without the code
    assert not trace.exists()


def test_arrays_are_read_without_pickle(trace: Path) -> None:
    """What the pipeline reads back; for what a trainer reads see tests/loader/test_hostile.py."""
    out = io.BytesIO()
    np.save(out, np.array([Deed(trace)], dtype=object), allow_pickle=True)
    plan = {"plan_id": "p", "donor": 0, "donor_map": 0, "host_map": 0, "lambda": 0.5, "edits": []}
    files = {
        "json": json.dumps({"sample_id": "a", "plans": [plan]}).encode(),
        "attn.npy": out.getvalue(),
        "jpg": picture(ramp(16, 16), "JPEG"),
        "txt": b"Clear lungs.",
    }
    with pytest.raises(ValueError, match="pickle"):
        list(pixel_mixes([files], ShardsConfig(), 0))
    assert not trace.exists()
