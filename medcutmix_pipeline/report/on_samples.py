"""Remarks on what came in, and on who finds a partner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medcutmix_pipeline.report.remark import good, note, of, plans_with, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.report.remark import Remark
    from medcutmix_pipeline.report.told import Figures, FindingRow

MANY_REJECTED = 0.05
FEW_DONORS = 5
MANY_ALONE = 0.1
_NAMED = 4


def on_samples(told: Figures) -> Iterator[Remark]:
    """All of them."""
    for part in (_rejected, _partners, _alone):
        yield from part(told)


def _rejected(told: Figures) -> Iterator[Remark]:
    images = told.steps[1]
    out = images.parts[1].count
    told_out = f"{out:,} of {images.total:,} ({of(out, images.total)})."
    if images.total and out / images.total > MANY_REJECTED:
        first = told.rejects[0] if told.rejects else None
        why = f" Most often: {first.code}, {first.words}." if first and first.words else ""
        yield warning("Many images were left out", told_out + why)
    elif out:
        yield good("Few images were left out", told_out)
    else:
        yield good("No image was left out", f"All {images.total:,} became samples.")


def _partners(told: Figures) -> Iterator[Remark]:
    rows = [row for row in told.findings if row.matched and row.present]
    without = [row for row in rows if not row.plans]
    thin = [row for row in rows if row.plans and row.donors < FEW_DONORS]
    if without:
        yield warning(
            "Findings that are never mixed",
            f"{_names(without)}: present in samples, but no plan could be made.",
        )
    if thin:
        yield warning(
            "Findings with few donors",
            f"{_names(thin)}: fewer than {FEW_DONORS} samples lend, so their sentences and pictures repeat.",
            plans_with(finding=thin[0].name) if len(thin) == 1 else plans_with(sort="rare"),
        )
    if rows and not without and not thin:
        yield good("Every finding has partners", f"All {len(rows)} have at least {FEW_DONORS} donors.")


def _alone(told: Figures) -> Iterator[Remark]:
    hosts, alone = told.steps[2].parts[0].count, told.steps[2].parts[1].count
    if alone and alone / (hosts + alone) > MANY_ALONE:
        yield note(
            "Samples with a finding but no plan",
            f"{alone:,} of {hosts + alone:,} ({of(alone, hosts + alone)}): no donor in reach, or every mix was "
            "dropped. A trainer sees them unmixed.",
        )


def _names(rows: list[FindingRow]) -> str:
    named = ", ".join(row.name for row in rows[:_NAMED])
    return named if len(rows) <= _NAMED else f"{named} and {len(rows) - _NAMED} more"
