"""The recipes of docs/trainers.md, run as they stand there, on stand-ins with the layers and shapes of the real models.

The stand-ins are small and written here; what they share with GLoRIA, MGCA, CARZero, CheXzero and BioViL is the path of
the layer, its layout, its prefix tokens, the dictionary that goes in and the way a class token or an average is pooled.
"""

import re
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from medcutmix_pipeline.loader import AttentiveManifoldMix, MixContrastiveLoss, MixLoader

PAGE = Path(__file__).resolve().parents[2] / "docs" / "trainers.md"
SIZE, BATCH, WIDTH = 96, 8, 16


def blocks(heading):
    """The Python blocks below a heading of the page."""
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", PAGE.read_text("utf-8"), re.M | re.S)
    return [textwrap.dedent(code) for code in re.findall(r"```python\n(.*?)```", section[1], re.S)]


class ResNet(nn.Module):
    """Stages named as torchvision's."""

    def __init__(self, upsampled=None):
        super().__init__()
        self.upsampled = upsampled
        self.conv1 = nn.Conv2d(3, WIDTH, 7, 2, 3)
        for i in range(1, 5):
            setattr(self, f"layer{i}", nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, 2 - (i == 1), 1), nn.ReLU()))

    def forward(self, x):
        if self.upsampled:
            x = nn.functional.interpolate(x, size=self.upsampled, mode="bilinear")
        x = self.layer2(self.layer1(self.conv1(x)))
        local = self.layer3(x)
        return self.layer4(local).mean((2, 3)), local


