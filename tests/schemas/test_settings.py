"""Configuration: what `init` writes is what `build` assumes, and mistakes are told by name."""

import pytest
import yaml

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.schemas.settings import commented_config, known_keys, load_config, parse_set


def test_the_written_configuration_holds_every_default():
    written = yaml.safe_load(commented_config())
    assert Config.model_validate(written) == Config()
    for key in known_keys():
        section, _, name = key.rpartition(".")
        place = written
        for part in filter(None, section.split(".")):
            place = place[part]
        assert name in place


def test_settings_override_the_file(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("seed: 3\nshards: {image_size: 64}\n")
    config = load_config(file, [parse_set("shards.image_size=96"), parse_set("splits={train: 0.5, validate: 0.5}")])
    assert (config.seed, config.shards.image_size, config.splits.train) == (3, 96, 0.5)


PLACES = ("source.root", "sentences.lexicon", "attention.encoder", "privacy.key_file", "engine.work_dir")


@pytest.mark.parametrize("key", PLACES)
def test_a_tilde_is_the_home_folder_in_every_place_that_a_setting_names(tmp_path, monkeypatch, key):
    monkeypatch.setenv("HOME", str(tmp_path))
    section, name = key.split(".")
    told = {"~/a place": f"{tmp_path}/a place", "s3://bucket/~/x": "s3://bucket/~/x", "there/~": "there/~"}
    for given, meant in told.items():
        config = load_config(None, [parse_set(f"{key}={given}")])
        assert getattr(getattr(config, section), name) == meant


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("shards: {samples_per_shrd: 9}", "unknown setting shards.samples_per_shrd"),
        ("shards: {samples_per_shrd: 9}", "did you mean shards.samples_per_shard?"),
        ("sed: 1", "did you mean seed?"),
        ("shard: {image_size: 9}", "unknown setting shard.image_size"),
        ("shard: {image_size: 9}", "did you mean shards.image_size?"),
        ("image_size: 224", "did you mean shards.image_size?"),
        ("root: here", "did you mean source.root?"),
        ("qqqq: 1", "unknown setting qqqq in"),
        ("qqqq: 1", "`medcutmix-pipeline init -` shows them all"),
        ("shards: {image_format: gif}", "setting shards.image_format"),
        ("seed: many", "setting seed"),
        ("shards: 5", "setting shards"),
        ("shards: 5", "it is a section, whose settings stand below it"),
        ("plans: {alpha: .inf}", "setting plans.alpha in"),
        ("plans: {alpha: .inf}", "finite"),
        ("attention: {fit: {learning_rate: .nan}}", "finite"),
        ("splits: {train: 0.5}", "train and validate must sum to 1"),
        ("seed: [", "line 1 is not YAML"),
        ("just words", "holds no settings"),
        ("[" * 5000, "is not YAML"),
        ("seed: 1\nplans: {alpha: 2}\nseed: 2", "line 3: seed stands there a second time (before in line 1)"),
        (
            "plans:\n  alpha: 2\nshards:\n  quality: 80\nplans:\n  min_presence: 0.1",
            "line 5: plans stands there a second",
        ),
        ("plans:\n  alpha: 2\n  alpha: 3", "line 3: alpha stands there a second time"),
        ("pairing: {exclude: Edema}", "it is a list, also where it has one entry: pairing.exclude='[Edema]'"),
        ("pairing: {exclude: 3}", "pairing.exclude='[Edema, Fracture]'"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(tmp_path, text, told):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(UsageError) as error:
        load_config(file, [])
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_yaml_cannot_make_objects(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("seed: !!python/object/apply:os.getpid []")
    with pytest.raises(UsageError):
        load_config(file, [])


def test_what_a_mapping_takes_over_from_another_may_be_said_anew(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("splits: {train: 0.5, validate: 0.5}\nplans: {alpha: 2}\n")
    assert load_config(file, []).splits.train == 0.5
    file.write_text("splits: {<<: {train: 0.5, validate: 0.5}, train: 0.6, validate: 0.4}\n")
    assert load_config(file, []).splits.train == 0.6


@pytest.mark.parametrize("text", ["pairing.exclude=Edema", "pairing.exclude=Edema, Fracture"])
def test_how_to_write_a_list_is_told_with_what_was_meant(text):
    with pytest.raises(UsageError) as error:
        load_config(None, [parse_set(text)])
    written = str(error.value).rpartition(": ")[2].replace("'", "")
    meant = text.partition("=")[2].split(", ")
    assert load_config(None, [parse_set(written)]).pairing.exclude == tuple(meant)


def test_set_needs_a_key_and_a_value():
    with pytest.raises(UsageError, match=r"section\.key=value"):
        parse_set("shards.image_size")
