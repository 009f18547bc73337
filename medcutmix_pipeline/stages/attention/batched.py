"""What all encoders share: each image once, micro-batches that fit into memory, equal bytes each time."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import torch

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.stages.attention.device import reproducible
from medcutmix_pipeline.stages.attention.encoder import Attention

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

_log = logging.getLogger(__name__)

F = TypeVar("F")
"""What an encoder makes of images, before it meets a sentence."""

Q = TypeVar("Q")
"""What an encoder makes of sentences, before it meets an image."""

Answer = tuple[int, "NDArray[np.float32]", float]
"""The place of a sentence in the call, its map and its score."""

Looked = tuple[list[int], "Tensor", "Tensor"]
"""Places of sentences in the call, and their maps and scores, which the device may still be at work on."""


class Part:
    """Images that are looked at together: their rows, and what is asked about them, `asked` by row.

    Question k is that of place `places[k]` in the call: query `query_of[k]` on the image in row `rows[image_of[k]]`.
    """

    def __init__(self, rows: list[int], asked: Mapping[int, list[tuple[int, int]]]) -> None:
        self.rows, self._asked = rows, asked
        questions = [(n, place, query) for n, row in enumerate(rows) for place, query in asked[row]]
        self.image_of, self.places, self.query_of = (list(each) for each in zip(*questions, strict=True))

    def halves(self) -> tuple[Part, Part]:
        """The first half of the images, and the second."""
        half = len(self.rows) // 2
        return Part(self.rows[:half], self._asked), Part(self.rows[half:], self._asked)


class BatchedEncoder(ABC, Generic[F, Q]):
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
    def encode_images(self, images: Tensor) -> F:
        """Grey images float32 [B, 1, s, s] in [0, 1], on the encoder's device → features."""

    @abstractmethod
    def encode_sentences(self, sentences: Sequence[str]) -> tuple[Q, int]:
        """Distinct sentences → queries, and how many sentences were longer than is read of them."""

    @abstractmethod
    def look(self, features: F, queries: Q, image_of: list[int], query_of: list[int]) -> tuple[Tensor, Tensor]:
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
            rows = sorted(asked)
            parts = [Part(p, asked) for p in (rows[n : n + self._batch] for n in range(0, len(rows), self._batch))]
            first = [self._see(images, parts[0])]  # a GPU is at work on them while the sentences are read
            queries, truncated = self.encode_sentences(list(number))
            answers = sorted(self._answers(images, parts, queries, first), key=lambda a: a[0])
        maps = np.stack([a[1] for a in answers])
        return Attention(maps, np.array([a[2] for a in answers], np.float32), truncated)

    def _answers(
        self, images: NDArray[np.uint8], parts: Sequence[Part], queries: Q, first: list[F | None]
    ) -> Iterator[Answer]:
        """The answers to all questions, in any order.

        `first` holds the features of the first part, and is emptied: where memory runs out they must go.

        A GPU looks at images while the next are copied to it: answers are waited for only when more is under way.
        """
        ahead = self._look(images, parts[0], queries, first.pop())
        for part in parts[1:]:
            done, ahead = ahead, self._look(images, part, queries)
            yield from _fetched(done)
        yield from _fetched(ahead)

    def _look(self, images: NDArray[np.uint8], part: Part, queries: Q, features: F | None = None) -> list[Looked]:
        """Look at some images for all that is asked about them; in halves where memory runs out."""
        if features is None:
            features = self._see(images, part)
        looked = None if features is None else self._find(features, part, queries)
        if looked is not None:
            return [looked]
        if len(part.rows) == 1:
            raise DataError(
                "the encoder needs more memory than the GPU has, even for one image; set attention.device to cpu"
            )
        del features
        _log.warning("out of GPU memory with %d images at a time; going on with half", len(part.rows))
        return [looked for half in part.halves() for looked in self._look(images, half, queries)]

    def _see(self, images: NDArray[np.uint8], part: Part) -> F | None:
        """Features; None where memory runs out, with all that was taken given back."""
        with suppress(torch.OutOfMemoryError):
            return self.encode_images(self._upload(images[part.rows]))
        torch.cuda.empty_cache()
        return None

    def _find(self, features: F, part: Part, queries: Q) -> Looked | None:
        """Maps and scores; None where memory runs out, with all that was taken given back."""
        with suppress(torch.OutOfMemoryError):
            maps, scores = self.look(features, queries, part.image_of, part.query_of)
            return part.places, maps.float(), scores.float()
        torch.cuda.empty_cache()
        return None

    def _upload(self, images: NDArray[np.uint8]) -> Tensor:
        pixels = torch.from_numpy(np.ascontiguousarray(images))
        if self.device.type == "cuda":
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        return pixels[:, None].float() / 255


def _fetched(looked: Iterable[Looked]) -> Iterator[Answer]:
    """Answers, from the device where they were found."""
    for places, maps, scores in looked:
        yield from zip(places, maps.cpu().numpy(), scores.tolist(), strict=True)
