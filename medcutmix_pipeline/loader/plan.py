"""How the rows of a batch are mixed with each other."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, repr=False)
class MixPlan:
    """How the rows of a batch are mixed: row `i` takes from row `donor[i]` of the same batch where `active[i]`.

    Attributes:
        donor: int64 [B], the donor's row; a row that takes nothing names itself.
        active: bool [B], whether the row is mixed.
        lam: float32 [B] in [0, 1], the share λ of the host that is kept; 1 where nothing is mixed.
        donor_map: uint8 [B, h, w], where the donor's image shows the sentence that was put in, peak 255, in the
            geometry of the donor's image as it stands in the batch; 0 where nothing is mixed.
        host_map: uint8 [B, h, w], where the host's own image shows the sentence that was cut; 0 where nothing is mixed.
        study: int64 [B], a number for the study: rows of one study share it, on every rank.
        findings: bool [B, D], the findings that the row's text asserts as present (its mixed text, where the batch has
            both), in the order of the dataset's `diseases`; D is 0 where the dataset's manifest was not at hand.
        draw: a number in [0, 2⁶³) for the choices of this step (which layer), the same in a replay.
        plan_ids: the plan that each row follows; None where nothing is mixed.
        diseases: the finding on which host and donor are matched; None where nothing is mixed.
        own_findings: bool [B, D], the findings that the host's own report asserts as present; None where not known.
    """

    donor: Tensor
    active: Tensor
    lam: Tensor
    donor_map: Tensor
    host_map: Tensor
    study: Tensor
    findings: Tensor
    draw: int = 0
    plan_ids: Sequence[str | None] = ()
    diseases: Sequence[str | None] = ()
    own_findings: Tensor | None = None

    def __len__(self) -> int:
        return len(self.donor)

    def __repr__(self) -> str:
        return f"<MixPlan of {len(self)} rows, {int(self.active.sum())} of them mixed>"

    def to(self, device: torch.device | str, non_blocking: bool = False) -> MixPlan:
        """The same plan with its tensors on another device."""
        return _each_tensor(self, lambda t: t.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> MixPlan:
        """The same plan in page-locked memory."""
        return _each_tensor(self, Tensor.pin_memory)

    def reorder(self, order: Sequence[int] | Tensor) -> MixPlan:
        """The plan of a batch whose row `k` is this batch's row `order[k]`; donors are renumbered along.

        Raises:
            ValueError: `order` is not a permutation of the rows.
        """
        rows = permutation(order, len(self)).to(self.donor.device)
        place = torch.empty_like(rows)
        place[rows] = torch.arange(len(rows), device=rows.device)
        moved = _each_tensor(self, lambda t: t[rows])
        listed = rows.tolist()
        return replace(
            moved,
            donor=place[moved.donor],
            plan_ids=[self.plan_ids[r] for r in listed] if self.plan_ids else (),
            diseases=[self.diseases[r] for r in listed] if self.diseases else (),
        )

    def appended(self) -> MixPlan:
        """The plan of the rows that follow from appending: the B rows as they are, then one for each active row.

        Row `B + k` stands for the k-th active row. Use it for the loss when the mix appends rows instead of replacing
        them. Its `findings` are those of the hosts' own reports, then those of the mixed texts; nothing for active
        hosts where `own_findings` is None.
        """
        hosts = self.active.nonzero()[:, 0]
        plain = replace(
            self,
            donor=torch.arange(len(self), device=self.donor.device),
            active=torch.zeros_like(self.active),
            lam=torch.ones_like(self.lam),
            donor_map=torch.zeros_like(self.donor_map),
            host_map=torch.zeros_like(self.host_map),
            findings=self.findings & ~self.active[:, None] if self.own_findings is None else self.own_findings,
        )
        joined: dict[str, Any] = {
            f: torch.cat([getattr(plain, f), getattr(self, f)[hosts]]) for f in _tensor_fields(self)
        }
        listed = hosts.tolist()
        return replace(
            plain,
            **joined,
            plan_ids=[None] * len(self) + [self.plan_ids[r] for r in listed] if self.plan_ids else (),
            diseases=[None] * len(self) + [self.diseases[r] for r in listed] if self.diseases else (),
        )


def permutation(order: Sequence[int] | Tensor, rows: int) -> Tensor:
    """An order of so many rows, int64 [rows], on the CPU. ValueError where it is not a permutation of them."""
    given = torch.as_tensor(order, dtype=torch.int64, device="cpu")
    if given.shape != (rows,) or not torch.equal(given.sort().values, torch.arange(rows, device="cpu")):
        raise ValueError(f"order must be a permutation of 0 to {rows - 1}")
    return given


def _tensor_fields(plan: MixPlan) -> list[str]:
    return [f.name for f in fields(plan) if isinstance(getattr(plan, f.name), Tensor)]


def _each_tensor(plan: MixPlan, change: Callable[[Tensor], Tensor]) -> MixPlan:
    moved: dict[str, Any] = {name: change(getattr(plan, name)) for name in _tensor_fields(plan)}
    return replace(plan, **moved)
