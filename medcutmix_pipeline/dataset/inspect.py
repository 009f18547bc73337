"""A dataset told in words and tables, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.dataset.open import Dataset

_ASSERTIONS = ("present", "uncertain", "absent")


def overview(dataset: Dataset) -> Group:
    """Counts, findings, plans by disease, and what did not get in."""
    return Group(*_overview(dataset))


def _overview(dataset: Dataset) -> Iterator[RenderableType]:
    manifest, counts = dataset.manifest, dataset.manifest.counts
    yield Text(
        f"{manifest.source.kind}: {manifest.source.studies:,} studies, {manifest.source.images:,} images → "
        f"{counts.samples:,} samples and {counts.plans:,} plans in {len(manifest.shards)} shards; "
        f"encoder {manifest.encoder.id} ({manifest.encoder.sha256[:12]})"
    )
    yield _findings(dataset)
    yield _shards(dataset)
    if counts.dropped_mixes:
        yield _counted("Mixes tried and dropped", "reason", counts.dropped_mixes)
    if counts.rejects:
        yield _counted("Rejects", "reason", counts.rejects)


def _findings(dataset: Dataset) -> Table:
    said: dict[str, dict[str, int]] = {a: {} for a in _ASSERTIONS}
    for batch in dataset.table("samples").to_batches(columns=["labels"]):
        for labels in batch["labels"].to_pylist():
            for finding, assertion in labels:
                said[assertion][finding] = said[assertion].get(finding, 0) + 1
    table = _table("Findings, in samples, and plans", "finding", *_ASSERTIONS, "plans")
    for finding in dataset.manifest.diseases:
        row = [said[a].get(finding, 0) for a in _ASSERTIONS]
        plans = dataset.manifest.counts.plans_by_disease.get(finding, 0)
        table.add_row(finding, *(f"{n:,}" for n in (*row, plans)))
    return table


def _shards(dataset: Dataset) -> Table:
    table = _table("Shards", "split", "shards", "samples", "plans", "MB")
    shards = dataset.manifest.shards
    for split in sorted({s.split for s in shards}):
        own = [s for s in shards if s.split == split]
        sums = (len(own), sum(s.samples for s in own), sum(s.plans for s in own))
        table.add_row(split, *(f"{n:,}" for n in sums), f"{sum(s.bytes for s in own) / 1e6:,.1f}")
    return table


def _counted(title: str, what: str, counts: dict[str, int]) -> Table:
    table = _table(title, what, "count")
    for name, count in sorted(counts.items(), key=lambda c: (-c[1], c[0])):
        table.add_row(name, f"{count:,}")
    return table


def _table(title: str, first: str, *numbers: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="")
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def tell_plan(row: dict[str, Any]) -> Group:
    """One plan: the host's report with what is cut, the mixed report with what is put in, and the labels before and
    after.

    Args:
        row: of the plans table.
    """
    head = Text.assemble(
        (f"Plan {row['plan_id']}", "bold"),
        f"   {row['disease']}, {row['view']}, {row['split']}, shard {row['shard']}\n",
        f"host {row['host_id']} (presence {row['host_score']:.2f})   ",
        f"donor {row['donor_id']} (presence {row['donor_score']:.2f})\n",
        f"λ = {row['lambda']:.3f} of the host is kept   the donor's map covers {row['map_area']:.1%} of the image",
    )
    return Group(
        head,
        Panel(_with_cuts(row), title="host's report, [red]−cut−[/red]", title_align="left"),
        Panel(_with_inserts(row), title="mixed report, [green]+put in+[/green]", title_align="left"),
        _labels(row),
    )


def _with_cuts(row: dict[str, Any]) -> Text:
    """Cuts are marked by signs as well as colour, so that they show without it."""
    text, position = Text(), 0
    for edit in row["edits"]:
        text.append(row["host_text"][position : edit["start"]])
        text.append(f"−{row['host_text'][edit['start'] : edit['end']]}−", style="red")
        position = edit["end"]
    return text.append(row["host_text"][position:])


def _with_inserts(row: dict[str, Any]) -> Text:
    text, position = Text(), 0
    for edit in row["edits"]:
        text.append(row["host_text"][position : edit["start"]])
        if edit["text"]:
            text.append(f"+{edit['text']}+", style="green")
        position = edit["end"]
    return text.append(row["host_text"][position:])


def _labels(row: dict[str, Any]) -> Table:
    table = Table(title="Labels", title_justify="left", title_style="bold", header_style="")
    for column in ("finding", "host", "donor", "mixed"):
        table.add_column(column)
    columns = [dict(row[name]) for name in ("host_labels", "donor_labels", "mixed_labels")]
    for finding in dict.fromkeys(f for c in columns for f in c):
        told = [c.get(finding, "") for c in columns]
        table.add_row(finding, *told, style="bold" if told[0] != told[2] else "")
    return table


def open_console(**options: Any) -> Console:
    """The console of commands: wide enough for tables where output goes to a file."""
    console = Console(**options)
    if not console.is_terminal:
        console = Console(width=120, **options)
    return console
