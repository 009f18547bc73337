"""The fitted encoder on disk: model.safetensors and config.json."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"
_FORMAT = 3
_MODEL = "patch-attention"


@dataclass(frozen=True, slots=True)
class Card:
    """What is needed beside the weights in order to run a fitted encoder."""

    image_size: int
    width: int
    networks: int
    vocabulary: tuple[str, ...]


def is_saved(folder: Path) -> bool:
    """Whether a fitted encoder was saved there to the end: its config.json is written last."""
    return (folder / _CONFIG).is_file()


def is_fitted(folder: Path) -> bool:
    """Whether the checkpoint there is one of `fit`, and not a published model's, which has a config.json too."""
    try:
        return bool(json.loads((folder / _CONFIG).read_text("utf-8"))["model"] == _MODEL)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def save_checkpoint(folder: Path, card: Card, weights: dict[str, Tensor]) -> None:
    """Write both files, each complete or not at all, config.json last."""
    from safetensors.torch import save  # brings torch, which who asks for the sha256 need not import

    folder.mkdir(exist_ok=True)
    text = json.dumps({"format": _FORMAT, "model": _MODEL, **asdict(card)}, indent=1, sort_keys=True) + "\n"
    ordered = {name: weights[name].detach().cpu().contiguous() for name in sorted(weights)}
    for name, raw in ((_WEIGHTS, save(ordered)), (_CONFIG, text.encode())):
        unfinished = folder / f"{name}.tmp"
        unfinished.write_bytes(raw)
        unfinished.replace(folder / name)


def read_card(folder: Path) -> Card:
    """The configuration of a saved encoder. UsageError where it is missing or damaged, OSError where storage fails."""
    try:
        card: dict[str, Any] = json.loads((folder / _CONFIG).read_text("utf-8"))
        if card["format"] != _FORMAT:
            raise UsageError(
                f"the fitted encoder has format {card['format']}, this version reads {_FORMAT}; fit it anew"
            )
        size, width, networks = (int(card[name]) for name in ("image_size", "width", "networks"))
        return Card(size, width, networks, tuple(map(str, card["vocabulary"])))
    except FileNotFoundError:
        raise UsageError(f"no fitted encoder: {_CONFIG} is missing in its folder; run build to fit one") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _damaged(_CONFIG) from None


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a saved encoder. UsageError where they are missing or damaged, OSError where storage fails."""
    from safetensors.torch import load

    try:
        return load((folder / _WEIGHTS).read_bytes())
    except FileNotFoundError:
        raise UsageError(f"no fitted encoder: {_WEIGHTS} is missing in its folder; run build to fit one") from None
    except (SafetensorError, ValueError, KeyError):
        raise _damaged(_WEIGHTS) from None


def checkpoint_sha256(folder: Path) -> str:
    """Of both files, in hex."""
    digest = hashlib.sha256()
    for name in (_CONFIG, _WEIGHTS):
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()


def _damaged(name: str) -> UsageError:
    return UsageError(
        f"the fitted encoder is damaged: {name} cannot be read; delete the encoder folder and run build again"
    )
