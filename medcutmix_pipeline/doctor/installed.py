"""Which packages are installed, against what this release needs and the versions that were tested together."""

from __future__ import annotations

import importlib.metadata as metadata
import platform
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from medcutmix_pipeline.doctor.check import Check
from medcutmix_pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

_GROUP = "installed"
_OURS = "medcutmix-pipeline"
_OPTIONAL = {
    "duckdb": ("queries with `inspect --sql`", "pip install 'medcutmix-pipeline[inspect]'"),
    "matplotlib": ("plots with `Dataset.plot`", "pip install 'medcutmix-pipeline[inspect]'"),
    "python-gdcm": ("second decoder for rare DICOM files", "pip install python-gdcm"),
}


def installed() -> Iterator[Check]:
    """This release, Python, each package that a build needs, and the optional ones."""
    yield Check(_GROUP, _OURS, "ok", f"{__version__} on Python {platform.python_version()}, {platform.system()}")
    tested = tested_versions()
    for name, needed in sorted(_needed().items()):
        yield _package(name, needed, tested.get(name))
    for name, (use, install) in _OPTIONAL.items():
        version = _version(name)
        if version is None:
            yield Check(_GROUP, name, "note", f"not installed: no {use}", install)
        else:
            yield Check(_GROUP, name, "ok", _told(version, tested.get(name)))


def tested_versions() -> dict[str, str]:
    """The versions that this release was tested with."""
    content = files("medcutmix_pipeline.doctor").joinpath("tested.toml").read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in tomllib.loads(content)["packages"].items()}


def _needed() -> dict[str, list[Requirement]]:
    """What our own metadata ask for to build, by package."""
    needed: dict[str, list[Requirement]] = {}
    for text in metadata.requires(_OURS) or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "build"}):
            needed.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return needed


def _package(name: str, needed: list[Requirement], tested: str | None) -> Check:
    version = _version(name)
    install = "pip install 'medcutmix-pipeline[build]'"
    if version is None:
        return Check(_GROUP, name, "problem", "not installed", install)
    wanted = ",".join(sorted({str(r.specifier) for r in needed if r.specifier}))
    if not all(r.specifier.contains(version, prereleases=True) for r in needed):
        return Check(_GROUP, name, "problem", f"{version}, but {wanted} is needed", install)
    return Check(_GROUP, name, "ok", _told(version, tested))


def _told(version: str, tested: str | None) -> str:
    # A build of another platform, such as torch's +cu128, is the same version.
    return version if tested is None or version.split("+")[0] == tested else f"{version} (tested with {tested})"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
