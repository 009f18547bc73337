"""Checkpoints as people have them: half precision, other layouts, other kinds of parts than the family's usual ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BeitConfig,
    BertConfig,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    Dinov2WithRegistersConfig,
    DistilBertConfig,
    PreTrainedTokenizerFast,
    SiglipVisionConfig,
    SwinConfig,
    T5Config,
    VisionTextDualEncoderConfig,
    VisionTextDualEncoderModel,
    ViTConfig,
)

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.pictures import attend_image
from medcutmix_pipeline.pipeline.layout import Layout
from medcutmix_pipeline.schemas.config import AttentionConfig
from medcutmix_pipeline.sources.phantom import generate
from medcutmix_pipeline.stages.attention.checkpoint import Card
from medcutmix_pipeline.stages.attention.checkpoint import save_checkpoint as save_fitted
from medcutmix_pipeline.stages.attention.encoder import check_encoder, encoder_image_size, load_encoder
from tests.builds import run_build
from tests.stages.attention.plain import soft_map
from tests.stages.attention.small_models import (
    _TEXT,
    _VISION,
    SIDE,
    VOCABULARY,
    model_of,
    save_checkpoint,
    save_letter_tokenizer,
    save_tokenizer,
)

FAMILIES = ("clip", "siglip", "siglip2", "vision-text-dual-encoder", "blip")
SENTENCES = ["Small left effusion", "nodule in the right upper lobe"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mine"


def config_of(folder):
    return AttentionConfig(encoder=str(folder), device="cpu", batch=2)


def asked(folder, images=None):
    """The answers of the checkpoint's encoder to two sentences about two images."""
    if images is None:
        images = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE), dtype=np.uint8)
    return load_encoder(config_of(folder), None).attend(images, [0, 1], SENTENCES)


def changed(folder, change, name="config.json"):
    told = json.loads((folder / name).read_text())
    change(told)
    (folder / name).write_text(json.dumps(told))


def refusal(folder, when="load"):
    with pytest.raises(UsageError) as caught:
        check_encoder(config_of(folder)) if when == "check" else load_encoder(config_of(folder), None)
    assert "\n" not in str(caught.value)
    assert str(folder.parent) not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("family", "half"), [*((family, torch.float16) for family in FAMILIES), ("blip", torch.bfloat16)]
)
def test_a_checkpoint_in_half_precision_answers_as_the_same_weights_in_single_precision(family, half, folder, tmp_path):
    model = model_of(family)
    for place, precision in ((folder, half), (tmp_path / "single", torch.float32)):
        model.to(half).to(precision).save_pretrained(place)
        (save_letter_tokenizer if family == "siglip2" else save_tokenizer)(place)
    assert {weight.dtype for weight in load_file(folder / "model.safetensors").values()} == {half}
    got, expected = asked(folder), asked(tmp_path / "single")
    assert got.maps.tobytes() == expected.maps.tobytes()
    assert got.scores.tobytes() == expected.scores.tobytes()


MEANS, SPREADS = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]


def test_channels_are_standardised_as_a_processor_of_transformers_saved_them(folder):
    """Its fifth version keeps them in processor_config.json, earlier ones in preprocessor_config.json."""
    save_checkpoint("clip", folder)
    usual = asked(folder)
    images = CLIPImageProcessor(image_mean=MEANS, image_std=SPREADS)
    CLIPProcessor(images, PreTrainedTokenizerFast.from_pretrained(folder)).save_pretrained(folder)
    assert not (folder / "preprocessor_config.json").exists()
    new = asked(folder)
    (folder / "processor_config.json").unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": MEANS, "image_std": SPREADS}))
    old = asked(folder)
    assert new.maps.tobytes() == old.maps.tobytes()
    assert not np.allclose(new.maps, usual.maps)
    changed(folder, lambda told: told.update(image_mean=[0.0] * 3, image_std=[1.0] * 3), "preprocessor_config.json")
    plain = asked(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False, "image_mean": MEANS}))
    assert asked(folder).maps.tobytes() == plain.maps.tobytes()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("{", "its preprocessor_config.json cannot be read"),
        ('{"image_mean": [0.1, 0.2]}', "fits no image of 3 channels"),
    ],
)
def test_a_standardisation_that_is_damaged_is_told_before_any_work(told, says, folder):
    save_checkpoint("clip", folder)
    (folder / "preprocessor_config.json").write_text(told)
    assert says in refusal(folder, "check")


