"""Configuration files: reading one, overriding settings, and writing a commented one."""

from __future__ import annotations

import copy
import difflib
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def load_config(file: Path | None, overrides: Sequence[tuple[str, Any]]) -> Config:
    """The configuration of a build.

    Args:
        file: YAML; None for defaults alone.
        overrides: (dotted key, value) in rising precedence.

    Raises:
        UsageError: the file cannot be read, a key is unknown (the nearest known one is named) or a value does not fit.
    """
    return validated(_read(file) if file else {}, overrides, file)


def validated(settings: Mapping[str, Any], overrides: Sequence[tuple[str, Any]], file: Path | None = None) -> Config:
    """The configuration of settings by section; the rest as `load_config`.

    Args:
        file: where the settings stood, for messages.
    """
    whole: dict[str, Any] = copy.deepcopy(dict(settings))
    for key, value in overrides:
        _assign(whole, key, value)
    try:
        return Config.model_validate(whole)
    except ValidationError as error:
        raise UsageError(_explain(error, file)) from None


def parse_set(text: str) -> tuple[str, Any]:
    """`section.key=value` from the command line as (key, value).

    Raises:
        UsageError: it is not of that form.
    """
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise UsageError(f"--set takes section.key=value, not {text!r}; for example --set shards.image_size=224")
    try:
        return key.strip(), _loaded(value)
    except yaml.YAMLError:
        return key.strip(), value


def commented_config() -> str:
    """A configuration file with every setting, its default and what it does."""
    lines = ["# Settings of `medcutmix-pipeline build`. Every value below is the default: keep only what you change.\n"]
    lines.extend(_comment(Config(), 0))
    return "\n".join(lines) + "\n"


def known_keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[str]:
    """All settings as dotted keys."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known_keys(field.annotation, key + ".")
        else:
            yield key


class _RepeatedError(yaml.YAMLError):
    """A mapping has a key twice; lines are counted from 1."""

    def __init__(self, key: str, before: int, line: int) -> None:
        super().__init__(key, before, line)
        self.key, self.before, self.line = key, before, line


class _Loader(yaml.SafeLoader):
    """Reads data and nothing else, and takes no key twice: YAML forbids that, and PyYAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See `SafeConstructor`."""
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in lines:
                raise _RepeatedError(key.value, lines[key.value], key.start_mark.line + 1)
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def _loaded(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _read(file: Path) -> dict[str, Any]:
    try:
        content = _loaded(file.read_text(encoding="utf-8"))
    except OSError as why:
        raise UsageError(f"cannot read the configuration {file}: {why.strerror}") from None
    except _RepeatedError as why:
        raise UsageError(
            f"the configuration {file}, line {why.line}: {why.key} stands there a second time (before in line "
            f"{why.before}), and only one of them would count"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as why:
        mark = getattr(why, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UsageError(
            f"the configuration {file}{where} is not YAML; `medcutmix-pipeline init` writes a good one"
        ) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UsageError(f"the configuration {file} holds no settings; `medcutmix-pipeline init` writes a good one")
    return content


def _assign(settings: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    place = settings
    for section in sections:
        inner = place.setdefault(section, {})
        if not isinstance(inner, dict):
            raise UsageError(f"{key}: {section} is no section of the configuration")
        place = inner
    place[last] = value


def _explain(error: ValidationError, file: Path | None) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f" in {file}" if file else ""
    if first["type"] == "extra_forbidden":
        if isinstance(first["input"], dict) and first["input"]:  # a section that there is none of: tell what is in it
            key = f"{key}.{next(iter(first['input']))}"
        close = difflib.get_close_matches(key, list(known_keys()), n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}?" if close else "`medcutmix-pipeline init -` shows them all"
        return f"unknown setting {key}{where}: {hint}"
    if first["type"] == "model_type":
        return f"setting {key}{where}: it is a section, whose settings stand below it"
    if first["type"] == "tuple_type":
        told = first["input"] if isinstance(first["input"], str) else "Edema, Fracture"
        return f"setting {key}{where}: it is a list, also where it has one entry: {key}='[{told}]'"
    message = first["msg"].removeprefix("Value error, ")
    return f"setting {key or 'configuration'}{where}: {message[:1].lower()}{message[1:]}"


def _comment(section: BaseModel, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, field in type(section).model_fields.items():
        key, value = field.alias or name, getattr(section, name)
        if isinstance(value, BaseModel):
            yield f"{indent}{key}:" + (f"  # {_purpose(value)}" if _purpose(value) else "")
            yield from _comment(value, depth + 1)
        else:
            if field.description:
                yield f"{indent}# {field.description}"
            told = yaml.safe_dump(
                list(value) if isinstance(value, tuple) else value, default_flow_style=True, width=1000
            )
            yield f"{indent}{key}: {told.removesuffix('...' + chr(10)).strip()}"


def _purpose(section: BaseModel) -> str:
    return (type(section).__doc__ or "").strip().rstrip(".")
