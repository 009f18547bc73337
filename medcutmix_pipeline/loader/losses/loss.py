"""A contrastive loss that knows of the mix: soft targets for donors, and neighbours that are no negatives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 -- the name that all of PyTorch's documentation uses
from torch import Tensor, nn

from medcutmix_pipeline.loader.losses.gather import Rows, gather_rows, local_rows

if TYPE_CHECKING:
    from medcutmix_pipeline.loader.plan import MixPlan

NEIGHBOURS = ("none", "study", "partner", "finding")


class MixContrastiveLoss(nn.Module):
    """Symmetric InfoNCE between images and texts (as in CLIP, Radford et al. 2021), for batches that are mixed.

    The report is mixed along with the image, so the pair of a row stays its positive. Beyond that:

    - Soft targets: image i, which is mixed to the effective share s of its host, has the target 1 − (1 − s)·ε for its
      own text and (1 − s)·ε for its donor's. Targets of texts are the transpose, each text's brought to sum 1 again.
    - False negatives: texts and images that likely fit a row although they are another's count in the softmax with
      `neighbour_weight` times their exponential, unless they carry part of the target.

    With several ranks every row is contrasted with all ranks' rows. The mean over ranks of the returned values is the
    loss of the joined batch, and where gradients are averaged over ranks, as `DistributedDataParallel` does, they are
    its gradients, also when ranks have different numbers of rows.

    Args:
        epsilon: ε in [0, 1], the donor's part of the target where nothing of the host is kept.
        neighbours: which rows are likely false negatives of each other, each choice with those before it: `none`;
            `study`, other rows of the same study; `partner`, also host and donor, matched on a finding; `finding`, also
            rows that share a finding which both texts assert as present.
        neighbour_weight: in [0, 1]; 0 leaves them out of the softmax, 1 keeps them as full negatives.
        gather: contrast with other ranks' rows, where a process group is up.
    """

    def __init__(
        self, epsilon: float = 0.0, neighbours: str = "partner", neighbour_weight: float = 0.0, gather: bool = True
    ) -> None:
        super().__init__()
        if neighbours not in NEIGHBOURS:
            raise ValueError(f"neighbours must be one of {', '.join(NEIGHBOURS)}, not {neighbours!r}")
        if not (0 <= epsilon <= 1 and 0 <= neighbour_weight <= 1):
            raise ValueError("epsilon and neighbour_weight must lie between 0 and 1")
        self.epsilon, self.neighbours = epsilon, neighbours
        self.neighbour_weight, self.gather = neighbour_weight, gather

    def forward(
        self,
        image_features: Tensor,
        text_features: Tensor,
        logit_scale: Tensor | float,
        plan: MixPlan | None = None,
        host_share: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch, float32 whatever the features' dtype and under autocast.

        Args:
            image_features: [B, D]; they are normalised here.
            text_features: [B, D], row i belongs to image i.
            logit_scale: what cosines are multiplied by, 1 / temperature (CLIP's parameter after `exp`).
            plan: the batch's plan, `plan.appended()` where the mix appends rows; None for plain InfoNCE.
            host_share: float [B], the effective share of the host, from `AttentiveManifoldMix.host_share`; the plan's
                λ without it.

        Returns:
            a scalar.

        Raises:
            ValueError: features, plan and shares differ in their number of rows; or neighbours by finding are asked
                for and the plan carries no findings.
        """
        self._check(image_features, text_features, plan, host_share)
        plan = None if plan is None else plan.to(image_features.device)
        with torch.autocast(image_features.device.type, enabled=False):
            images, texts = (F.normalize(f.float(), dim=-1) for f in (image_features, text_features))
            rows = gather_rows(len(images), images.device) if self.gather else local_rows(len(images))
            all_images, all_texts = rows.joined(images), rows.joined(texts)
            targets = self._targets(images, plan, host_share)
            neighbours = self._neighbours(plan, rows)
            total = self._side(logit_scale * images @ all_texts.T, targets, neighbours, rows)
            total = total + self._side(logit_scale * texts @ all_images.T, _transposed(targets), neighbours, rows)
            # Ranks are averaged afterwards: scaled so that every row of every rank counts the same.
            return total * rows.ranks / (2 * rows.total)

    def _side(self, logits: Tensor, targets: Tensor, neighbours: Tensor | None, rows: Rows) -> Tensor:
        """The cross-entropy, summed over this rank's rows."""
        spread = _beside(targets, rows)
        if neighbours is not None and self.neighbour_weight < 1:
            softened = -math.inf if self.neighbour_weight == 0 else math.log(self.neighbour_weight)
            logits = torch.where(neighbours & (spread == 0), logits + softened, logits)
        # Where there is no target the logarithm may be -inf, and 0 · inf would be NaN.
        return -torch.where(spread > 0, spread * F.log_softmax(logits, dim=1), 0.0).sum()

    def _targets(self, images: Tensor, plan: MixPlan | None, host_share: Tensor | None) -> Tensor:
        """float32 [B, B], image to text: donors are rows of the same rank, so other ranks' columns are 0."""
        targets = torch.eye(len(images), device=images.device)
        if plan is None or self.epsilon == 0:
            return targets
        kept = plan.lam if host_share is None else host_share.detach().to(images.device)
        given = torch.where(plan.active, (1 - kept.float()) * self.epsilon, 0.0)
        donors = F.one_hot(plan.donor, len(plan)).float()
        return targets * (1 - given)[:, None] + donors * given[:, None]

    def _neighbours(self, plan: MixPlan | None, rows: Rows) -> Tensor | None:
        """bool [B, rows of all ranks], likely false negatives; the relation is symmetric."""
        if plan is None or self.neighbours == "none":
            return None
        alike = plan.study[:, None] == rows.joined(plan.study)[None, :]
        if self.neighbours != "study":
            partners = F.one_hot(plan.donor, len(plan)).bool() & plan.active[:, None]
            alike = alike | _beside(partners | partners.T, rows)
        if self.neighbours == "finding":
            findings = plan.findings.float()
            alike = alike | (findings @ rows.joined(findings).T > 0)
        return alike & ~_beside(torch.eye(len(plan), dtype=torch.bool, device=alike.device), rows)

    def _check(self, images: Tensor, texts: Tensor, plan: MixPlan | None, host_share: Tensor | None) -> None:
        if images.ndim != 2 or images.shape != texts.shape:
            raise ValueError(
                f"image and text features must both be [B, D], but are {list(images.shape)} and {list(texts.shape)}"
            )
        if plan is None:
            return
        if len(plan) != len(images):
            raise ValueError(
                f"{len(images)} rows of features, but the plan has {len(plan)}: where the mix appends rows, give "
                "plan.appended()"
            )
        if host_share is not None and host_share.shape != plan.lam.shape:
            raise ValueError(f"host_share must be [{len(plan)}], but is {list(host_share.shape)}")
        if self.neighbours == "finding" and plan.findings.shape[1] == 0:
            raise ValueError(
                "neighbours='finding' needs the findings of the plan, which come with the dataset's manifest"
            )


def _beside(local: Tensor, rows: Rows) -> Tensor:
    """[B, B] over this rank's rows → [B, rows of all ranks], 0 for those of other ranks."""
    return F.pad(local, (rows.first, rows.total - rows.first - len(local)))


def _transposed(targets: Tensor) -> Tensor:
    """Targets of texts: a column's own values, brought to sum 1. A text that is its own image's always has some."""
    flipped = targets.T
    return flipped / flipped.sum(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