def test_a_grey_model_is_given_grey_images(folder):
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(text_config=_TEXT, vision_config={**_VISION, "num_channels": 1}, projection_dim=10))
    model.save_pretrained(folder)
    save_tokenizer(folder)
    three = folder.parent / "three"
    weights = load_file(folder / "model.safetensors")
    patches = "vision_model.embeddings.patch_embedding.weight"
    mean, spread = 0.4, 0.25
    save_checkpoint("clip", three)
    save_file(
        {**weights, patches: weights[patches].repeat(1, 3, 1, 1) / 3}, three / "model.safetensors", {"format": "pt"}
    )
    for place, channels in ((folder, 1), (three, 3)):
        told = {"image_mean": [mean] * channels, "image_std": [spread] * channels}
        (place / "preprocessor_config.json").write_text(json.dumps(told))
    np.testing.assert_allclose(asked(folder).maps, asked(three).maps, rtol=1e-4, atol=1e-6)


def dual(folder, vision, text=None):
    """A pair of these two kinds, with random weights."""
    torch.manual_seed(0)
    both = VisionTextDualEncoderConfig.from_vision_text_configs(vision, text or BertConfig(**_TEXT))
    both.projection_dim = 10
    VisionTextDualEncoderModel(both).save_pretrained(folder)
    save_tokenizer(folder)


PYRAMID = SwinConfig(image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4)


@pytest.mark.parametrize(
    "vision", [PYRAMID, BeitConfig(**_VISION), SiglipVisionConfig(**_VISION)], ids=["pyramid", "mean", "head"]
)
def test_a_vision_model_that_pools_in_another_way_is_refused_and_not_asked_in_vain(vision, folder):
    dual(folder, vision)
    assert "is not supported: it is neither CLIP's nor a vision transformer that is pooled by" in refusal(folder)


def test_registers_are_dropped_and_a_model_without_a_pooler_is_read_as_it_pools(folder):
    """DINOv2: what it makes of an image is its first token, and registers stand between that and the patches."""
    sizes = {name: size for name, size in _VISION.items() if name != "intermediate_size"}
    dual(folder, Dinov2WithRegistersConfig(**sizes, num_register_tokens=3))
    model = VisionTextDualEncoderModel.from_pretrained(folder).eval()
    images = np.random.default_rng(1).integers(0, 256, (2, SIDE, SIDE), dtype=np.uint8)
    pixels = (torch.from_numpy(images)[:, None].expand(-1, 3, -1, -1) / 255 - 0.5) / 0.5
    words = PreTrainedTokenizerFast.from_pretrained(folder)(SENTENCES[1], return_tensors="pt")
    with torch.no_grad():
        tokens = model.visual_projection(model.vision_model(pixel_values=pixels).last_hidden_state)[1]
        sentence = model.get_text_features(words["input_ids"], words["attention_mask"]).pooler_output[0]
        assert torch.allclose(tokens[0], model.get_image_features(pixel_values=pixels).pooler_output[1], atol=1e-5)
    assert len(tokens) == 1 + 3 + 16
    cosines = torch.nn.functional.cosine_similarity(tokens[4:], sentence[None])
    expected = soft_map(cosines, float(model.logit_scale.detach().exp()))
    np.testing.assert_allclose(asked(folder, images).maps[1], expected, rtol=1e-4, atol=1e-6)


