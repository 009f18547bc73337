"""WebDataset tars whose bytes depend on their content alone."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def write_tar(out: BinaryIO, samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> list[tuple[int, int]]:
    """Write samples as a POSIX (ustar) tar: members of a sample together and sorted by name, no times, no owners.

    Args:
        out: an empty binary stream.
        samples: (key, {suffix: content}); the suffix is without its leading dot.

    Returns:
        For each sample the byte range (offset, size) of its members, headers and padding included.
    """
    ranges = []
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for key, members in samples:
            start = tar.offset
            for suffix in sorted(members):
                info = tarfile.TarInfo(f"{key}.{suffix}")
                info.size = len(members[suffix])
                info.mode = 0o644
                tar.addfile(info, io.BytesIO(members[suffix]))
            ranges.append((start, tar.offset - start))
    return ranges


def read_tar(path: Path) -> list[tuple[str, dict[str, bytes]]]:
    """What `write_tar` was given: (key, {suffix: content}) in the order of the tar."""
    samples: list[tuple[str, dict[str, bytes]]] = []
    with tarfile.open(path, mode="r:") as tar:
        for info in tar:
            key, _, suffix = info.name.partition(".")
            if not samples or samples[-1][0] != key:
                samples.append((key, {}))
            content = tar.extractfile(info)
            samples[-1][1][suffix] = content.read() if content else b""
    return samples


def npy_bytes(array: npt.NDArray[np.uint8]) -> bytes:
    """An array in NumPy's own format, without pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
