"""What a source is, and the words that sources share for views and splits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from medcutmix_pipeline.hashing import keyed_hash
from medcutmix_pipeline.remembering import Remembered
from medcutmix_pipeline.schemas.records import Study
from medcutmix_pipeline.sources.tables import told_damage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from medcutmix_pipeline.schemas.records import ImageRef
    from medcutmix_pipeline.sources.tables import Row
    from medcutmix_pipeline.sources.trees import Tree


class Source(Protocol):
    """A data set on disk, told as studies."""

    @property
    def kind(self) -> str:
        """As in the configuration."""

    @property
    def public_ids(self) -> bool:
        """Whether the source's own terms make its study and image identifiers public; else they are pseudonymised."""

    def studies(self) -> Iterator[Study]:
        """Every study once, in an order that depends on nothing but the data; starts anew with each call."""


class Adapter(Protocol):
    """One kind of source: how to recognise it and how to open it."""

    @property
    def description(self) -> SourceDescription:
        """What it is, for people."""

    def recognises(self, tree: Tree) -> bool:
        """Whether the folder looks like this kind of source; cheap."""

    def open(self, tree: Tree, root: str) -> Source:
        """The source at `root`; raises DataError or UsageError with what is wrong."""


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """A kind of source, for people: `layout` is a small tree of what is expected below the root."""

    kind: str
    title: str
    layout: str
    licence: str
    example: str


UNREADABLE_ROW = "row-malformed"
"""The problem of what stands for a row that cannot be understood. Such a row lists no image."""

_FRONTAL = frozenset({"frontal", "pa", "ap", "front", "posteroanterior", "anteroposterior"})
_LATERAL = frozenset({"lateral", "lat", "ll", "rl", "left lateral", "right lateral"})

_SPLITS = {
    "train": "train",
    "training": "train",
    "validate": "validate",
    "validation": "validate",
    "valid": "validate",
    "val": "validate",
    "dev": "validate",
    "test": "test",
    "testing": "test",
}


def view_of(word: str | None) -> str | None:
    """`frontal`, `lateral`, `other` for any other projection, None where nothing is said.

    Other projections lose their names here, because a mistaken column could hold anything.
    """
    word = (word or "").strip().lower()
    if not word:
        return None
    if word in _FRONTAL:
        return "frontal"
    return "lateral" if word in _LATERAL else "other"


def split_of(word: str | None) -> tuple[str | None, str | None]:
    """The split that a source's word means, and `split-unknown` as the problem where it means none."""
    word = (word or "").strip().lower()
    if not word:
        return None, None
    split = _SPLITS.get(word)
    return split, None if split else "split-unknown"


def unreadable_row(row: Row, table: str) -> Study:
    """What stands for a row that cannot be understood; `row-malformed` with its place and what is wrong.

    The place may be told: this row's study goes by it, and so it gives away no other name.
    """
    return Study(f"row-{row.place}", "", (), problem=UNREADABLE_ROW, detail=told_damage(row, table))


def without_duplicates(studies: Iterable[Study], public_ids: bool) -> Iterator[Study]:
    """The same studies; a study or image that came before has the problem `duplicate-id`, if it has no other.

    An image came before where its study has another of the same identifier, and where that identifier named the same
    file in another study. Identifiers that start anew in each study are fine, unless `public_ids`: those are the names
    in the output. Remembers 64 bits for each study and 128 for each image.
    """
    seen_studies, seen_images = Remembered(), Remembered()
    for study in studies:
        again = seen_studies.before(keyed_hash(0, "study", study.study_id)) is not None
        images = tuple(_marked(i, _marks(i, study.study_id, public_ids), seen_images) for i in study.images)
        problem = study.problem or ("duplicate-id" if again else None)
        yield replace(study, images=images, problem=problem)


def _marks(image: ImageRef, study_id: str, public_ids: bool) -> list[int]:
    """What no other image may have. A file that is not there has no address to go by."""
    if public_ids:
        return [keyed_hash(0, "image", image.image_id)]
    own = keyed_hash(0, "image", study_id, image.image_id)
    return [own, keyed_hash(0, "image file", image.uri, image.image_id)] if image.uri else [own]


def _marked(image: ImageRef, marks: list[int], seen: Remembered) -> ImageRef:
    again = [seen.before(mark) is not None for mark in marks]
    return replace(image, problem="duplicate-id") if any(again) and image.problem is None else image