def test_a_text_model_of_a_kind_that_cannot_be_asked_is_told_in_one_line(folder, tmp_path):
    small = {"vocab_size": VOCABULARY, "dim": 16, "hidden_dim": 24, "n_layers": 2, "n_heads": 2}
    dual(folder, ViTConfig(**_VISION), DistilBertConfig(**small, max_position_embeddings=40))
    assert "cannot be asked for a sentence in an image (AttributeError" in refusal(folder)
    without_places = T5Config(vocab_size=VOCABULARY, d_model=16, d_ff=24, num_layers=2, num_heads=2, d_kv=8)
    dual(tmp_path / "other", ViTConfig(**_VISION), without_places)
    assert "cannot be loaded (AttributeError)" in refusal(tmp_path / "other")


def test_a_size_of_two_numbers_is_understood_where_they_are_the_same(folder):
    save_checkpoint("vision-text-dual-encoder", folder)
    expected = asked(folder)
    changed(folder, lambda card: card["vision_config"].update(image_size=[SIDE, SIDE]))
    assert encoder_image_size(config_of(folder), None) == SIDE
    assert asked(folder).maps.tobytes() == expected.maps.tobytes()
    changed(folder, lambda card: card["vision_config"].update(image_size=[SIDE, 2 * SIDE]))
    assert f"takes images of {SIDE} × {2 * SIDE} px" in refusal(folder, "check")


def test_a_config_that_transformers_does_not_understand_is_told_before_any_work(folder):
    save_checkpoint("vision-text-dual-encoder", folder)
    changed(folder, lambda card: card["text_config"].update(model_type="of-somebody"))
    assert "not understood by this version of transformers" in refusal(folder, "check")


def test_a_tokenizer_that_cannot_pad_is_told_before_any_work(folder):
    save_checkpoint("clip", folder)
    changed(folder, lambda told: told.pop("pad_token"), "tokenizer_config.json")
    assert "has no padding token" in refusal(folder, "check")


def of_pieces(folder):
    (folder / "spiece.model").write_bytes(b"pieces")


def of_its_own_code(folder):
    (folder / "vocab.txt").write_text("a\n")
    (folder / "own.py").write_text("raise SystemExit\n")
    own = {"auto_map": {"AutoTokenizer": ["own.Mine", None]}, "tokenizer_class": "Mine"}
    changed(folder, lambda told: told.update(own), "tokenizer_config.json")


@pytest.mark.parametrize(
    ("kind", "says"),
    [(of_pieces, "pip install sentencepiece protobuf"), (of_its_own_code, "attention.trust_remote_code=true")],
)
def test_a_tokenizer_that_needs_more_than_is_here_is_told_what(kind, says, folder):
    save_checkpoint("siglip", folder)
    (folder / "tokenizer.json").unlink()
    kind(folder)
    assert says in refusal(folder, "check")


def test_a_tokenizer_is_compared_with_the_words_that_a_family_knows_by_default(folder):
    save_checkpoint("siglip", folder)
    save_tokenizer(folder, extra=32_000)
    changed(folder, lambda card: card["text_config"].pop("vocab_size"))
    assert "the model knows 32000" in refusal(folder, "check")


def spoilt(folder):
    weights = load_file(folder / "model.safetensors")
    weights["visual_projection.weight"][0, 0] = float("nan")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_weights_that_are_no_numbers_are_told_before_reports_are_read(folder, tmp_path):
    save_checkpoint("clip", folder)
    spoilt(folder)
    generate(tmp_path / "studies", 20, seed=3, size=64)
    with pytest.raises(UsageError, match=r"mine gave a map that is not finite.*are its weights whole\?"):
        run_build(tmp_path / "studies", tmp_path / "out", attention={"encoder": str(folder)})
    assert Layout(tmp_path / "out").facts("part-00000") is None


