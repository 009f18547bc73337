"""`inspect`: what is in a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medcutmix_pipeline.commands.shape import option
from medcutmix_pipeline.commands.tell import DatasetFolder, JsonOption, out_console, tell_json
from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from medcutmix_pipeline.commands.answers import Facts


def inspect(
    out: DatasetFolder,
    plan: Annotated[str | None, option("ID", "Show one plan: both reports, labels, λ.")] = None,
    sample: Annotated[str | None, option("ID", "Show one sample: report, labels, maps, plans.")] = None,
    disease: Annotated[
        str | None, option("FINDING", "Describe one finding; with --random or --worst: only its plans.")
    ] = None,
    random: Annotated[int | None, option("N", "Show N plans drawn by chance.", min=1)] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="With --random: which ones.")] = 0,
    worst: Annotated[int | None, option("N", "List the N oddest plans.", min=1)] = None,
    by: Annotated[
        Literal["presence", "host-presence", "large-map", "small-map", "rare", "reuse"],
        typer.Option(metavar="WHAT", help="With --worst: presence, host-presence, large-map, small-map, rare, reuse."),
    ] = "presence",
    rejects: Annotated[int | None, option("N", "List the first N rejects.", min=1)] = None,
    sql: Annotated[
        str | None, option("QUERY", "Run a DuckDB query over the tables plans, samples, sentences, rejects.")
    ] = None,
    html: Annotated[Path | None, option("DIR", "Write a page that shows the whole dataset into a folder.")] = None,
    most: Annotated[
        int, typer.Option(min=1, metavar="N", help="With --html: show at most N plans; the figures cover all of them.")
    ] = 10_000,
    png: Annotated[Path | None, option("FILE", "Draw the plans or the sample into a PNG file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is in a dataset: counts, findings, plans and rejects, or single plans and samples as text and pictures.

    Without an option it describes the whole dataset. With --json the same comes as JSON; docs/inspect.md describes it.
    Of a build that has stopped, --rejects tells what it has rejected so far.
    """
    from medcutmix_pipeline.commands import answers
    from medcutmix_pipeline.dataset import Dataset
    from medcutmix_pipeline.dataset.rows import telling_damage
    from medcutmix_pipeline.dataset.unfinished import rejects_so_far

    asked: dict[str, object] = {"--plan": plan, "--sample": sample, "--random": random, "--worst": worst}
    asked |= {"--rejects": rejects, "--sql": sql, "--html": html}
    what = _one_of([name for name, value in asked.items() if value is not None], disease, png)
    so_far = rejects_so_far(out) if rejects is not None else None
    if so_far is not None:
        with telling_damage(out):
            _show(*answers.some_rejects(so_far, rejects or 1, finished=False), as_json)
        return
    dataset = Dataset(out)
    ask = {
        "--plan": lambda: answers.one_plan(dataset, str(plan)),
        "--sample": lambda: answers.one_sample(dataset, str(sample)),
        "--random": lambda: answers.some_plans(dataset, random or 1, seed, disease),
        "--worst": lambda: answers.odd_plans(dataset, worst or 1, by, disease),
        "--rejects": lambda: answers.some_rejects(dataset.rejects, rejects or 1),
        "--sql": lambda: answers.query(dataset, str(sql)),
        "--html": lambda: answers.page(dataset, Path(str(html)), most),
        "": lambda: answers.whole(dataset) if disease is None else answers.one_finding(dataset, disease),
    }
    with telling_damage(out):
        facts, tell = ask[what]()
        if png is not None:
            answers.draw(dataset, facts, png)
    _show(facts, tell, as_json, whole=what == "--html")  # a path is to be copied whole
    if png is not None and not as_json:
        out_console().print(f"drawn into {png}", highlight=False, markup=False, soft_wrap=True)


def _show(facts: "Facts", tell: "Callable[[], RenderableType]", as_json: bool, whole: bool = False) -> None:
    """Print an answer, as JSON or for people; `whole`: without a line break where the terminal ends."""
    if as_json:
        tell_json(facts)
    else:
        out_console().print(tell(), highlight=False, soft_wrap=whole)


def _one_of(named: Sequence[str], disease: str | None, png: Path | None) -> str:
    """The one thing that is asked for; UsageError where options do not go together."""
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)}: give one of them at a time")
    what = named[0] if named else ""
    if disease is not None and what not in ("", "--random", "--worst"):
        raise UsageError(f"--disease goes with --random or --worst, or stands alone, and not with {what}")
    if png is not None and what not in ("--plan", "--sample", "--random", "--worst"):
        raise UsageError("--png draws plans and samples: give --plan, --sample, --random or --worst with it")
    return what
