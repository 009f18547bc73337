"""The commands. Each says what it does with an example, and hands over to the part that does it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape

from medcutmix_pipeline.errors import ExitCode, PipelineError, UsageError
from medcutmix_pipeline.version import __version__

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Build and look at datasets of image–report pairs with disease-matched mix plans, after MedCutMix.",
    epilog="Start with: [bold]medcutmix-pipeline phantom studies --studies 200[/bold], then "
    "[bold]medcutmix-pipeline build --source phantom --root studies --out dataset[/bold]",
)
_err = Console(stderr=True)

_Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder of a finished dataset.", show_default=False)]


def run(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code. A user's mistake is told in one line, without a traceback."""
    try:
        # Outside of its standalone mode typer returns the code of an exit, and of an interruption, instead of leaving.
        code = app(args=list(arguments), prog_name="medcutmix-pipeline", standalone_mode=False) or ExitCode.DONE
    except PipelineError as error:
        _tell_error(str(error))
        return error.exit_code
    except OSError as error:
        if error.errno is None:
            raise
        where = f" at {error.filename}" if error.filename else ""
        _tell_error(f"{error.strerror}{where}: mend that, and run the same command again")
        return ExitCode.DATA
    except Exception as error:
        usage = getattr(error, "format_message", None)  # what typer raises for a call it cannot parse
        if usage is None:
            raise
        _tell_error(f"{usage()}; try --help")
        return ExitCode.USAGE
    if code == ExitCode.INTERRUPTED:
        _err.print("interrupted; run the same command again to go on where it stopped", highlight=False)
    return int(code)


def _tell_error(message: str) -> None:
    _err.print(f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True)


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False,
) -> None:
    if version:
        typer.echo(f"medcutmix-pipeline {__version__}")
        raise typer.Exit


@app.command(epilog="Example: medcutmix-pipeline build --source openi --root data/openi --out dataset")
def build(
    config: Annotated[
        Path | None, typer.Argument(metavar="[CONFIG.yaml]", help="Settings; `init` writes one.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the dataset; an unfinished build there is gone on with.", show_default=False),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Kind of source; `sources` lists them.", show_default=False)
    ] = None,
    root: Annotated[str | None, typer.Option(help="Where the source's data are.", show_default=False)] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any setting, such as pairing.plans_per_host=2; may be repeated.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take only the first N studies.", show_default=False)] = None,
    engine: Annotated[
        Literal["ray", "serial"] | None, typer.Option(help="Ray (default), or one process.", show_default=False)
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="CPUs to use; default all.", show_default=False)] = None,
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="An existing cluster: auto or ray://HOST:PORT; default a local Ray for this build.", show_default=False
        ),
    ] = None,
    max_reject_rate: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Stop when a larger share of the images is rejected; default 0.2.", show_default=False
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew, whatever an earlier build left in OUT.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
) -> None:
    """Build a dataset of image–report pairs with mix plans.

    Reads the source's studies, finds what their reports assert, pairs studies with the same finding, mixes their
    reports, computes where each image shows what its sentence says, and writes WebDataset shards and Parquet tables.
    Run the same command again after a crash or a change of settings: it does only what is not done yet.
    """
    from medcutmix_pipeline.schemas.settings import load_config, parse_set

    named: list[tuple[str, Any]] = [
        ("source.kind", source),
        ("source.root", root),
        ("source.limit", limit),
        ("engine.kind", engine),
        ("engine.workers", workers),
        ("engine.ray_address", ray_address),
        ("engine.max_reject_rate", max_reject_rate),
    ]
    overrides = [parse_set(text) for text in settings or []] + [(k, v) for k, v in named if v is not None]
    resolved = load_config(config, overrides)
    if not resolved.source.root:
        raise UsageError(
            "where are the studies? Give --source KIND and --root DIR (`medcutmix-pipeline sources` lists the kinds)"
        )
    if dry_run:
        from medcutmix_pipeline.pipeline.dry_run import dry_run as tell

        tell(resolved, out, _console())
        return
    if out is None:
        raise UsageError("where should the dataset go? Give --out FOLDER")
    _run_build(resolved, out, fresh)


