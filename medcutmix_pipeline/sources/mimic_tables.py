"""The tables of MIMIC-CXR-JPG, held in columns, so that 377,110 images take some 40 MB."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.sources.tables import DAMAGE

if TYPE_CHECKING:
    import numpy.typing as npt

    from medcutmix_pipeline.sources.trees import Tree

_METADATA = re.compile(r"mimic-cxr-[\d.]+-metadata\.csv(?:\.gz)?")
_SPLIT = re.compile(r"mimic-cxr-[\d.]+-split\.csv(?:\.gz)?")


@dataclass(frozen=True)
class Column:
    """Rows ordered by study, to be found by it."""

    studies: npt.NDArray[np.int64]
    rows: pa.Table

    def of(self, study: int) -> pa.Table:
        """The study's rows."""
        first, end = np.searchsorted(self.studies, [study, study + 1])
        return self.rows.slice(int(first), int(end - first))


@dataclass(frozen=True)
class Listing:
    """What the tables say of a study; nothing where a table is not there."""

    metadata: Column | None
    splits: Column | None

    def images(self, study: int) -> dict[str, str]:
        """Image → view position, which may be empty."""
        if self.metadata is None:
            return {}
        rows = self.metadata.of(study)
        return dict(zip(rows["dicom_id"].to_pylist(), rows["ViewPosition"].to_pylist(), strict=True))

    def split(self, study: int) -> str | None:
        """The word for the study's split."""
        if self.splits is None:
            return None
        words = self.splits.of(study)["split"].to_pylist()
        return str(words[0]) if words else None


def read_listing(tree: Tree) -> Listing:
    """The tables in the root.

    Raises:
        DataError: a table lacks a column or is damaged.
    """
    return Listing(
        _read(tree, _METADATA, ("dicom_id", "study_id", "ViewPosition")), _read(tree, _SPLIT, ("study_id", "split"))
    )


def _read(tree: Tree, pattern: re.Pattern[str], columns: tuple[str, ...]) -> Column | None:
    name = next((name for name in tree.names() if pattern.fullmatch(name)), None)
    if name is None:
        return None
    types = {c: pa.int64() if c == "study_id" else pa.string() for c in columns}
    options = csv.ConvertOptions(include_columns=list(columns), column_types=types, strings_can_be_null=False)
    try:
        with tree.open(name) as raw:
            file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if name.endswith(".gz") else raw
            table = csv.read_csv(file, convert_options=options)
    except (*DAMAGE, OSError, ValueError):
        raise DataError(f"{name} cannot be read: it is damaged or lacks one of {', '.join(columns)}") from None
    table = table.take(pc.sort_indices(table, [(c, "ascending") for c in ("study_id", *columns[:1])])).combine_chunks()
    return Column(table["study_id"].to_numpy(), table)
