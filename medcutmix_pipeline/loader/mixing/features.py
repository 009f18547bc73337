"""Where rows, grid and prefix tokens lie in what a layer gives, so that weights can be laid over it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F  # noqa: N812 -- the name that all of PyTorch's documentation uses
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

LAYOUTS = ("auto", "NCHW", "NHWC", "NLC", "LNC")


@dataclass(frozen=True)
class Layout:
    """How one tensor of features is laid out.

    Attributes:
        name: `NCHW`, `NHWC`, `NLC` (rows, tokens, channels) or `LNC` (tokens, rows, channels).
        grid: (H, W) of the cells.
        prefix: tokens before those of the cells.
    """

    name: str
    grid: tuple[int, int]
    prefix: int = 0

    @property
    def row_axis(self) -> int:
        """The axis along which the images of the batch stand."""
        return self.name.index("N")

    def spread(self, weights: Tensor) -> Tensor:
        """Weights [R, H, W], one for each cell, in a shape that broadcasts over the features; 0 for prefix tokens."""
        if self.name == "NCHW":
            return weights[:, None]
        if self.name == "NHWC":
            return weights[..., None]
        tokens = F.pad(weights.flatten(1), (self.prefix, 0))
        return (tokens if self.name == "NLC" else tokens.T)[..., None]


@dataclass(frozen=True)
class Expected:
    """What is known of a layer's features before they are seen.

    Attributes:
        layer: its name, for messages.
        layout: one of `LAYOUTS`.
        prefix: prefix tokens as the user says; None to go by `found_prefix`.
        found_prefix: prefix tokens as the model tells; None where it finds nothing.
        grid: (H, W) as the user says; None to go by the shape and the images' aspect.
    """

    layer: str
    layout: str = "auto"
    prefix: int | None = None
    found_prefix: int | None = None
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, not {self.layout!r}")

    def resolve(self, shape: Sequence[int], rows: int, image: tuple[int, int]) -> Layout:
        """The layout of features of this shape.

        Args:
            shape: of the features.
            rows: images in the batch.
            image: height and width of the attention maps, whose aspect is that of the images.

        Raises:
            ValueError: the shape does not fit the plan, or can be read in more than one way.
        """
        if len(shape) not in (3, 4):
            raise ValueError(f"{self._seen(shape)}: features of 3 or 4 dimensions can be mixed; choose another layer")
        readings = self._maps(shape, image) if len(shape) == 4 else self._sequences(shape, rows)
        if self.layout != "auto":
            if len(self.layout) != len(shape):
                raise ValueError(f"{self._seen(shape)}, which cannot be layout={self.layout!r}")
            readings = [self.layout]
        if len(readings) != 1:
            choices = "'NCHW' or 'NHWC'" if len(shape) == 4 else "'NLC' or 'LNC'"
            raise ValueError(f"{self._seen(shape)}, which can be read in more than one way: say layout={choices}")
        name = readings[0]
        if shape[name.index("N")] != rows:
            raise ValueError(f"{self._seen(shape)}, so {shape[name.index('N')]} rows, but the plan has {rows}")
        if len(shape) == 3:
            return self._tokens(name, shape, image)
        cells = shape[name.index("H")], shape[name.index("W")]
        if self.grid is not None and self.grid != cells:
            raise ValueError(f"{self._seen(shape)}, whose grid is not {self.grid[0]}×{self.grid[1]}")
        return Layout(name, cells)

    def _maps(self, shape: Sequence[int], image: tuple[int, int]) -> list[str]:
        """The readings of four axes whose cells have the aspect of the images; failing that, nearly have it."""
        grids = {name: (shape[name.index("H")], shape[name.index("W")]) for name in ("NCHW", "NHWC")}
        if self.grid is not None:
            return [name for name, cells in grids.items() if cells == self.grid]
        # Off by less than one row or column: strides and patches round a side up or down.
        off = {name: abs(h - w * image[0] / image[1]) for name, (h, w) in grids.items()}
        return [name for name in off if off[name] == 0] or [name for name in off if off[name] < 1]

    @staticmethod
    def _sequences(shape: Sequence[int], rows: int) -> list[str]:
        # One that fits neither is read as rows first, to say that the number of rows is wrong.
        return [name for name in ("NLC", "LNC") if shape[name.index("N")] == rows] or ["NLC"]

    def _tokens(self, name: str, shape: Sequence[int], image: tuple[int, int]) -> Layout:
        length = shape[name.index("L")]
        if self.grid is not None:
            return self._given_grid(name, length, self.grid, shape)
        if self.prefix is not None:
            prefixes: tuple[int, ...] = (self.prefix,)
        else:
            # A layer in front of the one that prepends the tokens, such as a patch embedding, has none of them yet.
            prefixes = (0,) if not self.found_prefix else (self.found_prefix, 0)
        for prefix in prefixes:
            cells = _grid_of(length - prefix, image)
            if cells is not None:
                return Layout(name, cells, prefix)
        known = self.prefix if self.prefix is not None else self.found_prefix
        if known is None:
            raise ValueError(
                f"{self._seen(shape)}: {length} tokens are no grid of the images' aspect, and the model does not tell "
                "how many class or register tokens it prepends: say prefix_tokens=…, or grid=(H, W)"
            )
        raise ValueError(
            f"{self._seen(shape)}: {length} tokens less {known} prefix tokens are no grid of the images' aspect: "
            "say grid=(H, W), or prefix_tokens=…"
        )

    def _given_grid(self, name: str, length: int, grid: tuple[int, int], shape: Sequence[int]) -> Layout:
        prefix = length - grid[0] * grid[1]
        allowed = {self.prefix} if self.prefix is not None else {self.found_prefix or prefix, 0}
        if prefix < 0 or prefix not in allowed:
            raise ValueError(
                f"{self._seen(shape)}: a grid of {grid[0]}×{grid[1]} would leave {prefix} prefix tokens of {length} "
                f"tokens, where {max(p for p in allowed)} are expected"
            )
        return Layout(name, grid, prefix)

    def _seen(self, shape: Sequence[int]) -> str:
        return f"layer {self.layer!r} gives features of shape {list(shape)}"


def first_tensor(output: Any) -> Tensor | None:
    """The features in what a layer gives: the tensor, a tuple's or list's first, or `last_hidden_state`; else None."""
    if isinstance(output, (tuple, list)):
        output = output[0] if output else None
    elif isinstance(output, Mapping):
        output = output.get("last_hidden_state")
    return output if isinstance(output, Tensor) else None


def with_first_tensor(output: Any, features: Tensor) -> Any:
    """What the layer gives, with these features instead of its own; its type is kept."""
    if isinstance(output, Tensor):
        return features
    if isinstance(output, Mapping):
        return type(output)(**{**output, "last_hidden_state": features})
    if hasattr(output, "_fields"):
        return type(output)(features, *output[1:])
    return type(output)([features, *output[1:]])


def _grid_of(cells: int, image: tuple[int, int]) -> tuple[int, int] | None:
    """The grid of so many cells in exactly the aspect of the images, if there is one."""
    shared = math.gcd(*image)
    high, wide = image[0] // shared, image[1] // shared
    scale = math.isqrt(max(cells, 0) // (high * wide))
    return (high * scale, wide * scale) if scale and high * wide * scale * scale == cells else None
