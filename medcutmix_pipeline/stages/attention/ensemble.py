"""Networks that were fitted side by side on the same corpus, and answer together."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from medcutmix_pipeline.stages.attention.network import PatchAttention


class Ensemble(nn.Module):
    """Some `PatchAttention` networks. Where one has learned to answer from beside a finding, or missed a finding, the
    others seldom have done the same, so that the mean of their maps points better than any of them."""

    def __init__(self, members: Iterable[PatchAttention]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def __iter__(self) -> Iterator[PatchAttention]:
        return (cast("PatchAttention", member) for member in self.members)

    def texture(self, images: Tensor) -> Tensor:
        """Images [B, 1, s, s] → the members' textures behind each other [B, members · width / 4, h, w]."""
        return torch.cat([member.patches.texture(images) for member in self], 1)

    def encode_sentences(self, words: Tensor) -> Tensor:
        """Word numbers [S, L] → the members' unit queries behind each other [S, members · dim]."""
        return torch.cat([member.encode_sentences(words) for member in self], 1)

    def parts(self, texture: Tensor, queries: Tensor) -> Iterator[tuple[PatchAttention, Tensor, Tensor]]:
        """Each member with its own texture and queries, of those above."""
        count = len(self.members)
        return zip(self, texture.chunk(count, 1), queries.chunk(count, 1), strict=True)
