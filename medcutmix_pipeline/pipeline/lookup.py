"""Which files and studies of the source stand behind names of a dataset: for the key's owner, and outside of datasets.

Names are keyed hashes and cannot be turned back. So the source is listed again, and each name in the listing is made
anew and compared. Patients are not looked up: who mends a file does not need to know whose it is.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.outfile import whole_file
from medcutmix_pipeline.pipeline.layout import Layout
from medcutmix_pipeline.pipeline.ownership import is_ours
from medcutmix_pipeline.pipeline.secrets import key_place, load_key
from medcutmix_pipeline.sources import open_source
from medcutmix_pipeline.stages.identities import Identities
from medcutmix_pipeline.standard import utf8_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from medcutmix_pipeline.schemas.config import Config
    from medcutmix_pipeline.schemas.records import Study

COLUMNS = ("name", "kind", "reason", "study_id", "image_id", "file")
STANDARD = "-"

Found = dict[str, str]
"""A row under COLUMNS."""


def look_up(config: Config, wanted: Mapping[str, str], out: str) -> set[str]:
    """Write what names stand for into a new CSV file that only its owner may read, or to standard output.

    Args:
        config: that of the build, for its source and its key.
        wanted: names of images and studies, each with the reason for which it was rejected, as far as that is known.
        out: a path outside of every dataset, or "-".

    Returns:
        The names that were found. One that the source lists twice has two rows.

    Raises:
        UsageError: the file cannot be written, there is no key, the source cannot be opened, or no name is one of this
            source under this key.
    """
    with private_file(out) as file:
        key = existing_key(config.privacy.key_file)
        source = open_source(config.source)
        rows = _found(source.studies(), Identities(key, source.public_ids), wanted)
        first = next(rows, None)
        if first is None:
            raise UsageError(
                f"no such name is of this source under the key {key_place(config.privacy.key_file)}: "
                "both have to be those of the build"
            )
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        found = set()
        for row in chain([first], rows):
            table.writerow(row)
            found.add(row["name"])
    return found


def rejected(rejects: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The names in a table of rejects, each with its reasons."""
    reasons: dict[str, set[str]] = defaultdict(set)
    for row in rejects:
        reasons[row["input"]].add(row["reason"])
    return {name: ", ".join(sorted(told)) for name, told in reasons.items()}


def existing_key(key_file: str | None) -> bytes:
    """The key as `load_key` gives it, but none is made: under a new one, nothing would be found.

    Raises:
        UsageError: there is none, or it cannot be used.
    """
    place = key_place(key_file)
    if not place.exists():
        raise UsageError(f"there is no key at {place}: name that of the build, with --set privacy.key_file=FILE")
    return load_key(key_file)


def _found(studies: Iterable[Study], names: Identities, wanted: Mapping[str, str]) -> Iterator[Found]:
    for study in studies:
        name = names.study(study.study_id)
        if name in wanted:
            yield _row(name, "study", wanted[name] or study.problem, study.study_id, "", study.report_uri)
        for image in study.images:
            name = names.image(study.study_id, image.image_id)
            if name in wanted:
                reason = wanted[name] or study.problem or image.problem
                yield _row(name, "image", reason, study.study_id, image.image_id, image.uri)


def _row(*values: str | None) -> Found:
    return {column: value or "" for column, value in zip(COLUMNS, values, strict=True)}


@contextmanager
def private_file(out: str) -> Iterator[TextIO]:
    """A new file that only its owner may read, and that appears only when it is whole; "-" is standard output.

    Raises:
        UsageError: it exists, lies in a dataset, where it would be passed on with it, or cannot be written.
    """
    if out == STANDARD:
        yield utf8_output()
        return
    with (
        whole_file(_outside_of_datasets(out)) as part,
        part.open("x", encoding="utf-8", newline="") as file,
    ):
        part.chmod(0o600)  # before there is anything in it
        yield file


def _outside_of_datasets(out: str) -> Path:
    if "://" in out:
        raise UsageError(f"{out} is a URL: what names stand for is written into a file of this machine only")
    path = Path(os.path.realpath(out))
    for folder in (path, *path.parents):
        if is_ours(Layout(folder)):
            raise UsageError(
                f"{out} lies in the dataset {folder}, which is to hold pseudonyms only: name a file elsewhere"
            )
    if os.path.lexists(out):
        raise UsageError(f"{out} exists; name a new file")
    return path


def check_names(names: Sequence[str]) -> None:
    """Raise UsageError where a name is a patient's."""
    if any(name.startswith("p-") for name in names):
        raise UsageError(
            "names that begin with p- are patients', which are not looked up; give an image's or a study's"
        )
