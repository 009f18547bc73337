"""The settings as tables, from the configuration's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel

from medcutmix_pipeline.schemas.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def settings() -> str:
    """Markdown: a heading and a table for each section of the configuration."""
    return "\n".join(_section(Config, "", Config.model_json_schema(by_alias=True)))


def _section(model: type[BaseModel], prefix: str, schema: dict[str, Any]) -> Iterator[str]:
    heading = f"## `{prefix[:-1]}`" if prefix else "## Top level"
    yield from (f"{'#' * prefix.count('.')}{heading[prefix.count('.') and 1 :]}", "", (model.__doc__ or "").strip(), "")
    described = schema if not prefix else schema["$defs"][model.__name__]
    inner, rows = [], []
    for name, field in model.model_fields.items():
        key = field.alias or name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            inner.append((field.annotation, f"{prefix}{key}."))
        else:
            told = _values(described["properties"][key])
            rows.append(f"| `{prefix}{key}` | {told} | {_default(field.default)} | {_cell(field.description or '')} |")
    yield from ("| setting | values | default | meaning |", "|---|---|---|---|", *rows, "")
    for section, name in inner:
        yield from _section(section, name, schema)


def _values(schema: dict[str, Any]) -> str:
    """What may be given, in words."""
    if "anyOf" in schema:
        return " or ".join(_values(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "string": "text"}
    told = kind.get(schema["type"], {"null": "`null`", "array": "list"}.get(schema["type"], schema["type"]))
    bounds = [_BOUNDS[name].format(_number(schema[name])) for name in _BOUNDS if name in schema]
    if "multipleOf" in schema:
        bounds.append(f"a multiple of {schema['multipleOf']}")
    return " ".join([told, ", ".join(bounds)]).strip()


def _number(value: float) -> str:
    for power, told in ((63, "2⁶³"), (31, "2³¹")):
        if abs(value) == 2**power:
            return f"−{told}" if value < 0 else told
    return f"{value:,g}" if abs(value) < 1e6 else f"{value:,}"


def _default(value: Any) -> str:
    told = yaml.safe_dump(list(value) if isinstance(value, tuple) else value, default_flow_style=True, width=1000)
    return f"`{told.removesuffix('...' + chr(10)).strip()}`"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
