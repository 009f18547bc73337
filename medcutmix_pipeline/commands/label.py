"""`label`: what reports assert, without a build."""

from typing import Annotated

import typer

from medcutmix_pipeline.commands.shape import option
from medcutmix_pipeline.commands.tell import QuietOption, err_console


def label(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="CSV, TSV, JSON lines (plain or .gz) or Parquet; - for standard input.",
            show_default=False,
        ),
    ],
    text: Annotated[str, option("COLUMN", "The column with the reports.")],
    out: Annotated[
        str, typer.Option(metavar="FILE", help="CSV, TSV, JSON lines or Parquet; - for standard output.")
    ] = "-",
    id_column: Annotated[
        str | None, option("COLUMN", "The column that names a report; default its number.", "--id")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="A row for each mention, with the rule that decided.")
    ] = False,
    lexicon: Annotated[str | None, option("FILE", "A lexicon of your own, added to the built-in one.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Use your lexicon alone.")] = False,
    workers: Annotated[int | None, option("N", "Processes; default one a core.", min=1)] = None,
    source_format: Annotated[
        str | None,
        typer.Option("--from", metavar="FORMAT", help="csv, tsv, jsonl or parquet, where FILE's name does not say."),
    ] = None,
    out_format: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="FORMAT", help="csv, tsv, jsonl or parquet, where the name in --out does not say."
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Label reports: one column for each finding, with present, uncertain, absent or nothing."""
    from rich.progress import Progress

    from medcutmix_pipeline.labelling import label_file
    from medcutmix_pipeline.schemas.config import SentencesConfig

    config = SentencesConfig(lexicon=lexicon, lexicon_mode="replace" if replace else "extend")
    with Progress(console=err_console(), disable=quiet or not err_console().is_terminal, transient=True) as bars:
        task = bars.add_task("reports", total=None)
        counts = label_file(
            file,
            out,
            text=text,
            config=config,
            id_column=id_column,
            explained=explain,
            workers=workers,
            source_format=source_format,
            out_format=out_format,
            progress=lambda done: bars.advance(task, done),
        )
    if quiet:
        return
    most = sorted(counts.present.items(), key=lambda c: (-c[1], c[0]))[:3]
    told = ", ".join(f"{name} present in {count:,}" for name, count in most)
    err_console().print(
        f"{counts.reports:,} reports, {counts.empty:,} of them empty; {told or 'nothing present'}", highlight=False
    )
