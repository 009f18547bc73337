"""`validate`: is every promise of the format kept."""

from typing import Annotated

import typer

from medcutmix_pipeline.commands.tell import DatasetFolder, tell_error
from medcutmix_pipeline.errors import ExitCode


def validate(
    out: DatasetFolder,
    most: Annotated[int, typer.Option(min=1, help="Show at most so many problems.")] = 50,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for problems.")] = False,
) -> None:
    """Check a dataset against the format: hashes, schemas, and every promise between host, donor, report and map.

    Exit code 1 and a list where something does not hold. Reports that stand word for word in two splits, and images
    that are all but the same in two, are warnings: no promise is broken, but one split then tells of another.
    """
    from medcutmix_pipeline.dataset import Dataset
    from medcutmix_pipeline.dataset.leakage import Leaks
    from medcutmix_pipeline.dataset.validate import validate as check

    dataset = Dataset(out)
    leaks = Leaks()
    problems = check(dataset, leaks=leaks)
    for problem in problems[:most]:
        typer.echo(str(problem))
    if problems:
        more = f" (the first {most} are shown)" if len(problems) > most else ""
        tell_error(f"{len(problems):,} problems in {out}{more}: build it again with --fresh")
        raise typer.Exit(ExitCode.DATA)
    counts = dataset.manifest.counts
    typer.echo(
        f"{out} is valid: {len(dataset.manifest.shards)} shards, {counts.samples:,} samples, {counts.plans:,} plans"
    )
    warnings = list(leaks.warnings())
    for warning in warnings:
        typer.echo(f"warning: {warning}")
    if warnings and strict:
        tell_error(f"{len(warnings)} warnings, and --strict takes them for problems")
        raise typer.Exit(ExitCode.DATA)
