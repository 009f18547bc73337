"""A dataset told in words and tables, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from medcutmix_pipeline.dataset.facts import ASSERTIONS
from medcutmix_pipeline.dataset.words import cuts, inserts, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from medcutmix_pipeline.dataset.facts import Facts
    from medcutmix_pipeline.dataset.words import Runs

# Marked by signs as well as by colour, so that they show without it.
_SIGNS = {"": ("", ""), "cut": ("−", "red"), "insert": ("+", "green")}
_MEASURED = {
    "lambda": "λ, share of the host",
    "map_area": "donor's map, share of the image",
    "donor_score": "donor's presence score",
    "host_score": "host's presence score",
}
_POINTS = ("min", "q1", "median", "q3", "max", "mean")


def tell_overview(facts: Facts) -> Group:
    """Counts, findings, plans, and what did not get in; `facts` as `facts.overview` gives them."""
    return Group(*_overview(facts))


def _overview(facts: Facts) -> Iterator[RenderableType]:
    dataset, counts = facts["dataset"], facts["counts"]
    source, encoder = dataset["source"], dataset["encoder"]
    yield text(
        f"{source['kind']}: {source['studies']:,} studies, {source['images']:,} images → "
        f"{counts['samples']:,} samples and {counts['plans']:,} plans; "
        f"encoder {encoder['id']} ({encoder['sha256'][:12]})\n"
    )
    rows = [(f["finding"], *(f[a] for a in ASSERTIONS), f["plans"]) for f in facts["findings"]]
    yield table("Findings, in samples, and plans", ("finding", *ASSERTIONS, "plans"), rows)
    yield _measures(facts["plans"])
    splits = [(s["split"], s["shards"], s["samples"], s["plans"], f"{s['bytes'] / 1e6:,.1f}") for s in facts["splits"]]
    yield table("Shards", ("split", "shards", "samples", "plans", "MB"), splits)
    dropped = sorted(counts["dropped_mixes"].items(), key=lambda c: (-c[1], c[0]))
    if dropped:
        yield table("Mixes tried and dropped", ("reason", "count"), dropped)
    rejects = [(f"{r['reason']} ({r['stage']})", r["count"]) for r in facts["rejects"]]
    if rejects:
        yield table("Rejects", ("reason (stage)", "count"), rejects)


def tell_finding(facts: Facts) -> Group:
    """One finding; `facts` as `facts.finding` gives them."""
    said = ", ".join(f"{facts[a]:,} {a}" for a in ASSERTIONS)
    head = text(
        f"{facts['finding']}: {said} in samples; {facts['plans']:,} plans, "
        f"{facts['donors']:,} donors lend {facts['sentences']:,} sentences to {facts['hosts']:,} hosts\n"
    )
    where = table("Plans", ("split", "view", "plans"), [(w["split"], w["view"], w["plans"]) for w in facts["where"]])
    most = [(s["sentence"], s["plans"]) for s in facts["most_used"]]
    return Group(head, where, _measures(facts["measures"]), table("Sentences put in most", ("sentence", "plans"), most))


def _measures(told: Facts) -> Table:
    rows = [(_MEASURED[name], *(f"{points[p]:.3f}" for p in _POINTS)) for name, points in told.items()]
    return table("Plans", ("measure", *_POINTS), rows)


def tell_plans(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """Plans in a table, one in a row."""
    told = [
        (
            r["plan_id"],
            r["disease"],
            *(f"{r[n]:.2f}" for n in ("donor_score", "host_score", "map_area", "lambda")),
            r["donor_sentence"],
        )
        for r in rows
    ]
    return table(title, ("plan", "finding", "donor", "host", "map", "λ", "sentence put in"), told)


def tell_rejects(title: str, rows: Sequence[dict[str, Any]]) -> Group:
    """Rejects in a table, one in a row, and how to find out which files they are."""
    names = ("input", "stage", "reason", "detail")
    hint = (
        "Which file or row an input is: medcutmix-pipeline lookup, for whoever has the source and the key of the names"
    )
    return Group(table(title, names, [tuple(r[n] for n in names) for r in rows]), text(hint))


def table(title: str, names: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table of values; numbers stand on the right."""
    rows = list(rows)
    made = Table(title=Text(title), title_justify="left", title_style="bold", header_style="")
    for column, name in enumerate(names):
        made.add_column(Text(name), justify="right" if _numeric(rows, column) else "left", overflow="fold")
    for row in rows:
        made.add_row(*(text(f"{v:,}" if isinstance(v, int) and not isinstance(v, bool) else v) for v in row))
    return made


