"""What all encoders share: each image once, micro-batches that fit into memory, equal bytes each time."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import defaultdict
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import torch

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.stages.attention.device import reproducible
from medcutmix_pipeline.stages.attention.encoder import Attention

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_log = logging.getLogger(__name__)

Q = TypeVar("Q")
"""What an encoder makes of sentences, before it meets an image."""

Answer = tuple[int, "NDArray[np.float32]", float]
"""The place of a sentence in the call, its map and its score."""


class BatchedEncoder(ABC, Generic[Q]):
    """An encoder in three steps that a subclass gives: images to features, sentences to queries, both to answers."""

    def __init__(self, name: str, sha256: str, image_size: int, device: torch.device, batch: int, threads: int) -> None:
        self._name, self._sha256, self._image_size = name, sha256, image_size
        self.device, self._batch, self._threads = device, batch, threads

    @property
    def id(self) -> str:
        """The encoder's public name."""
        return self._name

    @property
    def sha256(self) -> str:
        """Of weights and configuration, in hex."""
        return self._sha256

    @property
    def image_size(self) -> int:
        """Side of the images that `attend` takes, in pixels."""
        return self._image_size

    @abstractmethod
    def encode_images(self, images: Tensor) -> Tensor:
        """Grey images float32 [B, 1, s, s] in [0, 1], on the encoder's device → features [B, …]."""

    @abstractmethod
    def encode_sentences(self, sentences: Sequence[str]) -> tuple[Q, int]:
        """Distinct sentences → queries, and how many sentences were longer than is read of them."""

    @abstractmethod
    def look(self, features: Tensor, queries: Q, image_of: list[int], query_of: list[int]) -> tuple[Tensor, Tensor]:
        """Query `query_of[k]` on features `image_of[k]` → maps [S, h, w] ≥ 0 and scores [S] in [0, 1]."""

    def attend(self, images: NDArray[np.uint8], image_index: Sequence[int], sentences: Sequence[str]) -> Attention:
        """See `Encoder.attend`. DataError where a single image does not fit into the device's memory."""
        if images.ndim != 3 or images.shape[1:] != (self._image_size, self._image_size):
            raise ValueError(f"images must be [N, {self._image_size}, {self._image_size}], not {list(images.shape)}")
        if not sentences:
            return Attention(np.zeros((0, 1, 1), np.float32), np.zeros(0, np.float32))
        number = {sentence: n for n, sentence in enumerate(dict.fromkeys(sentences))}
        asked: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for k, (row, sentence) in enumerate(zip(image_index, sentences, strict=True)):
            asked[row].append((k, number[sentence]))
        with reproducible(self._threads):
            queries, truncated = self.encode_sentences(list(number))
            rows = sorted(asked)
            parts = (rows[start : start + self._batch] for start in range(0, len(rows), self._batch))
            answers = sorted(
                (a for part in parts for a in self._answer(images, part, asked, queries)), key=lambda a: a[0]
            )
        maps = np.stack([a[1] for a in answers])
        return Attention(maps, np.array([a[2] for a in answers], np.float32), truncated)

    def _answer(
        self, images: NDArray[np.uint8], rows: list[int], asked: dict[int, list[tuple[int, int]]], queries: Q
    ) -> Iterator[Answer]:
        """The answers to all questions about some images; in halves where memory runs out."""
        questions = [(n, k, query) for n, row in enumerate(rows) for k, query in asked[row]]
        image_of, query_of = [q[0] for q in questions], [q[2] for q in questions]
        found = self._try(images[rows], queries, image_of, query_of)
        if found is not None:
            yield from ((k, m, float(s)) for (_, k, _), m, s in zip(questions, *found, strict=True))
            return
        if len(rows) == 1:
            raise DataError(
                "the encoder needs more memory than the GPU has, even for one image; set attention.device to cpu"
            )
        _log.warning("out of GPU memory with %d images at a time; going on with half", len(rows))
        for half in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
            yield from self._answer(images, half, asked, queries)

    def _try(
        self, images: NDArray[np.uint8], queries: Q, image_of: list[int], query_of: list[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Maps and scores; None where memory runs out, with all that was taken given back."""
        try:
            features = self.encode_images(self._upload(images))
            maps, scores = self.look(features, queries, image_of, query_of)
            return maps.float().cpu().numpy(), scores.float().cpu().numpy()
        except torch.OutOfMemoryError:
            pass
        torch.cuda.empty_cache()
        return None

    def _upload(self, images: NDArray[np.uint8]) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(images))
        if self.device.type == "cuda":
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        return pixels[:, None].float() / 255
