"""What a build is: its configuration without where and how it runs, and the keys of its pieces of work."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.pipeline.layout import digest
from medcutmix_pipeline.pipeline.tasks import STATE_VERSION, Context
from medcutmix_pipeline.version import FORMAT_VERSION, __version__

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import Config


def with_whole_paths(config: Config) -> Config:
    """The same configuration with absolute paths: Ray's workers may run in another folder."""
    sentences, attention = config.sentences, config.attention
    if sentences.lexicon is not None:
        sentences = sentences.model_copy(update={"lexicon": str(Path(sentences.lexicon).resolve())})
    encoder = Path(attention.encoder).expanduser()
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
    matters = {name: told[name] for name in ("seed", "ingest", "sentences", "splits")}
    # A keyed fingerprint: it changes with the key and says nothing about it.
    names = digest(context.key.hex(), context.public_ids)
    return digest(STATE_VERSION, FORMAT_VERSION, listing_sha256, matters, list(config.pairing.exclude), names)


def unit_key(context: Context, rows_sha256: str, encoder_sha256: str) -> str:
    """The key of one unit: its rows, the encoder's weights, and all that making it depends on."""
    told = public_config(context.config, context.reader.lexicon_sha256)
    matters = {name: told[name] for name in ("seed", "ingest", "sentences", "pairing", "attention", "plans")}
    matters["shards"] = _without_pixel(told["shards"])
    return digest(STATE_VERSION, FORMAT_VERSION, rows_sha256, encoder_sha256, matters)


def pixel_key(context: Context, tar_sha256: str) -> str:
    """The key of one unit's pixel mixes: its shard, and all that baking them depends on."""
    shards = context.config.shards
    matters = [context.config.seed, shards.image_format, shards.quality, shards.pixel_map, shards.pixel_per_host]
    return digest(STATE_VERSION, FORMAT_VERSION, "pixel", tar_sha256, matters)


def encoder_key(context: Context, rows_sha256: str) -> str:
    """The key of a fitted encoder: its rows, and all that shapes their images, their sentences and the fit."""
    told = public_config(context.config, context.reader.lexicon_sha256)
    shards = [told["shards"][name] for name in ("image_size", "square")]
    matters = [told[name] for name in ("seed", "ingest", "sentences")] + [
        told["attention"]["fit"],
        told["pairing"]["exclude"],
        shards,
    ]
    return digest(STATE_VERSION, FORMAT_VERSION, rows_sha256, matters)