def _numeric(rows: Sequence[Sequence[object]], column: int) -> bool:
    values = [row[column] for row in rows if row[column] is not None]
    return bool(values) and all(str(v).replace(",", "").replace(".", "", 1).lstrip("-").isdigit() for v in values)


def text(value: object) -> Text:
    """A value as it stands: nothing in it is markup, and nothing commands the terminal."""
    return Text("" if value is None else printable(str(value)))


def tell_plan(row: dict[str, Any]) -> Group:
    """One plan: the host's report with what is cut, the mixed report with what is put in, and the labels before and
    after.

    Args:
        row: of the plans table.
    """
    head = Text.assemble(
        (printable(f"Plan {row['plan_id']}"), "bold"),
        printable(
            f"   {row['disease']}, {row['view']}, {row['split']}, shard {row['shard']}\n"
            f"host {row['host_id']} (presence {row['host_score']:.2f})   "
            f"donor {row['donor_id']} (presence {row['donor_score']:.2f})\n"
            f"λ = {row['lambda']:.3f} of the host is kept   the donor's map covers {row['map_area']:.1%} of the image"
        ),
    )
    return Group(
        head,
        Panel(_marked(cuts(row)), title="host's report, [red]−cut−[/red]", title_align="left"),
        Panel(_marked(inserts(row)), title="mixed report, [green]+put in+[/green]", title_align="left"),
        _labels(row),
    )


def _marked(runs: Runs) -> Text:
    marked = Text()
    for run, mark in runs:
        sign, style = _SIGNS[mark]
        marked.append(f"{sign}{run}{sign}", style=style)
    return marked


def _labels(row: dict[str, Any]) -> Table:
    made = Table(title="Labels", title_justify="left", title_style="bold", header_style="")
    for column in ("finding", "host", "donor", "mixed"):
        made.add_column(column)
    columns = [dict(row[name]) for name in ("host_labels", "donor_labels", "mixed_labels")]
    for finding in dict.fromkeys(f for c in columns for f in c):
        told = [c.get(finding, "") for c in columns]
        made.add_row(text(finding), *map(text, told), style="bold" if told[0] != told[2] else "")
    return made


def tell_sample(facts: Facts) -> Group:
    """One sample: its report, labels, maps, and the plans in which it is host or donor.

    Args:
        facts: as `facts.sample` gives them.
    """
    row = facts["sample"]
    head = Text.assemble(
        (printable(f"Sample {row['sample_id']}"), "bold"),
        printable(
            f"   {row['view']}, {row['split']}, shard {row['shard']}, {row['image_width']} × {row['image_height']} px\n"
            f"study {row['study_id']}   patient {row['patient_id']}"
        ),
    )
    labels = table("Labels", ("finding", "assertion"), row["labels"].items())
    maps = [(m["disease"], f"{m['score']:.2f}", m["sentence"]) for m in facts["maps"]]
    plans = [(p["plan_id"], p["role"], p["disease"], p["partner"]) for p in facts["plans"]]
    return Group(
        head,
        Panel(text(row["text"]), title="report", title_align="left"),
        labels,
        table("Maps", ("finding", "presence", "sentence"), maps),
        table("Plans", ("plan", "role", "finding", "partner"), plans),
    )


def open_console(**options: Any) -> Console:
    """The console of commands: wide enough for tables where output goes to a file."""
    console = Console(**options)
    if not console.is_terminal:
        console = Console(width=120, **options)
    return console
