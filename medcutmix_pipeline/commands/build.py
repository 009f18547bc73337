"""`build` and `init`: from settings to a dataset."""

import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from medcutmix_pipeline.commands.options import (
    ConfigFile,
    RootOption,
    SetOption,
    SourceOption,
    WorkOption,
    check_work,
    resolved,
)
from medcutmix_pipeline.commands.shape import option
from medcutmix_pipeline.commands.tell import QuietOption, counted, out_console
from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.outfile import whole_file

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import Config


def build(
    config: ConfigFile = None,
    out: Annotated[
        str | None,
        option("FOLDER|URL", "Folder or s3://BUCKET/PREFIX for the dataset; an unfinished build there is continued."),
    ] = None,
    work: WorkOption = None,
    source: SourceOption = None,
    root: RootOption = None,
    settings: SetOption = None,
    limit: Annotated[int | None, option("N", "Take only the first N studies.", min=1)] = None,
    engine: Annotated[Literal["ray", "serial"] | None, option("ray|serial", "Ray (default), or one process.")] = None,
    workers: Annotated[int | None, option("N", "CPUs to use; default all.", min=1)] = None,
    ray_address: Annotated[
        str | None,
        option("ADDRESS", "An existing cluster: auto or ray://HOST:PORT; default a local Ray for this build."),
    ] = None,
    max_reject_rate: Annotated[
        float | None, option("SHARE", "Stop when a larger share of the images is rejected; default 0.2.", min=0, max=1)
    ] = None,
    retry_rejects: Annotated[
        bool,
        typer.Option("--retry-rejects", help="Try again what an earlier build rejected, even if it looks unchanged."),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start from scratch: discard what an earlier build left in OUT.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what a build would do; write nothing.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Build a dataset of image–report pairs with mix plans.

    Reads the source's studies, labels their reports, pairs studies with the same finding, mixes their reports, computes
    where each image shows what a sentence says, and writes WebDataset shards and Parquet tables. Run the same command
    again after a crash or a change of settings: only what is not done yet is done.
    """
    named = {
        "source.kind": source,
        "source.root": root,
        "source.limit": limit,
        "engine.kind": engine,
        "engine.workers": workers,
        "engine.ray_address": ray_address,
        "engine.work_dir": work,
        "engine.max_reject_rate": max_reject_rate,
    }
    check_work(work, out)
    asked = resolved(config, settings, named)
    if ray_address is not None and asked.engine.kind == "serial":  # one in a file gives way to --engine
        raise UsageError(
            "--ray-address names a Ray, and engine.kind=serial asks for one process: leave one of them out"
        )
    if not asked.source.root:
        raise UsageError(
            "where are the studies? Give --source KIND and --root DIR (`medcutmix-pipeline sources` lists the kinds)"
        )
    if dry_run:
        from medcutmix_pipeline.pipeline.dry_run import dry_run as tell

        tell(asked, out, out_console())
        return
    if out is None:
        raise UsageError("where should the dataset go? Give --out FOLDER or --out s3://BUCKET/PREFIX")
    _run_build(asked, out, fresh, retry_rejects, quiet)


def _run_build(config: "Config", out: str, fresh: bool, retry_rejects: bool, quiet: bool) -> None:
    from medcutmix_pipeline.pipeline.build import build as run_build
    from medcutmix_pipeline.pipeline.progress import Reporter

    _end_tidily()
    console = out_console(quiet)
    with Reporter(console) as reporter:
        manifest = run_build(config, out, reporter, fresh=fresh, retry_rejects=retry_rejects)
    counts = manifest.counts
    console.print(
        f"[bold]{counted(counts.samples, 'sample')} and {counted(counts.plans, 'plan')}[/bold] "
        f"over {counted(len(counts.plans_by_disease), 'finding')} in {escape(str(out))}; "
        f"{counted(sum(counts.rejects.values()), 'reject')}. "
        f"Look at it: medcutmix-pipeline inspect {escape(shlex.quote(str(out)))}",
        highlight=False,
        soft_wrap=True,
    )


def _end_tidily() -> None:
    """What ends a build leaves as little behind as Ctrl-C: SIGTERM of a scheduler, SIGHUP of a terminal that goes."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup the build outlives its terminal
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def init(
    file: Annotated[
        Path, typer.Argument(metavar="[FILE.yaml]", help="The file to write; - for standard output.")
    ] = Path("medcutmix.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    quiet: QuietOption = False,
) -> None:
    """Write a configuration file with every setting, its default and what it does."""
    from medcutmix_pipeline.schemas.settings import commented_config

    if str(file) == "-":
        typer.echo(commented_config(), nl=False)
        return
    if file.exists() and not force:
        raise UsageError(f"{file} exists; give another name, or --force to overwrite it")
    with whole_file(file) as part:
        part.write_text(commented_config(), encoding="utf-8")
    if not quiet:
        typer.echo(f"wrote {file}; use it with: medcutmix-pipeline build {shlex.quote(str(file))} --out dataset")
