"""`inspect`: what is in a dataset."""

from typing import Annotated

import typer

from medcutmix_pipeline.commands.tell import DatasetFolder, out_console


def inspect(
    out: DatasetFolder,
    plan: Annotated[
        str | None, typer.Option(metavar="ID", help="Show one plan: both reports, labels, λ.", show_default=False)
    ] = None,
    random: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Show N plans drawn by chance.", show_default=False)
    ] = None,
    disease: Annotated[
        str | None, typer.Option(help="With --random: plans matched on this finding.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="With --random: which ones.")] = 0,
) -> None:
    """Say what is in a dataset: counts, findings, plans, rejects; or show plans as text."""
    from medcutmix_pipeline.dataset import Dataset
    from medcutmix_pipeline.dataset.inspect import overview, tell_plan
    from medcutmix_pipeline.dataset.open import telling_damage
    from medcutmix_pipeline.dataset.pick import random_plans

    dataset, console = Dataset(out), out_console()
    with telling_damage(out):
        if plan is not None:
            console.print(tell_plan(dataset.plan(plan)), highlight=False)
        elif random is not None or disease is not None:
            for row in random_plans(dataset, random or 1, seed, disease):
                console.print(tell_plan(row), highlight=False)
        else:
            console.print(overview(dataset), highlight=False)
