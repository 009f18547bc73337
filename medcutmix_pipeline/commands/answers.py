"""What `inspect` answers: facts for JSON, and what tells the same to people."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType

from medcutmix_pipeline.commands.tell import counted
from medcutmix_pipeline.dataset import facts as numbers
from medcutmix_pipeline.dataset import inspect as telling
from medcutmix_pipeline.dataset.answer_rows import RowsTold
from medcutmix_pipeline.dataset.pick import ODDITIES, random_plans, worst_plans
from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.outfile import whole_file

if TYPE_CHECKING:
    from pathlib import Path

    from medcutmix_pipeline.dataset import Dataset
    from medcutmix_pipeline.dataset.rows import Rows
    from medcutmix_pipeline.dataset.view import PlanView, SampleView

Facts = dict[str, Any]
Told = tuple[Facts, Callable[[], RenderableType]]


def whole(dataset: Dataset) -> Told:
    """The whole dataset."""
    facts = numbers.overview(dataset)
    return {"kind": "overview", **facts}, lambda: telling.tell_overview(facts)


def one_finding(dataset: Dataset, name: str) -> Told:
    """One finding."""
    facts = numbers.finding(dataset, name)
    return {"kind": "finding", **facts}, lambda: telling.tell_finding(facts)


def one_plan(dataset: Dataset, plan: str) -> Told:
    """One plan."""
    return _plans([dataset.plan(plan)])


def some_plans(dataset: Dataset, count: int, seed: int, disease: str | None) -> Told:
    """Plans drawn by chance."""
    return _plans(random_plans(dataset, count, seed, disease))


def _plans(rows: list[Facts]) -> Told:
    return {"kind": "plans", "plans": rows}, lambda: Group(*map(telling.tell_plan, rows))


def odd_plans(dataset: Dataset, count: int, by: str, disease: str | None) -> Told:
    """The oddest plans."""
    rows = worst_plans(dataset, count, by, disease)
    title = f"{counted(len(rows), 'plan')} with {ODDITIES[by].told}"
    hint = telling.text(
        f"Look at one: medcutmix-pipeline inspect {shlex.quote(str(dataset.where))} --plan {rows[0]['plan_id']}"
    )
    return {"kind": "plans", "by": by, "plans": rows}, lambda: Group(telling.tell_plans(title, rows), hint)


def page(dataset: Dataset, folder: Path, most: int) -> Told:
    """The page that shows the whole dataset, written into a folder."""
    from medcutmix_pipeline.report import write_report

    written = write_report(dataset, folder, most)
    facts = {
        "kind": "page",
        "page": str(written.page),
        "plans": written.plans,
        "plans_of": written.of,
        "pictures": written.pictures,
        "bytes": written.bytes,
    }
    shown = f"{written.plans:,} of {counted(written.of, 'plan')}"
    told = f"{shown} in the gallery ({written.bytes / 1e6:,.1f} MB): open {written.page}"
    return facts, lambda: telling.text(told)


def one_sample(dataset: Dataset, sample: str) -> Told:
    """One sample."""
    facts = numbers.sample(dataset, sample)
    return {"kind": "sample", **facts}, lambda: telling.tell_sample(facts)


def some_rejects(rejects: Rows, count: int, finished: bool = True) -> Told:
    """The first rejects of a dataset, or of a build that is not finished."""
    rows = rejects.arrow.head(count).to_pylist()
    total = len(rejects)
    when = "" if finished else " of the unfinished build so far"

    def tell() -> RenderableType:
        title = f"Rejects{when}, {len(rows):,} of {total:,}"
        nothing = "Nothing was rejected." if finished else "Nothing was rejected so far."
        return telling.tell_rejects(title, rows) if rows else telling.text(nothing)

    return {"kind": "rejects", "finished": finished, "total": total, "rejects": rows}, tell


def query(dataset: Dataset, asked: str) -> Told:
    """The answer to a query."""
    from medcutmix_pipeline.dataset.sql import as_facts

    facts = as_facts(dataset.sql(asked))
    names = [column["name"] for column in facts["columns"]]
    return {"kind": "rows", **facts}, lambda: RowsTold(counted(len(facts["rows"]), "row"), names, facts["rows"])


def draw(dataset: Dataset, facts: Facts, file: Path) -> None:
    """Draw the plans or the sample of an answer into a PNG file.

    Raises:
        UsageError: they are too many for one picture, or the file cannot be written.
        DataError: a shard is damaged.
    """
    from medcutmix_pipeline.dataset.view import view_plan, view_sample  # they bring torch, which takes seconds
    from medcutmix_pipeline.pictures.sheet import MOST_VIEWS, sheet

    rows = facts.get("plans", [])
    views: list[PlanView | SampleView]
    if facts["kind"] == "sample":
        views = [view_sample(dataset, facts["sample"])]
    elif len(rows) > MOST_VIEWS:
        raise UsageError(f"a picture holds {MOST_VIEWS} plans at most, not {len(rows)}")
    else:
        views = [view_plan(dataset, row) for row in rows]
    with whole_file(file) as part:
        sheet(views).save(part, "PNG")
