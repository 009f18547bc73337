"""Manifests of datasets: reading them, what they tell of shards, and what several of them tell together."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.loader.reading.fetch import read_url, reason, shown
from medcutmix_pipeline.version import FORMAT_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable

Manifest = dict[str, Any]

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LARGEST_MANIFEST = 64 << 20
_SMALLEST_SAMPLE = 3072  # image, text and record: a block of header and one of content each


@dataclass(frozen=True)
class ShardRef:
    """A shard that is to be read: its name, its path or URL, how many samples and bytes it has, and its sha256.

    The hash is None where no manifest tells it.
    """

    name: str
    url: str
    samples: int
    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Contents:
    """What the manifest of a dataset says, and the shards that it lists, by name."""

    manifest: Manifest = field(default_factory=dict)
    refs: dict[str, ShardRef] = field(default_factory=dict)


def read_contents(root: str) -> Contents | None:
    """What the manifest in a dataset's folder tells, or None where there is none.

    Raises:
        DataError: it cannot be read, is of another format, or does not list shards as the format asks: one of them is
            there twice, say, or has more samples than fit into its bytes.
    """
    manifest = _read(f"{root}/dataset.json")
    return None if manifest is None else Contents(manifest, _refs(manifest, root))


def _read(url: str) -> Manifest | None:
    try:
        content = json.loads(bytes(read_url(url, _LARGEST_MANIFEST, patient=False)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as why:
        raise DataError(f"{shown(url)} cannot be read as a dataset's manifest: {reason(why)}") from None
    version = content.get("format_version") if isinstance(content, dict) else None
    if version != FORMAT_VERSION:
        told = repr(version)[:20]
        raise DataError(f"{shown(url)} has format version {told}, this release reads version {FORMAT_VERSION}")
    manifest: Manifest = content
    diseases = manifest.get("diseases", [])
    if type(diseases) is not list or any(type(disease) is not str for disease in diseases):
        raise DataError(f"{shown(url)} does not list diseases as the format asks")
    return manifest


def _refs(manifest: Manifest, root: str) -> dict[str, ShardRef]:
    refs: dict[str, ShardRef] = {}
    try:
        for told in manifest["shards"]:
            name, samples, size, digest = told["name"], told["samples"], told["bytes"], told["sha256"]["tar"]
            fits = [type(value) for value in (name, samples, size, digest)] == [str, int, int, str]
            if not fits or not _NAME.fullmatch(name) or name in refs or not 0 <= samples <= size // _SMALLEST_SAMPLE:
                raise ValueError
            refs[name] = ShardRef(name, f"{root}/shards/{name}.tar", samples, size, digest)
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{shown(root)}: dataset.json does not list shards as asked") from None
    return refs


def together(manifests: Iterable[Manifest]) -> Manifest:
    """What the manifests of several datasets tell of all of them; one alone tells what it says.

    `diseases` are those of any, in the order in which they are met; α is a tuple where datasets differ in it.
    """
    told = [manifest for manifest in manifests if manifest]
    if len(told) < 2:
        return told[0] if told else {}
    diseases = dict.fromkeys(disease for manifest in told for disease in manifest.get("diseases", ()))
    alphas = tuple(dict.fromkeys(map(_alpha, told)))
    return {"diseases": list(diseases), "config": {"plans": {"alpha": alphas if len(alphas) > 1 else alphas[0]}}}


def _alpha(manifest: Manifest) -> float:
    try:
        return float(manifest["config"]["plans"]["alpha"])
    except (KeyError, TypeError, ValueError):
        return 1.0