class PlainBlock(nn.Module):
    """A transformer's block, rows first; its forward may be given more than the tokens, as MGCA's is."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, WIDTH, 0.0, batch_first=True)

    def forward(self, x, register_hook=False):
        return self.layer(x)


class ViT(nn.Module):
    """MGCA's and CARZero's: a class token before 6 × 6 patches; gives the class token and the rest."""

    def __init__(self):
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.randn(1, 37, WIDTH))
        self.proj = nn.Conv2d(3, WIDTH, 16, 16)
        self.blocks = nn.ModuleList([PlainBlock() for _ in range(8)])

    def forward(self, x):
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.proj(x).flatten(2).mT], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x, False)
        return x[:, 0], x[:, 1:]


class ImageEncoder(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images)


class Reports(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.EmbeddingBag(64, WIDTH, padding_idx=0)

    def forward(self, ids):
        return self.words(ids)


class TwoTowers(nn.Module):
    """Takes the dictionary that the three Lightning trainers take."""

    def __init__(self, tower, image):
        super().__init__()
        setattr(self, tower, ImageEncoder(image))
        self.tower, self.text_encoder = tower, Reports()

    def forward(self, x):
        assert {"imgs", "caption_ids", "attention_mask", "token_type_ids", "cap_lens", "path", "plan"} <= x.keys()
        return getattr(self, self.tower)(x["imgs"])[0], self.text_encoder(x["caption_ids"])


def tokenize(texts):
    ids = [[2, *(3 + len(word) for word in text.split())][:40] for text in texts]
    padded = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in ids], batch_first=True)
    return {"input_ids": padded, "attention_mask": (padded > 0).long(), "token_type_ids": torch.zeros_like(padded)}


def recipe_for_lightning(built):
    """`as_theirs`, `as_theirs_sorted` and `train_dataloader` as the page has them."""
    names = {
        "MixLoader": MixLoader,
        "DataLoader": DataLoader,
        "tokenize": tokenize,
        "DATASET": built,
        "BATCH": BATCH,
        "SIZE": SIZE,
    }
    for code in blocks("Lightning trainers"):
        exec(code, names)
    return names


def watched(model, layer):
    """Records what the layer gives to the layers behind it: hooks of later registration see the mixed features."""
    seen = []
    model.get_submodule(layer).register_forward_hook(lambda m, i, out: seen.append(out.detach().clone()))
    return seen


def check_mixed(plain, mixed, plan, weights, prefix, rows_first=True):
    """mixed = host + w · (donor − host) for the cells; prefix tokens and rows without a plan as they were."""
    if plain.ndim == 4:
        spread = weights[:, None]
        donors = plain[plan.donor]
    else:
        spread = torch.cat([torch.zeros(len(weights), prefix), weights.flatten(1)], 1)[..., None]
        plain, mixed = (plain, mixed) if rows_first else (plain.transpose(0, 1), mixed.transpose(0, 1))
        donors = plain[plan.donor]
        assert torch.equal(plain[:, :prefix], mixed[:, :prefix])
    torch.testing.assert_close(mixed, plain + spread * (donors - plain), rtol=1e-5, atol=1e-6)
    assert torch.equal(mixed[~plan.active], plain[~plan.active])
    assert not torch.equal(mixed[plan.active], plain[plan.active])


class Gloria:
    heading, prefix = "GLoRIA", 0

    def __init__(self):
        self.gloria = self.model = TwoTowers("img_encoder", ResNet(upsampled=(75, 75)))

    def shared_step(self, batch, split):
        return *self.gloria(batch), None


class Mgca(TwoTowers):
    heading, prefix = "MGCA", 1

    def __init__(self):
        super().__init__("img_encoder_q", ViT())
        self.__dict__["model"] = self

    def __call__(self, batch, *_):
        return *super().__call__(batch), None, None, None


class CarZero:
    heading, prefix = "CARZero", 1

    def __init__(self):
        self.CARZero = self.model = TwoTowers("img_encoder", ViT())

    def shared_step(self, batch, split):
        return self.CARZero(batch)


@pytest.mark.parametrize("trainer", [Gloria, Mgca, CarZero])
def test_lightning_trainers_mix_where_the_page_says(trainer, built):
    torch.manual_seed(0)
    trainer = trainer()
    names = recipe_for_lightning(built)
    batches = names["train_dataloader"](SimpleNamespace(trainer=SimpleNamespace(current_epoch=3)))
    assert batches.dataset.epoch == 3
    batch = next(b for b in batches if b["plan"].active.any())
    (code,) = blocks(trainer.heading)
    attach, step = code.split("\n", 1)
    scope = {"self": trainer, "AttentiveManifoldMix": AttentiveManifoldMix, "batch": batch, "batch_idx": 0}
    exec(attach, scope)
    layer = trainer.mix.layers[0]
    seen = watched(trainer.model, layer)
    trainer.model(batch)
    exec(step, scope)
    check_mixed(*seen, batch["plan"], trainer.mix.weights, trainer.prefix)
    assert trainer.mix.host_share().mean() < 1


def test_sorting_by_length_with_the_plan_gives_every_study_the_same_features(built):
    torch.manual_seed(0)
    names = recipe_for_lightning(built)
    model = TwoTowers("img_encoder", ViT())
    mix = AttentiveManifoldMix(model, "img_encoder.model.blocks.6")
    moved = 0
    for batch in MixLoader(built, BATCH, mix=1.0, tokenizer=tokenize):
        plain, by_length = names["as_theirs"](batch), names["as_theirs_sorted"](batch)
        assert by_length["cap_lens"].tolist() == sorted(plain["cap_lens"].tolist(), reverse=True)
        with mix(plain["plan"]):
            as_read = dict(zip(plain["path"], model(plain)[0], strict=True))
        with mix(by_length["plan"]):
            as_sorted = dict(zip(by_length["path"], model(by_length)[0], strict=True))
        for key, features in as_read.items():
            torch.testing.assert_close(as_sorted[key], features, rtol=1e-5, atol=1e-6)
        order = [plain["path"].index(key) for key in by_length["path"]]
        with mix(plain["plan"]):
            wrong = model({**by_length, "plan": plain["plan"]})[0]
        moved += order != sorted(order) and not torch.allclose(wrong, torch.stack([*as_sorted.values()]), atol=1e-3)
    assert moved, "with the old plan the sorted rows must come out differently, or this test shows nothing"


class SequenceFirst(nn.Module):
    """OpenAI's CLIP: blocks see [tokens, rows, channels]."""

    def __init__(self):
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(WIDTH))
        self.positional_embedding = nn.Parameter(torch.randn(50, WIDTH))
        self.conv1 = nn.Conv2d(3, WIDTH, 32, 32, bias=False)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.Sequential(
            *(nn.TransformerEncoderLayer(WIDTH, 2, WIDTH, 0.0) for _ in range(12))
        )

    def forward(self, x):
        x = self.conv1(x).flatten(2).mT
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], 1) + self.positional_embedding
        return self.transformer.resblocks(x.transpose(0, 1))[0]


