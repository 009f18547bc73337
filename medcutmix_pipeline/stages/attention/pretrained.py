"""Encoders from transformers checkpoints: found, checked before any work, and loaded by their family."""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError  # nosec B403  # what a pickle of more than weights is refused with
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.stages.attention.device import choose_device
from medcutmix_pipeline.stages.attention.hub import download

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import AttentionConfig
    from medcutmix_pipeline.stages.attention.encoder import Encoder

FAMILIES = {
    "blip": "medcutmix_pipeline.stages.attention.blip:BlipEncoder",
    "clip": "medcutmix_pipeline.stages.attention.clip:ClipEncoder",
    "siglip": "medcutmix_pipeline.stages.attention.siglip:SiglipEncoder",
    "siglip2": "medcutmix_pipeline.stages.attention.siglip:Siglip2Encoder",
    "vision-text-dual-encoder": "medcutmix_pipeline.stages.attention.clip:DualEncoder",
}
"""`model_type` of a checkpoint's config.json → the class that runs it."""

_TOKENIZERS = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)
_HALF = (0.5, 0.5, 0.5)
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_CHANNELS = {"clip": _CLIP, "blip": _CLIP}
"""Mean and standard deviation of the channels where a checkpoint does not bring its preprocessor_config.json."""


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
        from transformers import AutoConfig

        # a folder of this machine: nothing is downloaded
        vision = AutoConfig.from_pretrained(self.folder, local_files_only=True).vision_config  # nosec B615
        given = getattr(vision, "image_size", None)
        return int(given) if given is not None else int(vision.num_patches**0.5) * int(vision.patch_size)

    def channel_statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of the three colour channels in [0, 1] by which its images are standardised."""
        path = self.folder / "preprocessor_config.json"
        given = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        mean, std = _CHANNELS.get(self.family, (_HALF, _HALF))
        return list(given.get("image_mean", mean)), list(given.get("image_std", std))

    def sha256(self) -> str:
        """Of the names and contents of the files that decide what it computes, in hex."""
        digest = hashlib.sha256()
        kept = {".json", ".txt", ".model", ".safetensors", ".bin", ".py"}
        for path in sorted(p for p in self.folder.iterdir() if p.is_file() and p.suffix in kept):
            with path.open("rb") as file:
                digest.update(path.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def check_pretrained(config: AttentionConfig) -> None:
    """Raise UsageError for a missing or damaged checkpoint, an unknown family, an absent or unfit tokenizer."""
    _checked(config, with_weights=Path(config.encoder).is_dir())


def pretrained_image_size(config: AttentionConfig) -> int:
    """Side of the images that the checkpoint takes, in pixels."""
    return _find(config, with_weights=False).image_size


def load_pretrained(config: AttentionConfig) -> Encoder:
    """The encoder with its weights. Raises UsageError as `check_pretrained` does, and where weights are left out."""
    checkpoint = _checked(config, with_weights=True)
    module, _, cls = FAMILIES[checkpoint.family].partition(":")
    try:
        encoder: Encoder = getattr(import_module(module), cls).load(checkpoint, config, choose_device(config.device))
    except (OSError, RuntimeError, ValueError, KeyError, SafetensorError, UnpicklingError) as problem:
        kind = type(problem).__name__
        raise UsageError(
            f"attention.encoder: {checkpoint.name} is damaged: its weights cannot be loaded ({kind})"
        ) from None
    return encoder


def load_model(cls: type[Any], checkpoint: Checkpoint, **options: Any) -> Any:
    """An instance of a transformers class with all of its weights; UsageError where the checkpoint lacks some."""
    model, info = cls.from_pretrained(checkpoint.folder, local_files_only=True, output_loading_info=True, **options)
    lacking = sorted(info["missing_keys"]) + [str(m) for m in info.get("mismatched_keys", ())]
    if lacking:
        raise UsageError(
            f"attention.encoder: {checkpoint.name} lacks {len(lacking)} of the weights of a {cls.__name__}, "
            f"such as {lacking[0]}; it is another model, or its download is incomplete"
        )
    return model.eval()


def load_tokenizer(checkpoint: Checkpoint, config: AttentionConfig) -> Any:
    """The checkpoint's tokenizer; UsageError where it cannot be read or knows more tokens than the model."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(  # nosec B615  # a folder of this machine
            checkpoint.folder, local_files_only=True, trust_remote_code=config.trust_remote_code
        )
    except Exception as problem:  # transformers and tokenizers raise whatever their parsers do
        kind = type(problem).__name__
        raise UsageError(f"attention.encoder: the tokenizer of {checkpoint.name} cannot be read ({kind})") from None
    known = checkpoint.card.get("text_config", {}).get("vocab_size")
    if known is not None and len(tokenizer) > known:
        raise UsageError(
            f"attention.encoder: the tokenizer of {checkpoint.name} does not fit: "
            f"it has {len(tokenizer)} tokens, the model knows {known}"
        )
    return tokenizer


def _checked(config: AttentionConfig, with_weights: bool) -> Checkpoint:
    checkpoint = _find(config, with_weights)
    if checkpoint.family not in FAMILIES:
        family = checkpoint.family or "unnamed"
        raise UsageError(
            f"attention.encoder: {checkpoint.name} is of the family {family!r}, which is not supported; "
            f"supported are {', '.join(sorted(FAMILIES))}, or module:Class for your own"
        )
    if not any((checkpoint.folder / name).is_file() for name in _TOKENIZERS):
        raise UsageError(f"attention.encoder: {checkpoint.name} has no tokenizer (none of {', '.join(_TOKENIZERS)})")
    load_tokenizer(checkpoint, config)
    if with_weights:
        _check_weights(checkpoint)
    return checkpoint


def _find(config: AttentionConfig, with_weights: bool) -> Checkpoint:
    local = Path(config.encoder)
    name = config.encoder.rstrip("/").rpartition("/")[2] or config.encoder
    if local.is_dir():
        folder = local
        name = local.resolve().name
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
        raise UsageError(f"attention.encoder: {name} is not a transformers checkpoint: it has no config.json") from None
    except (OSError, ValueError):
        raise UsageError(f"attention.encoder: {name} is damaged: its config.json cannot be read") from None
    return Checkpoint(folder, name, card)


def _check_weights(checkpoint: Checkpoint) -> None:
    """Headers only: a safetensors header tells the file's length, so that a truncated file shows."""
    weights = [*checkpoint.folder.glob("*.safetensors"), *checkpoint.folder.glob("pytorch_model*.bin")]
    if not weights:
        raise UsageError(f"attention.encoder: {checkpoint.name} has no weights (*.safetensors or pytorch_model.bin)")
    for path in sorted(weights):
        try:
            if path.suffix == ".bin":
                zipfile.ZipFile(path).close()
            else:
                with safe_open(path, framework="pt"):
                    pass
        except (OSError, SafetensorError, zipfile.BadZipFile):
            raise UsageError(f"attention.encoder: {checkpoint.name} is damaged: {path.name} cannot be read") from None