def test_an_answer_that_no_encoder_may_give_ends_attend_with_one_line(tmp_path, monkeypatch):
    (tmp_path / "mine_that_fails.py").write_text(
        "import numpy as np\n"
        "from medcutmix_pipeline.stages.attention.encoder import Attention\n"
        "class Mine:\n"
        "    id, sha256, image_size = 'mine', '0' * 64, 8\n"
        "    def __init__(self, config): ...\n"
        "    def attend(self, images, image_index, sentences):\n"
        "        return Attention(np.full((1, 4, 4), np.nan, np.float32), np.ones(1, np.float32))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    generate(tmp_path / "studies", 1, seed=3, size=64)
    image = next((tmp_path / "studies" / "images").iterdir())
    with pytest.raises(DataError, match="mine gave a map that is not finite"):
        attend_image(image, "An effusion.", AttentionConfig(encoder="mine_that_fails:Mine"))


def test_weights_in_parts_are_all_there_or_the_missing_one_is_named_before_any_work(folder, tmp_path):
    save_checkpoint("clip", tmp_path / "whole")
    model_of("clip").save_pretrained(folder, max_shard_size="10KB")
    save_tokenizer(folder)
    assert asked(folder).maps.tobytes() == asked(tmp_path / "whole").maps.tobytes()
    parts = sorted(folder.glob("model-*.safetensors"))
    parts[1].unlink()
    assert f"is not whole: its {parts[1].name} is missing" in refusal(folder, "check")


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_that_torch_saved_are_read_from_both_of_its_formats(zipped, folder, tmp_path):
    model = save_checkpoint("clip", folder)
    expected = asked(folder)
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    assert asked(folder).maps.tobytes() == expected.maps.tobytes()


def test_weights_of_another_tool_s_layout_are_not_taken_for_the_model_s(folder):
    save_checkpoint("clip", folder)
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    assert "has no weights in the layout of transformers" in refusal(folder, "check")


def test_weights_alone_and_a_model_of_open_clip_are_told_for_what_they_are(folder, tmp_path):
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(UsageError, match=r"weights.pt is a file, and a model is a folder with its config.json"):
        check_encoder(config_of(tmp_path / "weights.pt"))
    folder.mkdir()
    (folder / "open_clip_config.json").write_text("{}")
    assert "not a checkpoint of transformers but that of open_clip" in refusal(folder, "check")


def test_an_encoder_that_a_build_fitted_is_known_and_not_taken_for_a_damaged_checkpoint(folder):
    save_fitted(folder, Card(32, 8, 1, ("effusion",)), {"weight": torch.zeros(1)})
    assert "holds an encoder that a build fitted on its own corpus" in refusal(folder, "check")


def test_loading_prints_nothing(folder, capfd):
    """Neither progress nor the report of weights that the model does not need: what it lacks is told by us."""
    save_checkpoint("clip", folder)
    weights = load_file(folder / "model.safetensors")
    save_file({**weights, "of_another_head": torch.zeros(2)}, folder / "model.safetensors", {"format": "pt"})
    capfd.readouterr()
    load_encoder(config_of(folder), None)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("reads", "cut"), [(6, True), (40, False)])
def test_sentences_that_are_longer_than_a_model_reads_are_counted_and_told(reads, cut, folder, tmp_path):
    text = {**_TEXT, "max_position_embeddings": reads}
    CLIPModel(CLIPConfig(text_config=text, vision_config=_VISION, projection_dim=10)).save_pretrained(folder)
    save_tokenizer(folder)
    generate(tmp_path / "studies", 30, seed=3, size=64)
    _, told = run_build(tmp_path / "studies", tmp_path / "out", attention={"encoder": str(folder)})
    counts = json.loads((tmp_path / "out" / "dataset.json").read_text())["counts"]
    assert (counts.get("truncated_sentences", 0) > 0) == cut
    assert ("sentences are longer than the encoder reads" in told) == cut
    assert ("truncated_sentences" in counts) == cut
