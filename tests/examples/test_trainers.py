"""The examples for trainers do what they say: each is run as a user runs it, on small models that are made here."""

import csv
import importlib
import json
import math
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tests.builds import run_build

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "trainers"
CHECK = "import open_clip, open_clip_train, torchvision, webdataset, lightning"


def torchrun(script, *arguments, processes=2):
    """Run a script in several processes on this machine; what it printed."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes, script]
    done = subprocess.run(
        [*map(str, command), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def run_here(monkeypatch, script, *arguments):
    """Run a script as `python script …` does, in this process, where transformers is imported already."""
    monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
    runpy.run_path(str(script), run_name="__main__")


def same_tensors(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_plain_loop_on_two_ranks_goes_on_in_mid_epoch_as_if_it_had_not_stopped(built, tmp_path):
    common = [EXAMPLES / "plain_resnet_ddp.py", "--dataset", built, "--steps", 8, "--save-every", 1, "--save"]
    told = torchrun(*common, tmp_path / "whole-{step}.pt")
    assert told.count("epoch 0") == 6, "a checkpoint after step 7 is to be in the middle of the second epoch"
    torchrun(*common, tmp_path / "on-{step}.pt", "--resume", tmp_path / "whole-7.pt")
    assert not (tmp_path / "on-7.pt").exists()
    one, other = (torch.load(tmp_path / f"{run}-8.pt", weights_only=True) for run in ("whole", "on"))
    assert one["loader"] == other["loader"]
    assert same_tensors(one["model"], other["model"])


@pytest.fixture(scope="module")
def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    text = ["The heart is enlarged . There is a small left pleural effusion . No pneumothorax ."]
    words.train_from_iterator(text, trainers.WordLevelTrainer(special_tokens=special))
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=words, **named)


SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
IMAGES = {"image_size": 64, "patch_size": 16}


def save_clip(folder, tokenizer):
    from transformers import CLIPConfig, CLIPModel

    text = {**SMALL, "vocab_size": 64, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config={**SMALL, **IMAGES}, projection_dim=32))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_dual_encoder(folder, tokenizer):
    from transformers import BertConfig, VisionTextDualEncoderConfig, VisionTextDualEncoderModel, ViTConfig

    vision, text = ViTConfig(**SMALL, **IMAGES), BertConfig(**SMALL, vocab_size=64)
    # Dropout is drawn from torch's global generator, whose state is another matter than the loader's.
    text.hidden_dropout_prob = text.attention_probs_dropout_prob = 0.0
    config = VisionTextDualEncoderConfig.from_vision_text_configs(vision, text, projection_dim=32)
    VisionTextDualEncoderModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("save", [save_clip, save_dual_encoder])
def test_hugging_face_trainer_mixes_and_resumes(save, built, tokenizer, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    from medcutmix_pipeline.loader.mixing.hook import LayerHook

    torch.manual_seed(0)
    model = save(tmp_path / "model", tokenizer)
    script, common = EXAMPLES / "hf_trainer.py", ["--dataset", built, "--model", model, "--batch", 16]
    mixed = []
    plain = LayerHook._mixed
    monkeypatch.setattr(LayerHook, "_mixed", staticmethod(lambda *a: mixed.append(a[0].shape) or plain(*a)))
    run_here(monkeypatch, script, *common, "--steps", 8, "--save-steps", 7, "--out", tmp_path / "whole")
    assert len(mixed) == 8
    assert all(shape[1] == 1 + 16 for shape in mixed), "the class token and 4 × 4 patches"
    place = tmp_path / "whole" / "checkpoint-7"
    assert json.loads((place / "loader.json").read_text())["batch"] == 1, "in the middle of the second epoch"
    run_here(monkeypatch, script, *common, "--steps", 8, "--save-steps", 7, "--resume", place, "--out", tmp_path / "on")
    assert len(mixed) == 9
    ends = [tmp_path / run / "checkpoint-8" / "model.safetensors" for run in ("whole", "on")]
    assert same_tensors(*map(load_file, ends))


@pytest.fixture(scope="module")
def compare():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        yield importlib.import_module("compare")


def test_comparing_tells_every_arm_and_the_same_again(built, compare, monkeypatch, capsys):
    """Four arms of two seeds; the second time as the first, to the last digit."""
    small = ["--batch", 8, "--image-size", 32, "--width", 4, "--steps", 3, "--longer", 2, "--at-least", 3, "--seeds", 2]
    printed = []
    for _ in range(2):
        run_here(monkeypatch, EXAMPLES / "compare.py", "--dataset", built, *small)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    rows = re.findall(r"^(\w+) +(AUC|recall) +(\d\.\d{3})(.*)$", printed[0], re.M)
    assert [row[:2] for row in rows] == [(arm, measure) for arm in compare.ARMS for measure in compare.MEASURES]
    assert all(0 < float(row[2]) <= 1 for row in rows)
    assert [len(row[3].split()) for row in rows] == [0, 0, 2, 2, 2, 2, 2, 2]
    assert len({row[2] for row in rows if row[1] == "AUC"}) > 1, "the arms are not the same training"


def test_comparing_says_that_no_finding_is_common_enough(built, compare, monkeypatch):
    small = ["--batch", 8, "--image-size", 32, "--width", 4, "--steps", 1, "--at-least", 10_000]
    with pytest.raises(SystemExit, match="no finding has 10000 samples"):
        run_here(monkeypatch, EXAMPLES / "compare.py", "--dataset", built, *small)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 1.0, math.nan])), min_size=2, max_size=40))
def test_the_area_is_that_of_scikit_learn_where_nothing_is_in_doubt(compare, cases):
    scores, told = (torch.tensor(column, dtype=torch.float64) for column in zip(*cases, strict=True))
    known = ~told.isnan()
    assume(len(set(told[known].tolist())) == 2)
    assert compare.auc(scores, told) == pytest.approx(roc_auc_score(told[known].numpy(), scores[known].numpy()))


def test_an_image_finds_its_own_report_and_a_probe_what_features_hold(compare):
    rows = torch.eye(20)
    assert compare.recall(rows, rows, rank=1) == 1
    assert compare.recall(rows, rows.roll(1, 0), rank=1) == 0
    features = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    told = torch.stack([features[:, 0] > 0, features[:, 1] + features[:, 2] > 0], 1).float()
    told[::7] = math.nan
    scores = compare.probe(features[:100], told[:100], features[100:])
    assert all(compare.auc(scores[:, i], told[100:, i]) > 0.98 for i in range(2))


WATCH = """
import hashlib, json, os, runpy, sys
from pathlib import Path
from transformers import Trainer
from medcutmix_pipeline.loader import MixLoader

