"""The fitted encoder's network: patches and sentences in one space, and the score of each patch for a sentence."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own convention

if TYPE_CHECKING:
    from torch.nn import Module

SHARPNESS = 12.0
"""Inverse temperature of the log-mean-exp that pools patches into one score."""

_CONTRAST = 20.0
"""Factor on pooled cosines that makes them logits of the contrastive loss, at the start of the fit."""

_FREQUENCIES = 3


class PatchTower(nn.Module):
    """Images float32 [B, 1, s, s] → patch features [B, width, s / 4, s / 4].

    Down-sampling uses even kernels (4, stride 2, padding 1), so that a grid cell is centred on the pixels it stands
    for: with odd kernels cells sit half a cell off, and small findings are missed. A fine branch sees texture, a coarse
    one the surroundings (46 pixels in all) alike on all sides, and every patch is told its place, so that sides and
    zones can be told. There is no wider context on purpose: a patch that knows the whole image answers for it, and no
    longer says where.
    """

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(_down(1, width // 4), _down(width // 4, width // 2))
        self.fine = _same(width // 2)
        self.coarse = nn.Sequential(
            *_normalised(MirrorConv2d(width // 2, width, 4, 2, 1, bias=False)),
            *_normalised(MirrorConv2d(width, width, 3, 1, 1, bias=False)),
        )
        self.join = nn.ModuleList([nn.Conv2d(width // 2, width, 1), nn.Conv2d(width, width, 1)])
        self.place = nn.Conv2d(4 * _FREQUENCIES + 2, width, 1)
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width))
        self.register_buffer("places", _places(side // 4), persistent=False)

    def forward(self, images: Tensor, shown: Tensor | None = None) -> Tensor:
        """See the class."""
        return self.described(self.texture(images), shown)

    def texture(self, images: Tensor) -> Tensor:
        """What patches are told from, where it was seen: [B, width / 4, s / 2, s / 2], each cell of 4 pixels."""
        return cast("Tensor", self.stem[0](_standardise(images)))

    def slope(self, texture: Tensor, slope: Tensor) -> Tensor:
        """The gradient over pixels [B, s, s] of what has the gradient `slope` over the texture, both [B, c, h, w]: the
        first layer, walked backwards. Pixels are standardised ones, and normalisation as it is when nothing is learnt.
        """
        first = cast("nn.Sequential", self.stem[0])
        convolution, norm = cast("nn.Conv2d", first[0]), cast("nn.BatchNorm2d", first[1])
        scale = norm.weight / (cast("Tensor", norm.running_var) + norm.eps).sqrt()
        through = slope * (texture > 0) * scale[:, None, None]
        return F.conv_transpose2d(through, convolution.weight, stride=2, padding=1)[:, 0]

    def described(self, texture: Tensor, shown: Tensor | None = None) -> Tensor:
        """Texture → features [B, width, P, 1] of all patches, or of those with the numbers `shown`, int64 [B, P]."""
        fine = self.fine(self.stem[1](texture))
        around = _enlarge(self.join[1](self.coarse(fine)))
        near, around, place = (_some(x, shown) for x in (fine, around, self.place(self.places)))
        return cast("Tensor", self.head(self.join[0](near) + around + place))


class SentenceTower(nn.Module):
    """Word numbers int64 [S, L], 0 for padding → queries [S, dim]."""

    def __init__(self, words: int, dim: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(words, dim, padding_idx=0)
        nn.init.normal_(self.embed.weight, std=0.3)
        self.context = nn.Conv1d(dim, dim, 3, padding=1)
        self.weigh = nn.Linear(dim, 1)
        self.head = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, words: Tensor) -> Tensor:
        """See the class."""
        known = (words != 0)[..., None]
        x = self.embed(words) * known  # what a sentence says is not to depend on how long its neighbours are
        x = (x + F.gelu(self.context(x.transpose(1, 2)).transpose(1, 2))) * known
        weights = self.weigh(x).masked_fill(~known, -math.inf).softmax(1)
        return cast("Tensor", self.head((weights * x).sum(1)))


class PatchAttention(nn.Module):
    """Both towers, and how a sentence's score on an image is pooled from its patches."""

    def __init__(self, words: int, width: int, side: int) -> None:
        super().__init__()
        self.width = width
        self.patches = PatchTower(width, side)
        self.sentences = SentenceTower(words, width)
        self.contrast = nn.Parameter(torch.tensor(math.log(_CONTRAST)))
        self.belief: Tensor
        self.register_buffer("belief", torch.tensor([_CONTRAST, 0.0]))

    def encode_images(self, images: Tensor, shown: Tensor | None = None) -> Tensor:
        """Unit patch features [B, P, dim]; with `shown` int64 [B, p] those of the patches of these numbers alone."""
        return self.patches_of(self.patches.texture(images), shown)

    def patches_of(self, texture: Tensor, shown: Tensor | None = None) -> Tensor:
        """Texture [B, width / 4, h, w] → unit patch features [B, P, dim], or of the patches `shown` [B, p, dim]."""
        return F.normalize(self.patches.described(texture, shown)[..., 0].transpose(1, 2), dim=-1)

    def encode_sentences(self, words: Tensor) -> Tensor:
        """Unit queries [S, dim]."""
        return F.normalize(self.sentences(words), dim=-1)

    @staticmethod
    def pooled(cosines: Tensor) -> Tensor:
        """Scores in [-1, 1] of sentences on images, from the cosines with the patches [..., P]: log-mean-exp over P."""
        return (torch.logsumexp(SHARPNESS * cosines, -1) - math.log(cosines.shape[-1])) / SHARPNESS

    def contrast_logits(self, pooled: Tensor) -> Tensor:
        """What the contrastive loss compares."""
        return self.contrast.exp() * pooled

    def belief_logits(self, pooled: Tensor) -> Tensor:
        """The presence score before its sigmoid, by the two numbers that `calibrate` finds at the end of the fit."""
        return self.belief[0] * pooled + self.belief[1]


