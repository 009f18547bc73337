"""`inspect`: what is in a dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from medcutmix_pipeline.commands.shape import option
from medcutmix_pipeline.commands.tell import DatasetFolder, JsonOption, out_console, tell_json
from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.outfile import check_png

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from medcutmix_pipeline.commands.answers import Facts


_GOES_WITH = {
    "--disease": ("", "--random", "--worst"),
    "--seed": ("--random",),
    "--by": ("--worst",),
    "--most": ("--html",),
    "--png": ("--plan", "--sample", "--random", "--worst"),
}
"""What each option says more about; nothing: the whole dataset."""


def inspect(
    out: DatasetFolder,
    plan: Annotated[str | None, option("ID", "Show one plan: both reports, labels, λ.")] = None,
    sample: Annotated[str | None, option("ID", "Show one sample: report, labels, maps, plans.")] = None,
    disease: Annotated[
        str | None, option("FINDING", "Describe one finding; with --random or --worst: only its plans.")
    ] = None,
    random: Annotated[int | None, option("N", "Show N plans drawn by chance.", min=1)] = None,
    seed: Annotated[int | None, option("S", "With --random: which ones; default 0.")] = None,
    worst: Annotated[int | None, option("N", "List the N oddest plans.", min=1)] = None,
    by: Annotated[
        Literal["presence", "host-presence", "large-map", "small-map", "rare", "reuse"] | None,
        option("WHAT", "With --worst: presence (default), host-presence, large-map, small-map, rare, reuse."),
    ] = None,
    rejects: Annotated[int | None, option("N", "List the first N rejects.", min=1)] = None,
    sql: Annotated[
        str | None, option("QUERY", "Run a DuckDB query over the tables plans, samples, sentences, rejects.")
    ] = None,
    html: Annotated[Path | None, option("DIR", "Write a page that shows the whole dataset into a folder.")] = None,
    most: Annotated[
        int | None,
        option("N", "With --html: show at most N plans, default 10,000; the figures cover all of them.", min=1),
    ] = None,
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
    what = _one_of(asked, {"--disease": disease, "--seed": seed, "--by": by, "--most": most, "--png": png})
    if png is not None:
        check_png(png)
    so_far = rejects_so_far(out) if rejects is not None else None
    if so_far is not None:
        with telling_damage(out):
            _show(*answers.some_rejects(so_far, rejects or 1, finished=False), as_json)
        return
    dataset = Dataset(out)
    ask = {
        "--plan": lambda: answers.one_plan(dataset, str(plan)),
        "--sample": lambda: answers.one_sample(dataset, str(sample)),
        "--random": lambda: answers.some_plans(dataset, random or 1, seed or 0, disease),
        "--worst": lambda: answers.odd_plans(dataset, worst or 1, by or "presence", disease),
        "--rejects": lambda: answers.some_rejects(dataset.rejects, rejects or 1),
        "--sql": lambda: answers.query(dataset, str(sql)),
        "--html": lambda: answers.page(dataset, Path(str(html)), most or 10_000),
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


def _one_of(asked: Mapping[str, object], beside: Mapping[str, object]) -> str:
    """The one thing that is asked for, among options with their values; UsageError where they do not go together."""
    named = [name for name, value in asked.items() if value is not None]
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)}: give one of them at a time")
    what = named[0] if named else ""
    for name, value in beside.items():
        if value is not None and what not in _GOES_WITH[name]:
            raise UsageError(f"{name} goes with {_told(_GOES_WITH[name])}" + (f", and not with {what}" if what else ""))
    return what


def _told(options: tuple[str, ...]) -> str:
    *others, last = [option for option in options if option]
    return (f"{', '.join(others)} or {last}" if others else last) + (", or stands alone" if "" in options else "")