step, read, told = Trainer.training_step, MixLoader.__iter__, {"gradients": [], "keys": []}

def train(self, model, *inputs):
    loss = step(self, model, *inputs)
    gradients = b"".join(p.grad.numpy().tobytes() for p in model.parameters())
    told["gradients"].append(hashlib.sha256(gradients).hexdigest())
    return loss

def batches(self):
    for batch in read(self):
        told["keys"] += batch.keys
        yield batch

Trainer.training_step, MixLoader.__iter__ = train, batches
_, folder, *sys.argv = sys.argv
runpy.run_path(sys.argv[0], run_name="__main__")
Path(folder, f"rank{os.environ['RANK']}.json").write_text(json.dumps(told))
"""


def test_trainer_on_two_ranks_shares_the_dataset_out_once(built, tokenizer, tmp_path):
    """Ranks see different samples, whole batches of them, and average their gradients."""
    model = save_clip(tmp_path / "model", tokenizer)
    watch = tmp_path / "watch.py"
    watch.write_text(WATCH)
    script = EXAMPLES / "hf_trainer.py"
    torchrun(watch, tmp_path, script, "--dataset", built, "--model", model, "--steps", 4, "--out", tmp_path / "run")
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert len(first["gradients"]) == len(set(first["gradients"])) == 4
    assert first["gradients"] == second["gradients"]
    keys = first["keys"] + second["keys"]
    assert len(keys) == len(set(keys)) == 4 * 2 * 8


@pytest.fixture(scope="module")
def with_pixels(studies, tmp_path_factory):
    out = tmp_path_factory.mktemp("pixels") / "dataset"
    run_build(studies, out, shards={"pixel": True})
    return out


def test_export_writes_what_the_shards_hold(with_pixels, tmp_path, monkeypatch):
    shards = [path for kind in ("shards", "pixel") for path in sorted((with_pixels / kind).glob("*.tar"))]
    run_here(monkeypatch, EXAMPLES / "export_pairs.py", "--out", tmp_path / "pairs", *shards)
    with (tmp_path / "pairs" / "pairs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    held = {}
    for shard in shards:
        with tarfile.open(shard) as tar:
            held.update({info.name: tar.extractfile(info).read() for info in tar})
    assert len(rows) == sum(name.endswith(".txt") for name in held)
    for row in rows:
        image = tmp_path / row["Path"]
        assert image.read_bytes() == held[image.name]
        assert row["impression"] == row["Report Impression"] == held[f"{image.stem}.txt"].decode()
        record = json.loads(held[f"{image.stem}.json"])
        assert row["Split"] == row["split"] == {"train": "train", "validate": "valid"}[record["split"]]
        assert row["Frontal/Lateral"].lower() == record["view"]
    assert {row["Path"].startswith("pairs/images/mix-") for row in rows} == {True, False}


@pytest.fixture(scope="module")
def other_python():
    """A Python with open_clip and Lightning: this one, or what TRAINERS_PYTHON names, as `make trainers` does."""
    python = os.environ.get("TRAINERS_PYTHON", sys.executable)
    if shutil.which(python) is None or subprocess.run([python, "-c", CHECK], capture_output=True).returncode:
        pytest.skip("open_clip and Lightning are not here: `make trainers` runs this in an environment of its own")
    return python


def run_there(python, *arguments, folder):
    done = subprocess.run(
        [python, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(EXAMPLES.parents[1]), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["shards", "pixel"])
def test_open_clip_trains_unchanged(kind, with_pixels, other_python, tmp_path):
    shards = len(list((with_pixels / kind).glob("train-*.tar")))
    pattern = f"{with_pixels}/{kind}/train-{{000000..{shards - 1:06}}}.tar"
    settings = "--dataset-type webdataset --model ViT-S-32-alt --force-image-size 64 --batch-size 8 --workers 1 "
    settings += "--epochs 1 --warmup 1 --device cpu --precision fp32 --save-frequency 0 --train-num-samples 16"
    told = run_there(
        other_python, "-m", "open_clip_train.main", "--train-data", pattern, *settings.split(), folder=tmp_path
    )
    assert "Train Epoch: 0 [16/16 (100%)]" in told
    assert "Handling webdataset error" not in told


@pytest.mark.slow
def test_open_clip_mixes_through_the_hook(built, other_python, tmp_path):
    told = run_there(
        other_python,
        EXAMPLES / "open_clip_mix.py",
        *("--dataset", built, "--model", "tiny-clip", "--model-config", EXAMPLES / "tiny-clip.json", "--steps", 2),
        folder=tmp_path,
    )
    steps = [line for line in told.splitlines() if line.startswith("step")]
    assert len(steps) == 2
    assert all("visual.transformer.resblocks.2" in line for line in steps)
    assert all(float(line.split()[-1]) < 1 for line in steps), "the share of the host says that features were mixed"


LIGHTNING = """
import re, sys
from pathlib import Path
import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader
from medcutmix_pipeline.loader import AttentiveManifoldMix, MixLoader

