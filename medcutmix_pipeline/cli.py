"""The commands. Each says what it does with an example, and hands over to the part that does it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from medcutmix_pipeline.commands.attend import attend
from medcutmix_pipeline.commands.build import build, init
from medcutmix_pipeline.commands.doctor import doctor
from medcutmix_pipeline.commands.inspect import inspect
from medcutmix_pipeline.commands.label import label
from medcutmix_pipeline.commands.lookup import lookup
from medcutmix_pipeline.commands.shape import Commands, add
from medcutmix_pipeline.commands.studies import phantom, sources
from medcutmix_pipeline.commands.tell import err_console, tell_error
from medcutmix_pipeline.commands.validate import validate
from medcutmix_pipeline.errors import ExitCode, PipelineError
from medcutmix_pipeline.home import at_home
from medcutmix_pipeline.version import __version__

app = typer.Typer(
    cls=Commands,
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Build and inspect datasets of image–report pairs with disease-matched mix plans, after MedCutMix.",
    epilog="Start with:\n"
    "  medcutmix-pipeline phantom studies --studies 200\n"
    "  medcutmix-pipeline build --source phantom --root studies --out dataset\n"
    "  medcutmix-pipeline inspect dataset\n\n"
    "Each command explains itself with --help. Tab completion: medcutmix-pipeline --install-completion. "
    "NO_COLOR=1 turns colours off.",
)


def run(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code. A user's mistake is told in one line, without a traceback."""
    try:
        # Outside of its standalone mode typer returns the code of an exit, and of an interruption, instead of leaving.
        code = app(args=list(map(_at_home, arguments)), prog_name="medcutmix-pipeline", standalone_mode=False) or 0
    except PipelineError as error:
        tell_error(str(error))
        return error.exit_code
    except OSError as error:
        if error.errno is None:
            raise
        where = f" at {error.filename}" if error.filename else ""
        tell_error(f"{error.strerror}{where}: fix that, and run the same command again")
        return ExitCode.DATA
    except Exception as error:
        usage = getattr(error, "format_message", None)  # what typer raises for a call it cannot parse
        if usage is None:
            raise
        told = usage().replace("Value error, ", "").rstrip(".")
        if told:  # a call without arguments has been answered with the help
            tell_error(f"{told} (try --help)")
        return ExitCode.USAGE
    if code == ExitCode.INTERRUPTED:
        more = " to go on where it stopped" if arguments[0] == "build" else ""
        err_console().print(f"interrupted; run the same command again{more}", highlight=False)
    return int(code)


def _at_home(argument: str) -> str:
    """A path that begins with ~/ in the home folder, also where no shell has put it in: after = and within quotes."""
    return re.sub(r"^(--[\w-]+=)?~(?=/|$)", lambda told: (told[1] or "") + at_home("~"), argument)


@app.callback(invoke_without_command=True)
def _main(
    version: Annotated[bool, typer.Option("--version", metavar="", help="Show the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"medcutmix-pipeline {__version__}")
        raise typer.Exit


add(
    app,
    build,
    "build --source openi --root data/openi --out dataset",
    "build build.yaml --out dataset --set shards.image_size=224 --workers 8",
    "build --source phantom --root studies --out dataset --dry-run",
)
add(app, init, "init build.yaml", "init - | less")
add(
    app,
    doctor,
    "doctor",
    "doctor --source openi --root data/openi --out dataset",
    "doctor build.yaml --out dataset --json",
)
add(app, phantom, "phantom studies --studies 200 --seed 1")
add(app, sources, "sources")
add(
    app,
    label,
    "label reports.csv --text report --id study_id --out labels.csv",
    "label reports.parquet --text report --explain | head",
)
add(app, validate, "validate dataset", "validate dataset --strict --quiet && echo fit for training")
add(
    app,
    inspect,
    "inspect dataset",
    "inspect dataset --disease 'Pleural Effusion'",
    "inspect dataset --random 3 --seed 1 --png plans.png",
    "inspect dataset --worst 10 --by large-map",
    "inspect dataset --html report",
    "inspect dataset --sql 'select disease, count(*) n from plans group by 1 order by 2 desc'",
)
add(
    app,
    lookup,
    "lookup --source manifest --root studies.csv --rejects dataset --out ~/rejected.csv",
    "lookup build.yaml --name i-a39d50c8c6bd342902af --out -",
)
add(app, attend, 'attend chest.png "There is a left pleural effusion." --encoder dataset')
