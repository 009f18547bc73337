"""`lookup`: what a pseudonym stands for."""

from typing import Annotated

import typer

from medcutmix_pipeline.commands.options import ConfigFile, RootOption, SetOption, SourceOption, resolved
from medcutmix_pipeline.commands.shape import option
from medcutmix_pipeline.commands.tell import err_console
from medcutmix_pipeline.errors import UsageError


def lookup(
    out: Annotated[
        str,
        typer.Option(metavar="FILE", help="CSV to write, outside of every dataset; - for the terminal."),
    ],
    config: ConfigFile = None,
    source: SourceOption = None,
    root: RootOption = None,
    settings: SetOption = None,
    name: Annotated[
        list[str] | None, option("NAME", "Name of an image (i-…) or a study (s-…); may be repeated.", "--name")
    ] = None,
    rejects: Annotated[
        str | None, option("OUT", "Every name in the rejects of this dataset, or of this unfinished build so far.")
    ] = None,
) -> None:
    """Find the file or row that a name in a dataset stands for, to repair what was rejected. Needs the build's key.

    Lists the source again and writes, for each name, the source's own names for the study and the image, and the file.
    The result is confidential: it undoes the pseudonyms. It is written only where --out says, and never into a dataset.
    """
    from medcutmix_pipeline.dataset import Dataset
    from medcutmix_pipeline.dataset.unfinished import rejects_so_far
    from medcutmix_pipeline.pipeline.lookup import STANDARD, check_names, look_up, rejected

    check_names(name or [])
    so_far = rejects_so_far(rejects) if rejects else None
    wanted = rejected(Dataset(rejects).rejects if so_far is None else so_far) if rejects else {}
    wanted = dict.fromkeys(name or [], "") | wanted
    if not wanted:
        nothing = f"{rejects} has no rejects" if rejects else "which names? Give --name NAME or --rejects OUT"
        raise UsageError(nothing)
    found = look_up(resolved(config, settings, {"source.kind": source, "source.root": root}), wanted, out)
    where = "this" if out == STANDARD else out
    err_console().print(
        f"{len(found):,} of {len(wanted):,} names found. Confidential: {where} names files and studies of the source; "
        "keep it apart from the dataset, and delete it when the files are repaired",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
