"""No source reads, names or fingerprints a file outside of its root; what tries to is told as such."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import fsspec
import pytest

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.config import SourceConfig
from medcutmix_pipeline.schemas.records import Study
from medcutmix_pipeline.sources import ReadFailedError, UnusableInputError, open_source, read_bytes, read_report
from medcutmix_pipeline.sources.opening import open_tree
from tests.sources.source_trees import openi_xml, picture, write

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    write(folder / "in.png", picture())
    write(tmp_path / "out.png", picture())
    write(tmp_path / "root-beside/out.png", picture())
    (folder / "sub").mkdir()
    (folder / "link-in.png").symlink_to("in.png")
    (folder / "link-out.png").symlink_to(tmp_path / "out.png")
    (folder / "link-nowhere.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "folder-out").symlink_to(tmp_path)
    (folder / "folder-in").symlink_to(folder / "sub")
    return folder


@pytest.mark.parametrize(
    "reference",
    [
        "../out.png",
        "sub/../../out.png",
        "link-out.png",
        "link-nowhere.png",
        "folder-out/out.png",
        "../root-beside/out.png",
        "../nowhere.png",
        "/etc/hostname",
        "file:///etc/hostname",
        "FILE:///etc/hostname",
        "",
        ".",
        "..",
        "zip://in.png::/etc/archive.zip",
        "simplecache::file:///etc/hostname",
        "local:///etc/hostname",
        "ftp://example.org/a.png",
    ],
)
def test_what_leads_out_is_refused(root: Path, reference: str) -> None:
    entry = open_tree(str(root)).find(reference)
    assert entry.problem in ("path-outside-root", "image-missing")
    assert entry.uri in ("", reference)
    assert entry.fingerprint == ""
    if entry.problem == "image-missing":
        assert not (root / reference).exists()


@pytest.mark.parametrize("reference", ["in.png", "sub/../in.png", "./in.png", "link-in.png"])
def test_what_stays_inside_is_found_where_it_really_is(root: Path, reference: str) -> None:
    entry = open_tree(str(root)).find(reference)
    status = (root / "in.png").stat()
    assert (entry.uri, entry.problem) == (str((root / "in.png").resolve()), None)
    assert entry.fingerprint == f"{status.st_size}-{status.st_mtime_ns}"
    absolute = open_tree(str(root)).find(str(root / "in.png"))
    assert (absolute.uri, absolute.problem) == (entry.uri, None)


@pytest.mark.parametrize("reference", ["none.png", "sub", "in.png/x.png", "loop.png", "a" * 300 + ".png", "sub/"])
def test_what_is_no_file_is_missing(root: Path, reference: str) -> None:
    assert open_tree(str(root)).find(reference).problem == "image-missing"


def test_a_walk_tells_every_file_once_and_stays_inside(root: Path) -> None:
    tree = open_tree(str(root))
    found = {e.path: e.problem for e in tree.files()}
    assert found == {
        "in.png": None,
        "link-in.png": None,
        "link-nowhere.png": "path-outside-root",
        "link-out.png": "path-outside-root",
        "loop.png": "image-missing",
    }
    assert tree.outside


def test_a_walk_does_not_depend_on_the_order_of_the_folder(tmp_path: Path) -> None:
    names = [f"{c}/{n}.png" for c in "bca" for n in (2, 10, 1)]
    for name in names:
        write(tmp_path / name, b"x")
    assert [e.path for e in open_tree(str(tmp_path)).files()] == sorted(names)


def test_a_walk_bears_folders_deeper_than_functions_may_call_each_other(tmp_path: Path) -> None:
    folders = list(itertools.accumulate(range(1000), lambda above, _: above / "d", initial=tmp_path))[1:]
    for folder in folders:
        folder.mkdir()
    write(folders[-1] / "deep.png", b"x")
    try:
        (entry,) = open_tree(str(tmp_path)).files()
        assert entry.path == "d/" * 1000 + "deep.png"
    finally:  # what removes temporary folders does not bear them
        (folders[-1] / "deep.png").unlink()
        for folder in reversed(folders):
            folder.rmdir()


def test_a_name_that_is_not_utf8_is_told_in_text_that_can_be_stored(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    (entry,) = open_tree(str(tmp_path)).files()
    assert entry.problem == "path-unsupported"
    assert entry.path.encode() == b"caf\\xe9.png"


def test_what_macos_adds_beside_files_is_none_of_the_source(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("a.png", "._a.png", "sub/._b.png", "sub/b.png"):
        write(tmp_path / name, b"x")
        memory.pipe(f"/apple/{name}", b"x")
    for root in (str(tmp_path), "memory://apple"):
        assert [entry.path for entry in open_tree(root).files()] == ["a.png", "sub/b.png"]


def test_a_root_may_itself_be_a_link(tmp_path: Path, root: Path) -> None:
    (tmp_path / "linked").symlink_to(root)
    assert open_tree(str(tmp_path / "linked")).find("in.png").problem is None


def test_a_file_exchanged_for_a_link_after_the_listing_is_not_followed(root: Path, tmp_path: Path) -> None:
    entry = open_tree(str(root)).find("in.png")
    (root / "in.png").unlink()
    (root / "in.png").symlink_to(tmp_path / "out.png")
    with pytest.raises(UnusableInputError, match="image-missing"):
        read_bytes(entry.uri, LIMIT)


def test_reading_is_limited_and_tells_what_is_wrong_without_the_path(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path / "empty", b"")
    write(tmp_path / "large", b"x" * 101)
    write(tmp_path / "full", b"x" * 100)
    assert read_bytes(str(tmp_path / "full"), 100) == b"x" * 100
    cases = {
        "none": "missing",
        "full/x": "missing",
        "empty": "empty",
        "large": "too-large",
        "pipe": "unreadable",
        ".": "unreadable",
    }
    for name, reason in cases.items():
        with pytest.raises(UnusableInputError) as error:
            read_bytes(str(tmp_path / name), 100)
        assert error.value.reason == f"image-{reason}", name
        assert str(tmp_path) not in str(error.value)


def test_a_failing_storage_is_not_held_against_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails once must not decide what is in the data set."""

    def fail(path: str, *_: object) -> int:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(ReadFailedError, match=r"^the storage failed while an input was read \(EIO\)") as error:
        read_bytes(str(tmp_path / "secret-name.png"), LIMIT)
    assert "secret-name" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "report-empty"),
        (b" \n", "report-empty"),
        (b"caf\xe9", "report-not-utf8"),
        ("Clear lungs.".encode("utf-16-le"), "report-not-utf8"),
        (b"x" * 2000, "report-too-large"),
    ],
)
def test_a_report_that_cannot_be_used_says_why(tmp_path: Path, content: bytes, reason: str) -> None:
    path = write(tmp_path / "r.txt", content)
    with pytest.raises(UnusableInputError) as error:
        read_report(Study("S", "P", (), report_uri=str(path)), limit=1000)
    assert error.value.reason == reason