def _run_build(config: Any, out: Path, fresh: bool) -> None:
    from medcutmix_pipeline.pipeline.build import build as run_build
    from medcutmix_pipeline.pipeline.progress import Reporter

    # A scheduler that ends a job sends SIGTERM: leave as tidily as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = _console()
    with Reporter(console) as reporter:
        manifest = run_build(config, out, reporter, fresh=fresh)
    counts = manifest.counts
    console.print(
        f"[bold]{counts.samples:,} samples and {counts.plans:,} plans[/bold] over {len(counts.plans_by_disease)} "
        f"findings in {escape(str(out))}; {sum(counts.rejects.values()):,} rejects. "
        f"Look at it: medcutmix-pipeline inspect {escape(str(out))}",
        highlight=False,
        soft_wrap=True,
    )


@app.command(epilog="Example: medcutmix-pipeline init build.yaml && medcutmix-pipeline build build.yaml --out dataset")
def init(
    file: Annotated[Path, typer.Argument(help="The file to write; - for standard output.")] = Path("medcutmix.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a configuration file with every setting, its default and what it does."""
    from medcutmix_pipeline.schemas.settings import commented_config

    if str(file) == "-":
        typer.echo(commented_config(), nl=False)
        return
    if file.exists() and not force:
        raise UsageError(f"{file} exists; give another name, or --force to overwrite it")
    try:
        file.write_text(commented_config(), encoding="utf-8")
    except OSError as why:
        raise UsageError(f"cannot write {file}: {why.strerror}") from None
    typer.echo(f"wrote {file}; use it with: medcutmix-pipeline build {file} --out dataset")


@app.command(epilog="Example: medcutmix-pipeline phantom studies --studies 200 --seed 1")
def phantom(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder for the studies; must be new or empty.", show_default=False)
    ],
    studies: Annotated[int, typer.Option(min=1, help="How many studies.")] = 200,
    seed: Annotated[int, typer.Option(help="Same seed, same studies.")] = 0,
    image_format: Annotated[Literal["png", "dicom"], typer.Option("--format", help="Format of the images.")] = "png",
    size: Annotated[int, typer.Option(min=64, max=4096, help="Side of the images, px.")] = 256,
    contrast: Annotated[
        float, typer.Option(min=0.1, max=3, help="Contrast of the lesions: 1 is plain to see, less is harder.")
    ] = 1.0,
) -> None:
    """Generate synthetic chest radiographs with reports, whose truth is known: for demos and tests."""
    from medcutmix_pipeline.sources.phantom import generate

    summary = generate(folder, studies, seed, image_format=image_format, size=size, contrast=contrast)
    typer.echo(
        f"{summary.studies:,} studies of {summary.patients:,} patients with {summary.images:,} images in {folder}; "
        f"build a dataset with: medcutmix-pipeline build --source phantom --root {folder} --out dataset"
    )


@app.command(epilog="Example: medcutmix-pipeline sources")
def sources() -> None:
    """List the kinds of source, and the layout that each expects."""
    from medcutmix_pipeline.sources import describe_sources

    console = _console()
    for source in describe_sources():
        console.print(f"[bold]{source.kind}[/bold]  {escape(source.title)}", highlight=False)
        console.print(escape(source.layout.rstrip()), highlight=False, style="dim")
        console.print(
            f"licence: {escape(source.licence)}\nexample: {escape(source.example)}\n", highlight=False, soft_wrap=True
        )


@app.command(epilog="Example: medcutmix-pipeline label reports.csv --text report --id study_id --out labels.csv")
def label(
    file: Annotated[str, typer.Argument(help="CSV, JSON lines or Parquet; - for standard input.", show_default=False)],
    text: Annotated[str, typer.Option(help="The column with the reports.", show_default=False)],
    out: Annotated[str, typer.Option(help="CSV, JSON lines or Parquet; - for standard output.")] = "-",
    id_column: Annotated[
        str | None, typer.Option("--id", help="The column that names a report; default its number.", show_default=False)
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="A row for each mention, with the rule that decided.")
    ] = False,
    lexicon: Annotated[
        str | None, typer.Option(help="A lexicon of your own, added to the built-in one.", show_default=False)
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Use your lexicon alone.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default one a core.", show_default=False)
    ] = None,
    source_format: Annotated[
        str | None, typer.Option("--from", help="csv, jsonl or parquet, where FILE's name does not say.")
    ] = None,
    out_format: Annotated[
        str | None, typer.Option("--to", help="csv, jsonl or parquet, where OUT's name does not say.")
    ] = None,
) -> None:
    """Say what reports assert: a column for each finding, with present, uncertain, absent or nothing."""
    from rich.progress import Progress

    from medcutmix_pipeline.labelling import label_file
    from medcutmix_pipeline.schemas.config import SentencesConfig

    config = SentencesConfig(lexicon=lexicon, lexicon_mode="replace" if replace else "extend")
    with Progress(console=_err, disable=not _err.is_terminal, transient=True) as bars:
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
    most = sorted(counts.present.items(), key=lambda c: (-c[1], c[0]))[:3]
    told = ", ".join(f"{name} present in {count:,}" for name, count in most)
    _err.print(
        f"{counts.reports:,} reports, {counts.empty:,} of them empty; {told or 'nothing present'}", highlight=False
    )


