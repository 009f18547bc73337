"""What a build and a look at a build that is planned are told in the same words."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medcutmix_pipeline.commands.shape import complete_kind, complete_setting, option
from medcutmix_pipeline.errors import UsageError

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.config import Config

ConfigFile = Annotated[
    Path | None,
    typer.Argument(metavar="[CONFIG.yaml]", help="Settings; `init` writes such a file.", show_default=False),
]
SourceOption = Annotated[
    str | None, option("KIND", "Kind of source; `sources` lists them.", autocompletion=complete_kind)
]
WorkOption = Annotated[
    str | None, option("FOLDER", "With a URL as --out: the working folder, as large as the dataset.")
]
RootOption = Annotated[str | None, option("DIR|URL", "Where the source's data are.")]
SetOption = Annotated[
    list[str] | None,
    option(
        "KEY=VALUE",
        "Any setting, such as pairing.plans_per_host=2; may be repeated.",
        "--set",
        autocompletion=complete_setting,
    ),
]


def check_work(work: str | None, out: str | None) -> None:
    """Make sure that --work is not given where it would mean nothing.

    Raises:
        UsageError: the dataset goes to a folder, in which a build works by itself.
    """
    from medcutmix_pipeline.sources.reading import protocol

    if work is not None and out is not None and protocol(out) is None:
        raise UsageError(f"--work goes with a URL as --out, such as s3://BUCKET/PREFIX; a build into {out} works there")


def resolved(config: Path | None, settings: list[str] | None, named: Mapping[str, Any]) -> "Config":
    """The configuration of a file, with the settings of --set, and with those options that were given on top."""
    from medcutmix_pipeline.schemas.settings import load_config, parse_set

    given = [(key, value) for key, value in named.items() if value is not None]
    return load_config(config, [parse_set(text) for text in settings or []] + given)
