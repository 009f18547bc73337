"""What the loader yields: a batch of pairs, with the plan of how its rows are to be mixed with each other."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.loader.plan import MixPlan, permutation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, repr=False)
class MixBatch:
    """A batch of B image–text pairs in which partners stand together.

    Attributes:
        images: uint8 [B, 1, H, W], or float32 [B, C, H, W] where the loader normalises.
        texts: B texts, mixed where the plan is active; or, as the loader's `texts` asks, the originals, or these
            followed by the mixed ones.
        original_texts: the B hosts' own reports.
        keys: the B sample ids.
        labels: what each of `texts` asserts: finding → present, uncertain or absent.
        plan: how the rows are mixed.
        repeated: bool [B], rows that the epoch has already seen: they fill the last batches (`last="pad"`) or stand in
            for samples that could not be read (`on_error="skip"`).
        tokens: what the loader's `tokenizer` made of `texts`; None without one.
        skipped: with `on_error="skip"`, what could not be read in this batch and why: shard, sample and reason.
        state: what to give to the loader's `load_state_dict` to go on after this batch.
    """

    images: Tensor
    texts: list[str]
    original_texts: list[str]
    keys: list[str]
    labels: list[dict[str, str]]
    plan: MixPlan
    repeated: Tensor
    tokens: Mapping[str, Any] | None = None
    skipped: Sequence[str] = ()
    state: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        """Its size alone: a log or a traceback that shows its variables is to hold no report."""
        images = f"{str(self.images.dtype).removeprefix('torch.')} {list(self.images.shape)}"
        return f"<MixBatch of {len(self)} rows, {int(self.plan.active.sum())} of them mixed, images {images}>"

    def to(self, device: torch.device | str, non_blocking: bool = False) -> MixBatch:
        """The same batch with its tensors on another device."""
        return self._moved(lambda t: t.to(device, non_blocking=non_blocking), self.plan.to(device, non_blocking))

    def pin_memory(self) -> MixBatch:
        """The same batch in page-locked memory, for transfers that overlap with compute."""
        return self._moved(Tensor.pin_memory, self.plan.pin_memory())

    def reorder(self, order: Sequence[int] | Tensor) -> MixBatch:
        """The batch with its rows in another order: row `k` is this batch's row `order[k]`, donors renumbered.

        For collate functions that sort a batch, by caption length for example. Sort with this, or give the same order
        to `MixPlan.reorder`; else donors point at the wrong rows.

        Raises:
            ValueError: `order` is not a permutation of the rows, `texts` has appended rows, or something in `tokens`
                is no tensor, array or list of B rows.
        """
        if len(self.texts) != len(self):
            raise ValueError("a batch with appended texts cannot be reordered: load it with texts='mixed'")
        rows = permutation(order, len(self))
        listed = rows.tolist()
        moved = self._moved(lambda t: t[rows.to(t.device)], self.plan.reorder(rows))
        return replace(
            moved,
            tokens=None if self.tokens is None else {n: _in_order(n, v, rows) for n, v in self.tokens.items()},
            texts=[self.texts[r] for r in listed],
            original_texts=[self.original_texts[r] for r in listed],
            keys=[self.keys[r] for r in listed],
            labels=[self.labels[r] for r in listed],
        )

    def normalised(
        self, mean: Sequence[float] | float = 0.5, std: Sequence[float] | float = 0.5, channels: int = 3
    ) -> Tensor:
        """The uint8 images as float32 [B, channels, H, W]: value / 255, less `mean`, over `std`, on their own device.

        `mean` and `std` are one number or one for each channel. Do this on the GPU: a byte a pixel travels, not twelve.

        Raises:
            ValueError: the images are no uint8: they are normalised already, by the loader or its transform.
        """
        if self.images.dtype != torch.uint8:
            raise ValueError(f"the images are {self.images.dtype}, not uint8: they are normalised already")
        scale = torch.tensor(std, dtype=torch.float32, device=self.images.device).reshape(-1, 1, 1)
        shift = torch.tensor(mean, dtype=torch.float32, device=self.images.device).reshape(-1, 1, 1)
        return ((self.images.float() / 255 - shift) / scale).expand(-1, channels, -1, -1)

    def _moved(self, change: Callable[[Tensor], Tensor], plan: MixPlan) -> MixBatch:
        tokens = self.tokens
        if tokens is not None:
            # What a tokenizer of transformers gives is asked by attribute, too: it stays what it is.
            kept = copy.copy(tokens) if isinstance(tokens, MutableMapping) else dict(tokens)
            kept.update({name: change(v) for name, v in tokens.items() if isinstance(v, Tensor)})
            tokens = kept
        return replace(self, images=change(self.images), repeated=change(self.repeated), plan=plan, tokens=tokens)


def _whole_already(batch: list[MixBatch], **_: Any) -> None:
    """What a DataLoader calls that is to make batches of batches."""
    raise UsageError(f"MixLoader gives whole batches, of {len(batch[0])}: DataLoader(loader, batch_size=None)")


with contextlib.suppress(ImportError):  # how torch documents that its default_collate is taught a type
    from torch.utils.data._utils.collate import default_collate_fn_map

    default_collate_fn_map[MixBatch] = _whole_already


def can_pin() -> bool:
    """Whether there is a GPU that memory could be page-locked for."""
    return torch.cuda.is_available() or torch.xpu.is_available()


def _in_order(name: str, told: Any, rows: Tensor) -> Any:
    """What a tokenizer told of each row, in the order of `rows`."""
    if isinstance(told, Tensor):
        return told[rows.to(told.device)]
    if isinstance(told, np.ndarray):
        return told[rows.numpy()]
    if isinstance(told, list | tuple) and len(told) == len(rows):
        return [told[row] for row in rows.tolist()]
    raise ValueError(
        f"tokens[{name!r}] has not one row for each text, and so cannot be brought into another order: let the "
        "tokenizer return tensors"
    )
