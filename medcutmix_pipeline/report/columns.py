"""Columns of the dataset's tables as numpy arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ASSERTIONS = ("absent", "uncertain", "present")
ABSENT, UNCERTAIN, PRESENT = 1, 2, 3
"""How a report's say on a finding is coded; 0 where it says nothing."""


def label_codes(labels: pa.ChunkedArray, findings: Sequence[str]) -> NDArray[np.uint8]:
    """Labels as codes: uint8 [rows, findings], 0 unsaid, 1 absent, 2 uncertain, 3 present.

    Args:
        labels: map<string, string>, finding → assertion; findings that are not asked for are passed over.
        findings: the columns of the answer.
    """
    told = labels.combine_chunks() if isinstance(labels, pa.ChunkedArray) else labels
    codes = np.zeros((len(told), len(findings)), np.uint8)
    if len(told) == 0:
        return codes
    offsets = told.offsets.to_numpy()
    first, last = int(offsets[0]), int(offsets[-1])
    rows = np.repeat(np.arange(len(told)), np.diff(offsets))
    columns = _places(told.keys[first:last], findings)
    said = _places(told.items[first:last], ASSERTIONS) + 1
    known = columns >= 0
    codes[rows[known], columns[known]] = said[known]
    return codes


def _places(values: pa.Array, known: Sequence[str]) -> NDArray[np.int64]:
    """Each value's place among those that are known; −1 for others."""
    places = pa.compute.index_in(values.cast(pa.string()), value_set=pa.array(known, pa.string()))
    found: NDArray[np.int64] = places.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def words(column: pa.ChunkedArray, known: Sequence[str]) -> NDArray[np.int64]:
    """A column of words as places among those that are known; −1 for others."""
    return _places(column.combine_chunks(), known)
