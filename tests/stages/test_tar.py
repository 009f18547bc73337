"""Tars: bytes depend on content alone, and byte ranges cut out a sample."""

import io
import tarfile

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.stages.shards.tar import npy_bytes, write_tar

SAMPLES = st.lists(
    st.tuples(st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True), st.binary(max_size=2000), st.binary(max_size=99)),
    max_size=8,
    unique_by=lambda s: s[0],
)


@given(SAMPLES)
def test_the_byte_range_of_a_sample_is_a_tar_of_its_members(samples):
    out = io.BytesIO()
    ranges = write_tar(out, [(key, {"jpg": image, "attn.npy": maps}) for key, image, maps in samples])
    for (key, image, maps), (offset, size) in zip(samples, ranges, strict=True):
        with tarfile.open(fileobj=io.BytesIO(out.getvalue()[offset : offset + size])) as piece:
            found = {info.name: piece.extractfile(info).read() for info in piece}
        assert found == {f"{key}.attn.npy": maps, f"{key}.jpg": image}


def test_members_are_sorted_and_bear_neither_time_nor_owner():
    out = io.BytesIO()
    write_tar(out, [("b", {"txt": b"t", "json": b"{}"}), ("a", {"txt": b"t"})])
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        infos = tar.getmembers()
    assert [i.name for i in infos] == ["b.json", "b.txt", "a.txt"]
    assert {(i.mtime, i.uid, i.gid, i.mode, i.uname, i.gname) for i in infos} == {(0, 0, 0, 0o644, "", "")}


def test_maps_survive_the_npy_format():
    maps = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert (np.load(io.BytesIO(npy_bytes(maps[:, ::-1])), allow_pickle=False) == maps[:, ::-1]).all()
