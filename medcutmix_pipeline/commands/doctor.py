"""`doctor`: is everything there for a build."""

from typing import TYPE_CHECKING, Annotated

import typer

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
from medcutmix_pipeline.commands.tell import JsonOption, out_console, tell_json
from medcutmix_pipeline.errors import ExitCode

if TYPE_CHECKING:
    from medcutmix_pipeline.doctor import Check

_MARKS = {"ok": ("✓", "green"), "note": ("!", "yellow"), "problem": ("✗", "red")}
_TITLES = {"installed": "Installed", "usable": "Usable", "places": "Places and needs"}


def doctor(
    config: ConfigFile = None,
    out: Annotated[str | None, option("FOLDER|URL", "Where its dataset would go.")] = None,
    work: WorkOption = None,
    source: SourceOption = None,
    root: RootOption = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check whether everything is in place for a build: packages, GPU, Ray, models, source, output, disk and memory.

    Says what to do about each problem. Exit code 1 if something would stop a build. Changes nothing.
    """
    from medcutmix_pipeline.doctor import examine

    check_work(work, out)
    named = {"source.kind": source, "source.root": root, "engine.work_dir": work}
    checks = list(examine(resolved(config, settings, named), out))
    problems = sum(check.status == "problem" for check in checks)
    if as_json:
        told = [{name: getattr(check, name) for name in check.__dataclass_fields__} for check in checks]
        tell_json({"kind": "doctor", "ready": not problems, "checks": told})
    else:
        _tell(checks, problems, nothing_named=not (root or config) or out is None)
    if problems:
        raise typer.Exit(ExitCode.DATA)


def _tell(checks: "list[Check]", problems: int, nothing_named: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    console = out_console()
    for group in dict.fromkeys(check.group for check in checks):
        console.print(Text(_TITLES[group], style="bold"))
        grid = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(2):
            grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for check in _in_short([check for check in checks if check.group == group]):
            mark, style = _MARKS[check.status]
            grid.add_row(Text(f"  {mark}", style=style), Text(check.name), Text(check.found))
            if check.remedy:
                grid.add_row("", "", Text(f"→ {check.remedy}", style=style))
        console.print(grid)
    if problems:
        console.print(Text(f"{problems} {'problems' if problems > 1 else 'problem'} would stop a build.", style="bold"))
    elif nothing_named:
        console.print(
            "Ready. To have the source and the output of a build checked as well, name them:", highlight=False
        )
        console.print("  medcutmix-pipeline doctor --source KIND --root DIR --out FOLDER", highlight=False)
    else:
        console.print(Text("Ready to build.", style="bold"))


def _in_short(checks: "list[Check]") -> "list[Check]":
    """The checks of a group, with the packages that are as they were tested in one row."""
    from medcutmix_pipeline.doctor import Check
    from medcutmix_pipeline.doctor.installed import tested_versions

    tested = tested_versions()
    same = [check for check in checks if check.found.split("+")[0] == tested.get(check.name)]
    if len(same) < 2 or checks[0].group != "installed":
        return checks
    told = ", ".join(f"{check.name} {check.found}" for check in same)
    others = [check for check in checks if check not in same]
    return [others[0], Check("installed", "as tested", "ok", told), *others[1:]]
