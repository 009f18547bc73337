"""Shell blocks: split into commands, which are run in this process where they are ours, or checked."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import duckdb
import typer

from medcutmix_pipeline.cli import app, run
from medcutmix_pipeline.schemas.settings import known_keys, load_config, parse_set
from medcutmix_pipeline.sources import describe_sources
from tests.docs.blocks import ROOT

PROGRAM = "medcutmix-pipeline"

# What the blocks leave at its default, a test makes small: it is the commands that are tried here, not the maps.
QUICK = (
    "attention.encoder=quick_encoder:Bright",
    "ingest.studies_per_part=32",
    "shards.image_size=64",
    "engine.max_reject_rate=1",
)


def commands(code: str) -> list[list[str]]:
    """The commands of a block, each as its words; comments, continued lines and quotes over lines are understood."""
    found: list[list[str]] = []
    pending = ""
    for line in re.sub(r"\\\n", " ", code).splitlines():
        pending = f"{pending}\n{line}" if pending else line
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # a quotation that goes on in the next line
            continue
        pending = ""
        found.append([])
        for word in words:
            if word in ("&&", ";"):
                found.append([])
            else:
                found[-1].append(word)
    assert not pending, f"a quotation does not end: {pending}"
    return [words for words in found if words]


def execute(words: list[str], sandbox: Path) -> None:
    """Run a command in the sandbox, which is the current folder; it has to succeed."""
    match words:
        case _ if {"|", ">", "<"} & set(words):
            _process(words, sandbox)
        case [str(name), *arguments] if name == PROGRAM:
            code = run(_quick(arguments, sandbox))
            assert code == 0, f"{shlex.join(words)} ended with {code}"
        case ["duckdb", "-c", query]:
            assert duckdb.sql(query).fetchall(), f"{query} finds nothing"
        case ["make" | "pip", *_]:
            check(words)
        case ["python", *arguments]:
            _process([sys.executable, *_from_repository(arguments)], sandbox)
        case _:
            _process(words, sandbox)


def check(words: list[str]) -> None:
    """As far as a command can be checked without running it: its options, settings, targets and files."""
    match words:
        case [str(name), *arguments] if name == PROGRAM:
            check_arguments(arguments)
        case ["make", *targets]:
            makefile = (ROOT / "Makefile").read_text("utf-8")
            for target in targets:
                assert "=" in target or re.search(rf"^{target}:", makefile, re.M), f"there is no `make {target}`"
        case ["pip", "install", *arguments]:
            _check_install(arguments)
        case ["python" | "torchrun", *arguments]:
            for word in arguments:
                if re.match(r"(examples|benchmarks)/\S+\.py$", word):
                    assert (ROOT / word).is_file(), f"there is no {word}"


def check_arguments(arguments: list[str]) -> None:
    """Our own command line's arguments are what its parser takes; `--set` names settings, `--source` kinds."""
    group = typer.main.get_command(app)
    if not arguments or arguments[0].startswith("-"):
        group.make_context(PROGRAM, list(arguments), resilient_parsing=True)
        return
    name, *rest = arguments
    context = group.make_context(PROGRAM, [name], resilient_parsing=True)
    command = group.get_command(context, name)
    assert command is not None, f"there is no command {name}"
    if not rest:  # the text speaks of the command, and calls it by its name
        return
    parsed = command.make_context(name, rest, parent=context)
    for setting in parsed.params.get("settings") or ():
        load_config(None, [parse_set(setting)])
    source = parsed.params.get("source")
    if source is not None:
        assert source in {d.kind for d in describe_sources()}, f"there is no source {source}"


def settings_prefixes() -> set[str]:
    """Every setting, and every section of settings."""
    keys = list(known_keys())
    return {".".join(key.split(".")[:n]) for key in keys for n in range(1, key.count(".") + 2)}


def _quick(arguments: list[str], sandbox: Path) -> list[str]:
    if arguments[0] == "phantom" and "--size" not in arguments:
        return [*arguments, "--size", "64"]
    if arguments[0] != "build" or "--dry-run" in arguments:
        return arguments
    engine = [] if "--engine" in arguments or "--ray-address" in arguments else ["--engine", "serial"]
    small = [word for setting in QUICK for word in ("--set", setting)]
    return ["build", *small, *engine, *arguments[1:]]


def _check_install(arguments: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for number, word in enumerate(arguments):
        ours = re.fullmatch(r"(?:\.|medcutmix-pipeline)(?:\[([\w,]+)\])?", word)
        if ours and ours[1]:
            missing = set(ours[1].split(",")) - set(project["optional-dependencies"])
            assert not missing, f"there is no extra {missing}"
        if number and arguments[number - 1] in ("-c", "-r"):
            assert (ROOT / word).is_file(), f"there is no {word}"


def _from_repository(arguments: list[str]) -> list[str]:
    return [str(ROOT / word) if (ROOT / word).is_file() else word for word in arguments]


def _process(words: list[str], sandbox: Path) -> None:
    here = {"HOME": str(sandbox), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", words[0] if len(words) == 1 else " ".join(map(_quoted, words))],
        cwd=sandbox,
        env={**os.environ, **here, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{shlex.join(words)}: {done.stderr[-2000:]}"


def _quoted(word: str) -> str:
    """Quoted, but for patterns and redirections, which the shell is to see."""
    return word if re.fullmatch(r"[\w./*~{}=-]+|[|<>]+|\d?>&?\d?", word) else shlex.quote(word)
