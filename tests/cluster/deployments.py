"""What the files in docker/ say, taken apart: commands, build arguments, steps of an installation."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKER = REPOSITORY / "docker"
_CALL = re.compile(r"(?<![\w/.-])(medcutmix-pipeline [a-z]|ray (start|up|down|exec|stop|status|health-check|job)\b)")
DOCS = REPOSITORY / "docs" / "cluster.md"


def load(name: str) -> list[dict]:
    """The documents of a YAML file in docker/."""
    return list(yaml.safe_load_all((DOCKER / name).read_text()))


def stages() -> dict[str, dict]:
    """The Dockerfile by stage: what it stands on, its arguments, and its RUN and COPY steps in order."""
    found: dict[str, dict] = {}
    stage: dict = {}
    text = re.sub(r"\\\n", " ", (DOCKER / "Dockerfile").read_text())
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = found[name] = {"base": base, "arguments": {}, "steps": []}
        elif word == "ARG" and stage:
            name, _, value = rest.partition("=")
            stage["arguments"][name] = value
        elif word in ("RUN", "COPY", "USER", "CMD", "ENTRYPOINT", "ENV", "WORKDIR"):
            stage["steps"].append((word, rest.strip()))
    return found


def steps(name: str) -> list[tuple[str, str]]:
    """The steps of a stage after those of the stages that it stands on."""
    stage = stages().get(name)
    return steps(stage["base"]) + stage["steps"] if stage else []


def commands() -> list[tuple[str, list[str]]]:
    """Every call of this program and of `ray` in docker/ and the documentation, with where it stands."""
    texts = {path.name: path.read_text() for path in sorted(DOCKER.iterdir()) if path.suffix in (".yaml", ".sh")}
    texts["cluster.md"] = "\n".join(re.findall(r"^```(?:bash|sh)\n(.*?)^```", DOCS.read_text(), re.S | re.M))
    return [(name, call) for name, text in texts.items() for call in _calls(text)]


def _calls(text: str) -> list[list[str]]:
    # A call goes on in the next line after a backslash, and in folded YAML where the next line begins with an option.
    text = re.sub(r"(\\\n|\n(?=\s+--))\s*", " ", text)
    calls = []
    for found in re.finditer(
        r"(?<![\w/.-])(medcutmix-pipeline [a-z]|ray (?:start|up|down|exec|stop|status|health-check|job) )", text
    ):
        line = text[found.start() :].splitlines()[0]
        line = re.split(r"\s(?:&&|\|\||>|#|&$)|[;`]|\s&\s|\)", line)[0]
        line = line.split('"')[0] if line.count('"') % 2 else line
        calls.append(shlex.split(line.rstrip(" &")))
    return calls