class MirrorConv2d(nn.Conv2d):
    """A convolution whose kernels are their own mirror images, left to right and top to bottom.

    What is seen to one side counts as on the other: so a patch cannot answer for what lies to one side of it, and the
    strongest answer comes from the middle.
    """

    def forward(self, input: Tensor) -> Tensor:
        """See `nn.Conv2d`."""
        across = self.weight + self.weight.flip(3)
        kernels = (across + across.flip(2)) / 4
        return F.conv2d(input, kernels, self.bias, self.stride, self.padding)


def _down(channels: int, out: int) -> Module:
    return nn.Sequential(*_normalised(nn.Conv2d(channels, out, 4, 2, 1, bias=False)))


def _same(channels: int) -> Module:
    return nn.Sequential(*_normalised(nn.Conv2d(channels, channels, 3, 1, 1, bias=False)))


def _normalised(convolution: nn.Conv2d) -> tuple[Module, Module, Module]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()


def _some(cells: Tensor, shown: Tensor | None) -> Tensor:
    """Cells [B, c, h, w] behind each other [B, c, h · w, 1], or those of the numbers `shown` [B, p] → [B, c, p, 1]."""
    rows = cells.permute(0, 2, 3, 1).flatten(1, 2)
    if shown is not None:
        rows = rows.expand(len(shown), -1, -1).gather(1, shown[..., None].expand(-1, -1, rows.shape[2]))
    return rows.transpose(1, 2)[..., None]


def _standardise(images: Tensor) -> Tensor:
    centred = images - images.mean((1, 2, 3), keepdim=True)
    return centred / (centred.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-3)


def _enlarge(x: Tensor) -> Tensor:
    """Bilinear up-sampling to twice the side by matrix products: the built-in has no deterministic gradient on CUDA."""
    cells = x.shape[-1]
    weights = F.interpolate(torch.eye(cells)[None], scale_factor=2, mode="linear", align_corners=False)[0].T.to(x)
    return torch.einsum("oh,bchw,pw->bcop", weights, x, weights)


def _places(cells: int) -> Tensor:
    """Smooth coordinates of each patch [1, 4·frequencies + 2, cells, cells]: x, y, and sines and cosines of either."""
    axis = (torch.arange(cells) + 0.5) / cells * 2 - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    waves = [f(math.pi / 2 * k * c) for k in range(1, _FREQUENCIES + 1) for c in (x, y) for f in (torch.sin, torch.cos)]
    return torch.stack([x, y, *waves])[None]
