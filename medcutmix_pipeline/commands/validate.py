"""`validate`: is every promise of the format kept."""

from typing import Annotated

import typer

from medcutmix_pipeline.commands.tell import DatasetFolder, tell_error
from medcutmix_pipeline.errors import ExitCode


def validate(
    out: DatasetFolder,
    most: Annotated[int, typer.Option(min=1, help="Show at most so many problems.")] = 50,
) -> None:
    """Check a dataset against the format: hashes, schemas, and every promise between host, donor, report and map.

    Exit code 1 and a list where something does not hold.
    """
    from medcutmix_pipeline.dataset import Dataset
    from medcutmix_pipeline.dataset.validate import validate as check

    dataset = Dataset(out)
    problems = check(dataset)
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