@app.command(epilog="Example: medcutmix-pipeline validate dataset")
def validate(
    out: _Out,
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
        _tell_error(f"{len(problems):,} problems in {out}{more}: build it again with --fresh")
        raise typer.Exit(ExitCode.DATA)
    counts = dataset.manifest.counts
    typer.echo(
        f"{out} is valid: {len(dataset.manifest.shards)} shards, {counts.samples:,} samples, {counts.plans:,} plans"
    )


@app.command(epilog="Example: medcutmix-pipeline inspect dataset --plan 0123456789abcdef")
def inspect(
    out: _Out,
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

    dataset, console = Dataset(out), _console()
    with telling_damage(out):
        if plan is not None:
            console.print(tell_plan(dataset.plan(plan)), highlight=False)
        elif random is not None or disease is not None:
            for row in random_plans(dataset, random or 1, seed, disease):
                console.print(tell_plan(row), highlight=False)
        else:
            console.print(overview(dataset), highlight=False)


@app.command(
    epilog='Example: medcutmix-pipeline attend chest.png "There is a left pleural effusion." --encoder dataset'
)
def attend(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="DICOM, PNG, JPEG, WebP or TIFF.", show_default=False)],
    sentence: Annotated[str, typer.Argument(help="What to look for, as a report says it.", show_default=False)],
    encoder: Annotated[
        str,
        typer.Option(
            help="A dataset whose fitted encoder is asked; or a model's folder, published name, or module:Class.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("overlay.png"),
    mass: Annotated[
        float, typer.Option(min=0, max=1, help="Width of the map, as attention.mass; 0: raw attention.")
    ] = 0.5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run code that comes with a published model.")
    ] = False,
) -> None:
    """Show where an encoder finds a sentence in an image: a picture of the map over the image, and its score."""
    from medcutmix_pipeline.pictures import attend_image, overlay
    from medcutmix_pipeline.pictures.attend import fitted_in
    from medcutmix_pipeline.schemas.config import AttentionConfig

    fitted = fitted_in(encoder)
    config = AttentionConfig(
        encoder="fit" if fitted else encoder, mass=mass, device=device, trust_remote_code=trust_remote_code
    )
    found = attend_image(image, sentence, config, fitted)
    x, y = found.peak
    told = (
        f"score {found.score:.2f}, covers {found.area:.1%} of the image, "
        f"strongest at {x:.0%} from the left and {y:.0%} from the top"
    )
    overlay(found.image, found.attention, f"{sentence}  ({told})").save(out, "PNG")
    typer.echo(f"{told}; {out}")


def _console() -> Console:
    from medcutmix_pipeline.dataset.inspect import open_console

    return open_console(file=sys.stdout)
