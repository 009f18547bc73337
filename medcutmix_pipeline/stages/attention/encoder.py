"""What an encoder is, and how the configured one is found, checked and loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medcutmix_pipeline.schemas.config import AttentionConfig

FIT = "fit"
"""The value of `attention.encoder` that asks for an encoder fitted on the corpus itself."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Where sentences are found in images.

    `maps` is float32 [S, h, w], finite and ≥ 0, on any scale; `scores` is float32 [S] in [0, 1], the encoder's belief
    that the image shows what the sentence says; `truncated` counts sentences that were longer than the encoder reads.
    """

    maps: NDArray[np.float32]
    scores: NDArray[np.float32]
    truncated: int = 0


def problem_of(seen: Attention, asked: int) -> str | None:
    """What is wrong with an encoder's answers to `asked` sentences, as the end of a sentence about the encoder."""
    maps, scores = np.asarray(seen.maps), np.asarray(seen.scores)
    if maps.ndim != 3 or not maps.size or len(maps) != asked or scores.shape != (asked,):
        return (
            f"answered {asked} sentences with maps of shape {list(maps.shape)} and scores of shape "
            f"{list(scores.shape)}, and must give maps [{asked}, h, w] and scores [{asked}]"
        )
    if not np.isfinite(maps).all() or maps.min(initial=0) < 0:
        return "gave a map that is not finite or has values below 0"
    if not ((scores >= 0) & (scores <= 1)).all():
        return "gave a presence score that is not in [0, 1]"
    return None


@runtime_checkable
class Encoder(Protocol):
    """Looks for sentences in images."""

    @property
    def id(self) -> str:
        """A name that may be published: fit, or the last part of a model's name or folder."""

    @property
    def sha256(self) -> str:
        """Of the weights and all that decides what they compute, in hex: another value redoes the attention."""

    @property
    def image_size(self) -> int:
        """Side of the square images that `attend` takes, in pixels."""

    def attend(self, images: NDArray[np.uint8], image_index: Sequence[int], sentences: Sequence[str]) -> Attention:
        """Maps and scores of sentences.

        `images` is uint8 [N, s, s]; sentence k asks about `images[image_index[k]]`. Each image that is asked about is
        encoded once, however many sentences ask.
        """


def check_encoder(config: AttentionConfig) -> None:
    """What can be told before any work: device, folder, family, tokenizer, headers of files. Raises UsageError."""
    if config.device not in ("auto", "cpu"):  # which are there always; to look for another takes torch
        from medcutmix_pipeline.stages.attention.device import choose_device

        choose_device(config.device)
    if config.encoder == FIT:
        return
    if _is_own(config.encoder):
        from medcutmix_pipeline.stages.attention.own import find_class

        find_class(config.encoder)
        return
    from medcutmix_pipeline.stages.attention.pretrained import check_pretrained

    check_pretrained(config)


def encoder_image_size(config: AttentionConfig, folder: Path | None) -> int:
    """Side of the images that the configured encoder takes, in pixels, without loading its weights."""
    if config.encoder == FIT:
        from medcutmix_pipeline.stages.attention.checkpoint import is_saved, read_card

        return read_card(folder).image_size if folder is not None and is_saved(folder) else config.fit.image_size
    if _is_own(config.encoder):
        from medcutmix_pipeline.stages.attention.own import load_own

        return load_own(config).image_size
    from medcutmix_pipeline.stages.attention.pretrained import pretrained_image_size

    return pretrained_image_size(config)


@dataclass(frozen=True, slots=True)
class Identity:
    """What an `Encoder` says of itself."""

    id: str
    sha256: str
    image_size: int


def encoder_identity(config: AttentionConfig, folder: Path | None) -> Identity:
    """What the configured encoder says of itself; `folder` is where a fitted one was saved.

    A fitted one is known by its files. Of any other the weights are loaded, on the CPU, which tells what is wrong with
    them before they are needed: the process that needs them may have another device, and this one need not have it.

    Raises UsageError as `load_encoder` does.
    """
    if config.encoder == FIT and folder is not None:
        from medcutmix_pipeline.stages.attention.checkpoint import checkpoint_sha256, read_card

        return Identity(FIT, checkpoint_sha256(folder), read_card(folder).image_size)
    encoder = load_encoder(config.model_copy(update={"device": "cpu"}), folder)
    return Identity(encoder.id, encoder.sha256, encoder.image_size)


def load_encoder(config: AttentionConfig, folder: Path | None) -> Encoder:
    """The configured encoder with its weights; `folder` is where a fitted one was saved.

    Raises UsageError with one line for a checkpoint that is missing or damaged, a family that is not supported, a
    tokenizer that is absent or does not fit, and a device that is not there.
    """
    check_encoder(config)
    if config.encoder == FIT:
        from medcutmix_pipeline.stages.attention.fitted import FittedEncoder

        if folder is None:
            raise UsageError("attention.encoder: fit needs the folder in which the fitted encoder was saved")
        return FittedEncoder.load(folder, config)
    if _is_own(config.encoder):
        from medcutmix_pipeline.stages.attention.own import load_own

        return load_own(config)
    from medcutmix_pipeline.stages.attention.pretrained import load_pretrained

    return load_pretrained(config)


def _is_own(name: str) -> bool:
    """Whether the name is `module:Class`, and not a path (a drive letter's colon included)."""
    module, colon, cls = name.partition(":")
    return bool(colon) and cls.isidentifier() and all(part.isidentifier() for part in module.split("."))