def test_chexzero_is_taken_out_of_eval_and_mixed_with_tokens_first(built):
    torch.manual_seed(0)
    model = nn.Module()
    model.visual = SequenceFirst()
    model.eval()
    seen, steps = watched(model, "visual.transformer.resblocks.6"), []

    def train_batch(images, texts, *_):
        assert images.shape == (BATCH, 3, 224, 224)
        assert len(texts) == BATCH
        steps.append(images)
        features = model.visual(images)
        features.sum().backward()
        return features

    config = SimpleNamespace(batch_size=BATCH, epochs=2)
    scope = {
        "MixLoader": MixLoader,
        "AttentiveManifoldMix": AttentiveManifoldMix,
        "DATASET": built,
        "config": config,
        "model": model,
        "train_batch": train_batch,
        "preprocess_text": lambda texts, model: texts,
        **dict.fromkeys(("device", "criterion", "optimizer")),
    }
    (code,) = blocks("CheXzero")
    exec(code, scope)
    assert scope["epoch"] == 1
    assert model.training
    plan, weights = scope["batch"].plan, scope["mix"].weights
    # The watcher was there before the mix and saw the features as they were; another stands behind it.
    after = watched(model, "visual.transformer.resblocks.6")
    with scope["mix"](plan):
        model.visual(steps[-1])
    check_mixed(seen[-1], after[-1], plan, weights, prefix=1, rows_first=False)


def test_biovil_like_loop_mixes_the_third_stage(built):
    torch.manual_seed(0)

    class ImageModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Module()
            self.encoder.encoder = ResNet()

        def forward(self, images):
            assert 0 <= images.min() <= images.max() <= 1
            return SimpleNamespace(projected_global_embedding=self.encoder.encoder(images)[0])

    text, losses = Reports(), []
    loss = MixContrastiveLoss(epsilon=0.5)
    scope = {
        "AttentiveManifoldMix": AttentiveManifoldMix,
        "image_model": ImageModel().eval(),
        "scale": 10.0,
        "loader": MixLoader(built, BATCH),
        "project": lambda texts: text(tokenize(texts)["input_ids"]),
        "criterion": lambda *a: losses.append(loss(*a)) or losses[-1],
    }
    (code,) = blocks("BioViL-like")
    exec(code, scope)
    assert scope["mix"].layers == ["encoder.encoder.layer3"]
    assert len(losses) == len(scope["loader"])
    assert all(torch.isfinite(value) for value in losses)
    assert scope["mix"].weights is not None


def test_the_last_block_s_class_token_knows_nothing_of_the_mix(built):
    """Why the page says never to mix at the last block of a model that pools its class token."""
    torch.manual_seed(0)
    model = ViT()
    batch = next(b for b in MixLoader(built, BATCH, mix=1.0) if b.plan.active.any())
    images, active = batch.normalised(), batch.plan.active
    plain = model(images)[0]
    for layer, reaches in ("blocks.7", False), ("blocks.6", True):
        mix = AttentiveManifoldMix(model, layer)
        with mix(batch):
            pooled = model(images)[0]
        mix.remove()
        assert torch.equal(pooled[active], plain[active]) != reaches
