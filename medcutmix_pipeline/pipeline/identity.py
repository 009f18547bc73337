"""What a build is: its configuration without where and how it runs, and the keys of its pieces of work."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.pipeline.layout import digest
from medcutmix_pipeline.pipeline.tasks import STATE_VERSION, Context
from medcutmix_pipeline.stages.attention.encoder import FIT
from medcutmix_pipeline.version import FORMAT_VERSION, __version__

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import Config


def with_whole_paths(config: Config) -> Config:
    """The same configuration with absolute paths: Ray's workers may run in another folder."""
    sentences, attention = config.sentences, config.attention
    if sentences.lexicon is not None:
        sentences = sentences.model_copy(update={"lexicon": str(Path(sentences.lexicon).resolve())})
    encoder = Path(attention.encoder)
    if encoder.is_dir():
        attention = attention.model_copy(update={"encoder": str(encoder.resolve())})
    return config.model_copy(update={"sentences": sentences, "attention": attention})


def public_config(config: Config, lexicon_sha256: str) -> dict[str, Any]:
    """The configuration as `dataset.json` tells it: nothing of the machine, its paths, or the secret key."""
    told = config.model_dump(mode="json", by_alias=True, exclude={"engine", "privacy"})
    told["source"].pop("root")
    told["sentences"]["lexicon"] = lexicon_sha256
    told["sentences"]["model"] = config.sentences.model and PurePath(config.sentences.model).name
    told["attention"]["encoder"] = PurePath(config.attention.encoder).name
    told["attention"]["fit"].pop("threads")
    if not config.shards.pixel:
        told["shards"] = _without_pixel(told["shards"])
    return told


def _without_pixel(shards: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shards.items() if not name.startswith("pixel")}


def release() -> str:
    """Which code runs here: two processes work on one dataset only where they agree on it."""
    return f"{__version__}, format {FORMAT_VERSION}, state {STATE_VERSION}"


def part_key(context: Context, listing_sha256: str) -> str:
    """The key of one part: its rows, and all that reading depends on."""
    config = context.config
    told = public_config(config, context.reader.lexicon_sha256)
    matters = {name: told[name] for name in ("seed", "sentences", "splits")}
    matters["ingest"] = _of_an_input(told)
    # A keyed fingerprint: it changes with the key and says nothing about it.
    names = digest(context.key.hex(), context.public_ids)
    return digest(STATE_VERSION, FORMAT_VERSION, listing_sha256, matters, list(config.pairing.exclude), names)


def unit_key(context: Context, rows_sha256: str, encoder_sha256: str) -> str:
    """The key of one unit: its rows, the encoder's weights, and all that making it depends on."""
    told = public_config(context.config, context.reader.lexicon_sha256)
    matters = {name: told[name] for name in ("seed", "sentences", "pairing", "plans")}
    matters |= {"ingest": _of_an_input(told), "attention": _of_an_encoder_at_work(context.config, told)}
    matters["shards"] = _without_pixel(told["shards"])
    return digest(STATE_VERSION, FORMAT_VERSION, rows_sha256, encoder_sha256, matters)


def _of_an_input(told: dict[str, Any]) -> dict[str, Any]:
    """How one input is read, however many are read at a time: that shows in the rows of a piece of work, or nowhere."""
    return _without(told["ingest"], "studies_per_part")


def _of_an_encoder_at_work(config: Config, told: dict[str, Any]) -> dict[str, Any]:
    """What decides how it looks, beside its weights; these tell all of the fit that they came from."""
    attention = _without(told["attention"], "fit")
    # Only a model's folder may bring a tokenizer of its own beside the library's, which may cut words otherwise.
    return _without(attention, "trust_remote_code") if config.attention.encoder == FIT else attention


def _without(section: dict[str, Any], setting: str) -> dict[str, Any]:
    return {name: value for name, value in section.items() if name != setting}


def pixel_key(context: Context, tar_sha256: str) -> str:
    """The key of one unit's pixel mixes: its shard, and all that baking them depends on."""
    shards = context.config.shards
    matters = [context.config.seed, shards.image_format, shards.quality, shards.pixel_map, shards.pixel_per_host]
    return digest(STATE_VERSION, FORMAT_VERSION, "pixel", tar_sha256, matters)


def encoder_key(context: Context, rows_sha256: str) -> str:
    """The key of a fitted encoder: its rows, and all that shapes their images, their sentences and the fit."""
    told = public_config(context.config, context.reader.lexicon_sha256)
    shards = [told["shards"][name] for name in ("image_size", "square")]
    shaped = [_of_an_input(told), told["sentences"], told["attention"]["fit"], told["pairing"]["exclude"], shards]
    matters = [told["seed"], *shaped]
    return digest(STATE_VERSION, FORMAT_VERSION, rows_sha256, matters)
