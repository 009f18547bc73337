"""`validate`: is every promise of the format kept."""

from typing import Annotated, Any

import typer

from medcutmix_pipeline.commands.tell import DatasetFolder, JsonOption, QuietOption, counted, tell_error, tell_json
from medcutmix_pipeline.errors import ExitCode

_REMEDY = (
    "run its `build` again, which makes anew what is not as it was written "
    "(a file that dataset.json does not know is yours to move)"
)


def validate(
    out: DatasetFolder,
    most: Annotated[int, typer.Option(min=1, metavar="N", help="Show at most N problems.")] = 50,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as problems.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a dataset against the format: hashes, schemas, and whether host, donor, report and map fit together.

    Exit code 1 and a list of problems if something does not hold. The same report in two splits, word for word, or
    nearly the same image, is a warning: no rule of the format is broken, but the two splits then overlap.
    """
    from medcutmix_pipeline.dataset import Dataset
    from medcutmix_pipeline.dataset.leakage import Leaks
    from medcutmix_pipeline.dataset.validate import validate as check

    dataset = Dataset(out)
    leaks = Leaks()
    problems = [str(problem) for problem in check(dataset, leaks=leaks)]
    warnings = [] if problems else [str(warning) for warning in leaks.warnings()]
    valid = not problems and not (warnings and strict)
    if as_json:
        tell_json({"kind": "validate", "valid": valid, "problems": problems, "warnings": warnings})
    else:
        _tell(dataset, problems[:most], warnings if strict or not quiet else [], quiet)
    if problems:
        more = f" (the first {most} are shown)" if len(problems) > most and not as_json else ""
        tell_error(f"{counted(len(problems), 'problem')} in {out}{more}: {_REMEDY}")
    elif not valid:
        them = "it as a problem" if len(warnings) == 1 else "them as problems"
        tell_error(f"{counted(len(warnings), 'warning')}, and --strict treats {them}")
    if not valid:
        raise typer.Exit(ExitCode.DATA)


def _tell(dataset: Any, problems: list[str], warnings: list[str], quiet: bool) -> None:
    for problem in problems:
        typer.echo(problem)
    counts, shards = dataset.manifest.counts, dataset.manifest.shards
    if not (problems or quiet):
        there = (counted(len(shards), "shard"), counted(counts.samples, "sample"), counted(counts.plans, "plan"))
        typer.echo(f"{dataset.where} is valid: {', '.join(there)}")
    for warning in warnings:
        typer.echo(f"warning: {warning}")