def test_a_study_without_any_report_says_so() -> None:
    with pytest.raises(UnusableInputError, match="report-missing"):
        read_report(Study("S", "P", ()))
    with pytest.raises(UnusableInputError, match="report-too-large"):
        read_report(Study("S", "P", (), report="x" * 11), limit=10)


def test_a_remote_root_is_read_like_a_local_one(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    files = {
        "ecgen-radiology/1.xml": openi_xml("CXR1", {"CXR1_a": "", "CXR1_b": ""}).encode(),
        "images/CXR1_a.png": picture(),
        "images.csv": b"image_id,study,view\nCXR1_a,CXR1,frontal\n",
        "m/m.csv": b"image,report,study_id,patient_id\n../images/CXR1_a.png,C.,S1,P1\nx.png,C.,S2,P1\n"
        b"memory://corpus/images/CXR1_a.png,C.,S3,P1\n",
        "m/x.png": picture(),
    }
    for name, content in files.items():
        write(tmp_path / name, content)
        memory.pipe(f"/corpus/{name}", content)
    (remote,) = open_source(SourceConfig(kind="openi", root="memory://corpus")).studies()
    (local,) = open_source(SourceConfig(kind="openi", root=str(tmp_path))).studies()
    assert [(i.image_id, i.view, i.problem) for i in remote.images] == [
        (i.image_id, i.view, i.problem) for i in local.images
    ]
    assert remote.report == local.report
    assert read_bytes(remote.images[0].uri, LIMIT) == picture()
    with pytest.raises(UnusableInputError, match="image-too-large"):
        read_bytes(remote.images[0].uri, 10)
    with pytest.raises(UnusableInputError, match="image-missing"):
        read_bytes("memory://corpus/none.png", LIMIT)
    for where in ("memory://corpus/m", "memory://corpus/m/m.csv"):
        found = list(open_source(SourceConfig(kind="manifest", root=where)).studies())
        assert [s.images[0].problem for s in found] == ["path-outside-root", None, None]
        assert read_bytes(found[1].images[0].uri, LIMIT) == read_bytes(found[2].images[0].uri, LIMIT)
    with pytest.raises(UsageError, match="there is no folder memory://nothing"):
        open_source(SourceConfig(kind="openi", root="memory://nothing"))
