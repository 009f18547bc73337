"""Encoders from transformers checkpoints: found, checked before any work, and loaded by their family."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.errors import PipelineError, UsageError
from medcutmix_pipeline.stages.attention.checkpoint import is_fitted
from medcutmix_pipeline.stages.attention.device import choose_device
from medcutmix_pipeline.stages.attention.published import find_checkpoint
from medcutmix_pipeline.stages.attention.trial import try_encoder
from medcutmix_pipeline.stages.attention.weights import check_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.schemas.config import AttentionConfig
    from medcutmix_pipeline.stages.attention.encoder import Encoder
    from medcutmix_pipeline.stages.attention.published import Checkpoint

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


def check_pretrained(config: AttentionConfig) -> None:
    """Raise UsageError for a missing or damaged checkpoint, an unknown family, an absent or unfit tokenizer."""
    _checked(config, with_weights=Path(config.encoder).is_dir())


def pretrained_image_size(config: AttentionConfig) -> int:
    """Side of the images that the checkpoint takes, in pixels."""
    return find_checkpoint(config, with_weights=False).image_size


def load_pretrained(config: AttentionConfig) -> Encoder:
    """The encoder with its weights. Raises UsageError as `check_pretrained` does, and where weights are left out."""
    checkpoint = _checked(config, with_weights=True)
    module, _, cls = FAMILIES[checkpoint.family].partition(":")
    try:
        encoder: Encoder = getattr(import_module(module), cls).load(checkpoint, config, choose_device(config.device))
    except PipelineError:
        raise
    except Exception as problem:  # of transformers, torch, safetensors and pickle: whatever a file makes them raise
        kind = type(problem).__name__
        raise UsageError(
            f"attention.encoder: {checkpoint.name} is damaged, or its config.json tells of another model: "
            f"its weights cannot be loaded ({kind})"
        ) from None
    try_encoder(encoder)
    return encoder


def load_model(cls: type[Any], checkpoint: Checkpoint, **options: Any) -> Any:
    """An instance of a transformers class with all of its weights; UsageError where the checkpoint lacks some.

    In single precision, whatever they were saved in: half of it is rounded to in `settled` where that is of use.
    """
    with _silent():
        model, info = cls.from_pretrained(
            checkpoint.folder, local_files_only=True, output_loading_info=True, dtype="float32", **options
        )
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
        raise UsageError(
            f"attention.encoder: the tokenizer of {checkpoint.name} cannot be read ({type(problem).__name__})"
            f"{_what_it_needs(checkpoint.folder)}"
        ) from None
    known = getattr(checkpoint.parts()[1], "vocab_size", None)
    if known is not None and len(tokenizer) > known:
        raise UsageError(
            f"attention.encoder: the tokenizer of {checkpoint.name} does not fit: "
            f"it has {len(tokenizer)} tokens, the model knows {known}"
        )
    if tokenizer.pad_token is None:
        raise UsageError(
            f"attention.encoder: the tokenizer of {checkpoint.name} has no padding token, so that sentences of several "
            "lengths cannot be asked at once; name one as pad_token in its tokenizer_config.json"
        )
    return tokenizer


def _what_it_needs(folder: Path) -> str:
    """What a tokenizer that cannot be read may need, as the end of a sentence."""
    if (folder / "tokenizer.json").is_file():
        return ""
    if any(folder.glob("*.model")):
        return (
            ": without a tokenizer.json, its *.model is read by two more packages: pip install sentencepiece protobuf"
        )
    if any(folder.glob("*.py")):
        return ": it needs code that comes with it, which attention.trust_remote_code=true runs"
    return ""


@contextmanager
def _silent() -> Iterator[None]:
    """Without the progress and the report of what was loaded, which transformers prints; what is lacking we tell."""
    logging: Any = import_module("transformers.utils.logging")
    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _checked(config: AttentionConfig, with_weights: bool) -> Checkpoint:
    checkpoint = find_checkpoint(config, with_weights)
    if is_fitted(checkpoint.folder):
        raise UsageError(
            f"attention.encoder: {checkpoint.name} holds an encoder that a build fitted on its own corpus; "
            "a build with attention.encoder=fit fits another"
        )
    if checkpoint.family not in FAMILIES:
        family = checkpoint.family or "unnamed"
        raise UsageError(
            f"attention.encoder: {checkpoint.name} is of the family {family!r}, which is not supported; "
            f"supported are {', '.join(sorted(FAMILIES))}, or module:Class for your own"
        )
    if not any((checkpoint.folder / name).is_file() for name in _TOKENIZERS):
        raise UsageError(f"attention.encoder: {checkpoint.name} has no tokenizer (none of {', '.join(_TOKENIZERS)})")
    load_tokenizer(checkpoint, config)
    checkpoint.image_size, checkpoint.channel_statistics()  # which tell what is wrong with them
    if with_weights:
        check_weights(checkpoint.folder, checkpoint.name, checkpoint.card.get("transformers_weights"))
    return checkpoint