_, page, DATASET, folder = sys.argv
BATCH, SIZE = 8, 64
def tokenize(texts):
    ids = torch.ones((len(texts), 4), dtype=torch.int64)
    return {"input_ids": ids, "attention_mask": ids, "token_type_ids": ids}
section = Path(page).read_text("utf-8").split("## Lightning trainers")[1]
exec(re.search("```python\\n(.*?)```", section, re.S)[1])

class Data(pl.LightningDataModule):
    train_dataloader = train_dataloader

class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 8, 8), torch.nn.Flatten(), torch.nn.Linear(256, 4))
        self.mix = AttentiveManifoldMix(self.net, "0")

    def training_step(self, batch, number):
        with self.mix(batch["plan"]):
            loss = self.net(batch["imgs"]).square().mean()
        told = [self.current_epoch, *batch["path"], float(self.mix.host_share().mean())]
        with Path(folder, f"rank{self.global_rank}.txt").open("a") as file:
            print(*told, file=file)
        self.log("loss", loss, on_epoch=True, batch_size=BATCH)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)

pl.Trainer(
    max_epochs=2, reload_dataloaders_every_n_epochs=1, accelerator="cpu", devices=2, strategy="ddp", logger=False,
    enable_progress_bar=False, default_root_dir=folder,
).fit(Model(), Data())
"""


@pytest.mark.slow
def test_lightning_on_two_ranks_shares_each_epoch_out_once(built, other_python, tmp_path):
    """With the data module's lines as docs/trainers.md has them: every epoch another order, no sample seen twice."""
    script = tmp_path / "light.py"
    script.write_text(LIGHTNING)
    run_there(other_python, script, EXAMPLES.parents[1] / "docs" / "trainers.md", built, tmp_path, folder=tmp_path)
    steps = [line.split() for rank in (0, 1) for line in (tmp_path / f"rank{rank}.txt").read_text().splitlines()]
    epochs = [[step[1:-1] for step in steps if step[0] == epoch] for epoch in "01"]
    for epoch in epochs:
        keys = [key for step in epoch for key in step]
        assert len(keys) == len(set(keys)) >= 2 * 8
    assert epochs[0] != epochs[1]
    assert min(float(step[-1]) for step in steps) < 1
