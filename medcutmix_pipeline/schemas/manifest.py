"""`dataset.json`: what a finished dataset says of itself."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")


class SourceFacts(_Part):
    """What went in: the kind of source, and how many studies and images it listed."""

    kind: str
    studies: int
    images: int


class EncoderFacts(_Part):
    """The encoder that drew the maps: its name and the sha256 of its weights."""

    id: str
    sha256: str


class Counts(_Part):
    """What came out. `rejects` and `dropped_mixes` count by reason, `plans_by_disease` by finding.

    `truncated_sentences` counts, shard by shard, the sentences that were longer than the encoder reads; it is absent
    where there were none.
    """

    samples: int
    plans: int
    rejects: dict[str, int]
    plans_by_disease: dict[str, int]
    dropped_mixes: dict[str, int]
    truncated_sentences: int = 0

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = dump(self)
        if not told["truncated_sentences"]:
            del told["truncated_sentences"]
        return told


class ShardHashes(_Part):
    """sha256 of a shard's three files."""

    tar: str
    plans: str
    samples: str


class PixelFacts(_Part):
    """The pixel mixes of one shard: how many, and the size and sha256 of their tar."""

    mixes: int
    bytes: int
    sha256: str


class ShardFacts(_Part):
    """One shard; `bytes` is the size of its tar. `pixel` is absent where no mixes were baked of it."""

    name: str
    split: str
    samples: int
    plans: int
    bytes: int
    sha256: ShardHashes
    pixel: PixelFacts | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = dump(self)
        if told["pixel"] is None:
            del told["pixel"]
        return told


class DatasetManifest(_Part):
    """The whole file. Fields may be added; none of these may change within a format version.

    `tables` has the sha256 of each file of the sentences and rejects, by its name in the dataset.
    """

    format_version: int
    tool_version: str
    config: dict[str, Any]
    config_hash: str
    source: SourceFacts
    encoder: EncoderFacts
    diseases: list[str]
    counts: Counts
    shards: list[ShardFacts] = Field(default_factory=list)
    tables: dict[str, str] = Field(default_factory=dict)
