"""Choosing a source: what is known, what each mistake is told, and which images come twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.errors import DataError, PipelineError, UsageError
from medcutmix_pipeline.schemas.config import SourceConfig
from medcutmix_pipeline.schemas.records import ImageRef, Study
from medcutmix_pipeline.sources import describe_sources, open_source
from medcutmix_pipeline.sources.base import split_of, view_of, without_duplicates
from medcutmix_pipeline.sources.phantom import generate
from tests.sources.source_trees import chexpert, mimic, openi_xml, picture, write

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {"openi", "mimic-cxr-jpg", "chexpert-plus", "phantom", "manifest"}


def make(kind: str, root: Path) -> None:
    if kind == "openi":
        write(root / "ecgen-radiology/1.xml", openi_xml("CXR1", {"CXR1_a": ""}))
        write(root / "CXR1_a.png", picture())
    elif kind == "mimic-cxr-jpg":
        mimic(root, packed=False, reports_apart=False)
    elif kind == "chexpert-plus":
        chexpert(root)
    elif kind == "phantom":
        generate(root, studies=3, seed=1, size=64)
    else:
        write(root / "studies.csv", "image,report,study_id,patient_id\na.png,Clear.,S1,P1\n")


def open_kind(kind: str, root: Path | str) -> list[Study]:
    return list(open_source(SourceConfig(kind=kind, root=str(root))).studies())


def test_every_kind_is_described_by_what_it_expects() -> None:
    described = {d.kind: d for d in describe_sources()}
    assert set(described) == KINDS
    assert all(
        f"--source {kind} --root" in d.example and "ROOT" in d.layout and d.licence for kind, d in described.items()
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_source_tells_the_same_each_time_and_whether_its_names_are_public(tmp_path: Path, kind: str) -> None:
    make(kind, tmp_path)
    source = open_source(SourceConfig(kind=kind, root=str(tmp_path)))
    first = list(source.studies())
    assert first
    assert list(source.studies()) == first == open_kind(kind, tmp_path)
    assert (source.kind, source.public_ids) == (kind, kind in ("openi", "phantom"))


# A phantom's table is a manifest, so that a phantom folder is also a manifest's.
PAIRS = [(a, t) for a in sorted(KINDS) for t in sorted(KINDS) if a != t and (a, t) != ("manifest", "phantom")]


@pytest.mark.parametrize(("asked", "there"), PAIRS)
def test_a_root_of_another_kind_is_named_as_what_it_looks_like(tmp_path: Path, asked: str, there: str) -> None:
    make(there, tmp_path)
    with pytest.raises(UsageError) as error:
        open_kind(asked, tmp_path)
    assert str(error.value).endswith(f"it looks like {there}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_root_that_does_not_exist_or_is_not_given_or_empty(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UsageError, match=r"there is no folder or file .*/none$"):
        open_kind(kind, tmp_path / "none")
    with pytest.raises(UsageError, match="no data set is named"):
        open_kind(kind, "")
    with pytest.raises(UsageError, match=r"expected|no manifest"):
        open_kind(kind, tmp_path)


def test_an_openi_folder_without_reports_has_no_studies(tmp_path: Path) -> None:
    (tmp_path / "ecgen-radiology").mkdir()
    with pytest.raises(DataError, match=r"has no studies: no .xml"):
        open_kind("openi", tmp_path)


@pytest.mark.parametrize(
    ("word", "near"), [("open-i", "openi"), ("mimic", "mimic-cxr-jpg"), ("chexpert", "chexpert-plus")]
)
def test_an_unknown_kind_names_the_nearest(word: str, near: str) -> None:
    with pytest.raises(UsageError, match=rf"unknown source '{word}'; did you mean {near}\? known are chexpert-plus, "):
        open_kind(word, "anywhere")


def test_a_file_is_a_root_for_manifests_only(tmp_path: Path) -> None:
    make("manifest", tmp_path)
    assert open_kind("manifest", tmp_path / "studies.csv") == open_kind("manifest", tmp_path)
    with pytest.raises(UsageError, match="is a file; openi expects the data set's folder"):
        open_kind("openi", tmp_path / "studies.csv")


@pytest.mark.parametrize("root", ["nosuch://bucket/x", "zip://x::/etc/passwd", "file:///etc"])
def test_a_protocol_that_is_not_served_is_one_clear_line(root: str) -> None:
    with pytest.raises(PipelineError, match="is not a protocol that inputs are read from") as error:
        open_kind("openi", root)
    assert error.value.exit_code == 2


def test_phantoms_keep_their_names_views_and_reports(tmp_path: Path) -> None:
    make("phantom", tmp_path)
    images = [i for s in open_kind("phantom", tmp_path) for i in s.images]
    assert sorted(i.image_id for i in images) == sorted(p.stem for p in (tmp_path / "images").iterdir())
    assert {i.view for i in images} <= {"frontal", "lateral"}


studies = st.lists(
    st.builds(
        lambda name, images: Study(name, "P", tuple(ImageRef(i, i) for i in images)),
        st.sampled_from("ABCD"),
        st.lists(st.sampled_from("abcdef"), max_size=3),
    ),
    max_size=8,
)


@pytest.mark.parametrize("public", [False, True])
@given(studies)
def test_every_identifier_is_used_once_and_nothing_vanishes(public: bool, listed: list[Study]) -> None:
    told = list(without_duplicates(listed, public))
    assert [(s.study_id, [i.image_id for i in s.images]) for s in told] == [
        (s.study_id, [i.image_id for i in s.images]) for s in listed
    ]
    first_studies = [s.study_id for s in told if s.problem is None]
    first_images = [i.image_id for s in told for i in s.images if i.problem is None]
    assert len(first_studies) == len(set(first_studies)) == len({s.study_id for s in listed})
    assert len(first_images) == len(set(first_images)) == len({i.image_id for s in listed for i in s.images})
    assert {p for s in told for p in (s.problem, *(i.problem for i in s.images))} <= {None, "duplicate-id"}


def test_image_names_that_start_anew_in_each_study_are_duplicates_only_where_names_are_public() -> None:
    listed = [Study(name, "P", (ImageRef("1", f"{name}/1.png"), ImageRef("2", ""))) for name in "AB"]
    hidden, public = ([[i.problem for i in s.images] for s in without_duplicates(listed, p)] for p in (False, True))
    assert hidden == [[None, None], [None, None]]
    assert public == [[None, None], ["duplicate-id", "duplicate-id"]]


@pytest.mark.parametrize(
    ("word", "view"),
    [
        *(("PA", "frontal"), ("ap", "frontal"), (" Frontal ", "frontal"), ("LL", "lateral"), ("LATERAL", "lateral")),
        *(("", None), (None, None), ("LAO", "other"), ("AP LLD", "other"), ("MRN 4711", "other")),
    ],
)
def test_words_for_views(word: str | None, view: str | None) -> None:
    assert view_of(word) == view


@pytest.mark.parametrize(
    ("word", "split"), [("Train", "train"), ("valid", "validate"), ("dev", "validate"), ("test", "test"), ("", None)]
)
def test_words_for_splits(word: str, split: str | None) -> None:
    assert split_of(word) == (split, None)
