"""A transformers checkpoint, of this machine or from the hub: where its files are, and what they tell of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.stages.attention.channels import channel_statistics
from medcutmix_pipeline.stages.attention.hub import download

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import AttentionConfig


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint in a folder: its public name and its config.json."""

    folder: Path
    name: str
    card: dict[str, Any]

    @property
    def family(self) -> str:
        """The `model_type` of its configuration."""
        return str(self.card.get("model_type", ""))

    @property
    def image_size(self) -> int:
        """Side of the images it takes, in pixels: of config.json, or else of its class's default."""
        vision = self.parts()[0]
        given = getattr(vision, "image_size", None)
        if given is None:
            return int(vision.num_patches**0.5) * int(vision.patch_size)
        height, width = given if isinstance(given, list | tuple) else (given, given)
        if height != width:
            raise UsageError(
                f"attention.encoder: {self.name} takes images of {height} × {width} px, and only squares are supported"
            )
        return int(height)

    def parts(self) -> tuple[Any, Any]:
        """The configurations of its vision model and of its text model. UsageError where they are not understood."""
        from transformers import AutoConfig

        try:
            # a folder of this machine: nothing is downloaded
            whole = AutoConfig.from_pretrained(self.folder, local_files_only=True)  # nosec B615
            return whole.vision_config, whole.text_config
        except Exception as problem:  # transformers raises whatever its parsers do
            kind = type(problem).__name__
            raise UsageError(
                f"attention.encoder: the config.json of {self.name} is not understood by this version of transformers "
                f"({kind}): it may be damaged, or need code of its own"
            ) from None

    def channel_statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation, in [0, 1], of each of the channels that its images have."""
        channels = int(getattr(self.parts()[0], "num_channels", 3))
        return channel_statistics(self.folder, self.name, self.family, channels)

    def sha256(self) -> str:
        """Of the names and contents of the files that decide what it computes, in hex."""
        digest = hashlib.sha256()
        kept = {".json", ".txt", ".model", ".safetensors", ".bin", ".py"}
        for path in sorted(p for p in self.folder.iterdir() if p.is_file() and p.suffix in kept):
            with path.open("rb") as file:
                digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def find_checkpoint(config: AttentionConfig, with_weights: bool) -> Checkpoint:
    """The checkpoint that `attention.encoder` names, fetched from the hub where it is no folder.

    Raises:
        UsageError: there is none, or it has no config.json that can be read.
    """
    local = Path(config.encoder)
    name = config.encoder.rstrip("/").rpartition("/")[2] or config.encoder
    if local.is_dir():
        folder = local
        name = local.resolve().name
    elif local.is_file():
        raise UsageError(
            f"attention.encoder: {config.encoder} is a file, and a model is a folder with its config.json, its "
            "tokenizer and its weights; docs/encoders.md says what to do with weights of other layouts"
        )
    elif local.is_absolute() or config.encoder.startswith((".", "~")):
        raise UsageError(
            f"attention.encoder: no folder {config.encoder}; give fit, a model's folder or its published name"
        )
    else:
        folder = download(config.encoder, with_weights)
    try:
        card = json.loads((folder / "config.json").read_text("utf-8"))
        if not isinstance(card, dict):
            raise ValueError("not an object")
    except FileNotFoundError:
        other = " but that of open_clip: examples/encoders/open_clip_encoder.py wraps it"
        hint = other if (folder / "open_clip_config.json").is_file() else ": it has no config.json"
        raise UsageError(f"attention.encoder: {name} is not a checkpoint of transformers{hint}") from None
    except (OSError, ValueError):
        raise UsageError(f"attention.encoder: {name} is damaged: its config.json cannot be read") from None
    return Checkpoint(folder, name, card)
