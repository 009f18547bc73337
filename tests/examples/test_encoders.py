"""The example that wraps open_clip: on a stand-in, and on small models of open_clip where that is installed."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from medcutmix_pipeline.stages.attention.encoder import Encoder, problem_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "encoders" / "open_clip_encoder.py"
SIDE = 32


class Bright(torch.nn.Module):
    """Patches and images are (bright, dark); the sentences "bright" and any other are the one and the other."""

    def __init__(self):
        super().__init__()
        self.logit_scale = torch.nn.Parameter(torch.tensor(3.0))
        self.visual = SimpleNamespace(image_size=(SIDE, SIDE), proj=torch.eye(2))

    def forward_intermediates(self, image, image_indices, normalize_intermediates):
        assert normalize_intermediates
        cells = functional.adaptive_avg_pool2d(image.mean(1, keepdim=True), 4)
        both = torch.cat([cells, 1 - cells], 1)
        return {
            "image_intermediates": [both] * image_indices,
            "image_features": functional.normalize(both.mean((2, 3))),
        }

    def encode_text(self, words, normalize):
        return words


@pytest.fixture
def example(monkeypatch):
    stand_in = ModuleType("open_clip")
    stand_in.__version__ = "0"
    stand_in.create_model_from_pretrained = lambda *_, **__: Bright()
    stand_in.get_tokenizer = lambda _: lambda s: torch.tensor([[1.0, 0.0] if t == "bright" else [0.0, 1.0] for t in s])
    stand_in.get_model_preprocess_cfg = lambda _: {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    monkeypatch.setitem(sys.modules, "open_clip", stand_in)
    return runpy.run_path(str(EXAMPLE))["OpenClip"]


def test_patches_and_whole_images_are_compared_with_sentences(example):
    encoder = example(SimpleNamespace(device="cpu", batch=2))
    assert isinstance(encoder, Encoder)
    images = np.full((3, SIDE, SIDE), 50, np.uint8)
    images[2, 8:16, 16:24] = 250
    images[1] = 200
    seen = encoder.attend(images, [2, 1, 0, 2], ["bright", "bright", "bright", "dark"])
    assert problem_of(seen, 4) is None
    assert np.unravel_index(seen.maps[0].argmax(), (4, 4)) == (1, 2)
    assert np.unravel_index(seen.maps[3].argmin(), (4, 4)) == (1, 2)
    assert seen.scores[1] > 0.9 > 0.1 > seen.scores[2]


SCRIPT = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np, open_clip, torch
sys.path.insert(0, sys.argv[1])
import open_clip_encoder as example
text = {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
own = {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16}
timm = {"image_size": 224, "timm_model_name": "vit_tiny_patch16_224", "timm_pool": "", "timm_proj": "linear"}
for name, vision in (("small-own", own), ("small-timm", {**timm, "timm_model_pretrained": False})):
    Path(name + ".json").write_text(json.dumps({"embed_dim": 16, "text_cfg": text, "vision_cfg": vision}))
    open_clip.add_model_config(name + ".json")
    torch.save(open_clip.create_model(name).state_dict(), name + ".pt")
    example.MODEL, example.WEIGHTS = name, name + ".pt"
    encoder = example.OpenClip(SimpleNamespace(device="cpu", batch=2))
    images = np.random.default_rng(0).integers(0, 256, (3, encoder.image_size, encoder.image_size), dtype=np.uint8)
    seen = encoder.attend(images, [0, 2, 2], ["left effusion", "no", "a nodule"])
    # What the patches go through makes of the class token what the model makes of the image.
    pixels = (torch.from_numpy(images)[:, None].expand(-1, 3, -1, -1).float() / 255 - encoder.mean) / encoder.std
    with torch.inference_mode():
        told = encoder.model.forward_intermediates(
            image=pixels, image_indices=1, normalize_intermediates=True, image_output_extra_tokens=True
        )
        token = told["image_intermediates_prefix"][-1][:, 0]
        visual = encoder.model.visual
        through = visual.head(token) if hasattr(visual, "head") else token @ visual.proj
        whole = encoder.model.encode_image(pixels, normalize=True)
    agrees = torch.allclose(torch.nn.functional.normalize(through, dim=-1), whole, atol=1e-5)
    print(json.dumps([list(seen.maps.shape), bool(np.isfinite(seen.maps).all()), agrees]))
"""


@pytest.mark.slow
def test_models_of_open_clip_with_either_kind_of_vision_model_give_their_patches(tmp_path):
    python = os.environ.get("TRAINERS_PYTHON", sys.executable)
    if (
        shutil.which(python) is None
        or subprocess.run([python, "-c", "import open_clip"], capture_output=True).returncode
    ):
        pytest.skip("open_clip is not here: `make trainers` runs this in an environment of its own")
    done = subprocess.run(
        [python, "-c", SCRIPT, str(EXAMPLE.parent)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert told == [[[3, 4, 4], True, True], [[3, 14, 14], True, True]]
