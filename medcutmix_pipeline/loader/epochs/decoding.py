"""A row of a batch from bytes to pixels and maps, changed by the user's transform where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.loader.reading.decode import Undecodable, decode_into, decode_maps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from medcutmix_pipeline.loader.epochs.pool import Chance, Row
    from medcutmix_pipeline.loader.epochs.wishes import Transform, Wishes


@dataclass
class Decoded:
    """What a thread made of a row: the changed image where there is a transform, and the maps that are asked of it."""

    image: Tensor | None = None
    host_map: NDArray[np.uint8] | None = None
    lent_map: NDArray[np.uint8] | None = None
    problem: str | None = None


def decode_row(
    row: Row, lent: int | None, pixels: NDArray[np.uint8], grid: tuple[int, int], wishes: Wishes, chance: Chance
) -> Decoded:
    """Decode a row's image into `pixels`, uint8 [H, W], and the maps that its plan, and whoever takes from it, ask for.

    `lent` is the number of the map that another row takes; `grid` is (height, width) of a map. What cannot be decoded
    is told in `problem`.

    Raises:
        UsageError: the transform made something else of the maps than maps.
    """
    sample = row.sample
    if sample.problem is not None:
        return Decoded(problem=sample.problem)
    made = Decoded()
    try:
        decode_into(sample, pixels, wishes.max_pixels, resize=wishes.image_size is not None)
        if row.plan is not None or lent is not None:
            maps = decode_maps(sample)
            if maps.shape[1:] != grid:
                raise Undecodable("its maps and others have not the same size: load datasets of two encoders apart")
            made.host_map = maps[row.plan.host_map] if row.plan is not None else None
            made.lent_map = maps[lent] if lent is not None else None
    except Undecodable as why:
        return Decoded(problem=str(why))
    if wishes.transform is not None:
        try:
            _change(made, pixels, wishes.transform, chance.generator("loader.transform", row.partner))
        except Exception as error:
            error.add_note(f"raised by the loader's transform, for sample {sample.key} of shard {sample.shard}")
            raise
    return made


def _change(made: Decoded, pixels: NDArray[np.uint8], transform: Transform, rng: np.random.Generator) -> None:
    asked = [m for m in (made.host_map, made.lent_map) if m is not None]
    maps = torch.from_numpy(np.stack(asked)) if asked else torch.zeros((0, 1, 1), dtype=torch.uint8)
    made.image, moved = _two_tensors(transform(torch.from_numpy(pixels.copy())[None], maps, rng))
    if asked and (moved.dtype != torch.uint8 or moved.shape != maps.shape):
        raise UsageError(
            f"the transform makes {list(moved.shape)} {moved.dtype} of maps {list(maps.shape)} torch.uint8: it must "
            "leave their number, shape and type as they came"
        )
    left = list(moved.numpy())
    made.host_map = left.pop(0) if made.host_map is not None else None
    made.lent_map = left.pop(0) if made.lent_map is not None else None


def _two_tensors(given: object) -> tuple[Tensor, Tensor]:
    if isinstance(given, tuple | list) and len(given) == 2 and all(isinstance(one, torch.Tensor) for one in given):
        return given[0], given[1]
    told = [type(one).__name__ for one in given] if isinstance(given, tuple | list) else type(given).__name__
    raise UsageError(f"the transform gives {told}: it must give two tensors, (image, maps)")


def images_of(pixels: Tensor, decoded: Sequence[Decoded]) -> Tensor:
    """The images of a batch: `pixels`, uint8 [B, 1, H, W], or what the transform made of them.

    Raises:
        UsageError: the transform made images of unlike size or type.
    """
    changed = next((d.image for d in decoded if d.image is not None), None)
    if changed is None:
        return pixels
    images = [torch.zeros_like(changed) if d.image is None else d.image for d in decoded]
    kinds = sorted({f"{list(image.shape)} {image.dtype}" for image in images})
    if len(kinds) > 1:
        raise UsageError(f"the transform makes images of unlike size or type ({', '.join(kinds)}): a batch needs one")
    return torch.stack(images)
