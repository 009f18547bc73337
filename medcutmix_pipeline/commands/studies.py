"""`phantom` and `sources`: where studies come from."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from medcutmix_pipeline.commands.tell import QuietOption, counted, out_console

_MANY = 1000
"""So many studies take longer than it does to start processes that draw them side by side."""


def phantom(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder for the studies; must be new or empty.", show_default=False)
    ],
    studies: Annotated[int, typer.Option(min=1, metavar="N", help="How many studies.")] = 200,
    seed: Annotated[int, typer.Option(metavar="S", help="Same seed, same studies.")] = 0,
    image_format: Annotated[
        Literal["png", "dicom"], typer.Option("--format", metavar="png|dicom", help="Format of the images.")
    ] = "png",
    size: Annotated[int, typer.Option(min=64, max=4096, metavar="PX", help="Side of the images, px.")] = 256,
    contrast: Annotated[
        float,
        typer.Option(min=0.1, max=3, metavar="X", help="Contrast of the lesions: 1 is plain to see, less is harder."),
    ] = 1.0,
    quiet: QuietOption = False,
) -> None:
    """Generate synthetic chest radiographs with reports, and tables of what they show: for demos and tests."""
    from medcutmix_pipeline.pipeline.machine import cpus
    from medcutmix_pipeline.sources.phantom import generate

    workers = cpus() if studies >= _MANY else 1
    summary = generate(folder, studies, seed, image_format=image_format, size=size, contrast=contrast, workers=workers)
    if quiet:
        return
    root = shlex.quote(str(folder))
    typer.echo(
        f"{summary.studies:,} studies of {counted(summary.patients, 'patient')} with "
        f"{counted(summary.images, 'image')} in {folder}; "
        f"build a dataset with: medcutmix-pipeline build --source phantom --root {root} --out dataset"
    )


def sources() -> None:
    """List the kinds of source, and the layout that each expects."""
    from medcutmix_pipeline.sources import describe_sources

    console = out_console()
    for source in describe_sources():
        console.print(f"[bold]{source.kind}[/bold]  {escape(source.title)}", highlight=False)
        console.print(escape(source.layout.rstrip()), highlight=False, style="dim")
        console.print(
            f"licence: {escape(source.licence)}\nexample: {escape(source.example)}\n", highlight=False, soft_wrap=True
        )
