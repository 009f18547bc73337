"""Published models, from the Hugging Face hub or its local cache."""

from __future__ import annotations

from pathlib import Path

from medcutmix_pipeline.errors import UsageError

_SMALL = ["*.json", "*.txt", "*.model"]
_UNREACHABLE = "it is not in the local cache, and the hub cannot be reached"
_MEANINGS = {
    "GatedRepoError": "its terms have to be accepted on huggingface.co, and then: hf auth login",
    "RepositoryNotFoundError": "there is none of that name, or it is private: hf auth login",
    "LocalEntryNotFoundError": _UNREACHABLE,
    "OfflineModeIsEnabled": _UNREACHABLE,
    "HFValidationError": "that is no name of a model",
}


def download(name: str, with_weights: bool) -> Path:
    """A published model's folder in the local cache, fetched where it is not there yet.

    Args:
        with_weights: fetch its weights as well, and not only what describes it.

    Raises:
        UsageError: the hub does not give it, and why.
    """
    from huggingface_hub import snapshot_download

    patterns = [*_SMALL, "*.safetensors"] if with_weights else _SMALL
    try:
        # What was got is told by its sha256 in dataset.json, and none of it is run.
        folder = snapshot_download(name, allow_patterns=patterns)  # nosec B615
        if with_weights and not any(Path(folder).glob("model*.safetensors")):
            folder = snapshot_download(name, allow_patterns=[*_SMALL, "*.bin"])  # nosec B615
    except Exception as problem:  # the hub client raises its own, httpx's and the system's errors
        raise UsageError(
            f"attention.encoder: {name!r} is neither fit, nor a folder, nor a model that the Hugging Face hub gives: "
            f"{_reason(problem)}"
        ) from None
    return Path(folder)


def _reason(problem: Exception) -> str:
    """What an error of the hub's client means, for people; its own text has addresses, and many lines."""
    kinds = [kind.__name__ for kind in type(problem).__mro__]
    return next((_MEANINGS[kind] for kind in kinds if kind in _MEANINGS), f"the download failed ({kinds[0]})")
