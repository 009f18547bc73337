"""A finished dataset on disk."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
from pydantic import ValidationError

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.schemas.manifest import DatasetManifest
from medcutmix_pipeline.schemas.tables import PLANS, REJECTS, SAMPLES, SENTENCES
from medcutmix_pipeline.version import FORMAT_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TABLES = {"plans": PLANS, "samples": SAMPLES, "sentences": SENTENCES, "rejects": REJECTS}


class Dataset:
    """What a build made: the manifest, and the tables as Arrow datasets that stream from disk.

    Raises:
        DataError: the folder holds no finished dataset of a format that this release reads.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.manifest = _manifest(self.folder)

    def table(self, kind: str) -> pads.Dataset:
        """One of `plans`, `samples`, `sentences`, `rejects`, in the order of its files."""
        names = sorted((self.folder / kind).glob("*.parquet"))
        return pads.dataset([str(n) for n in names], schema=TABLES[kind], format="parquet")

    def rows_in(self, kind: str, column: str, values: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of a table in which a column has one of some values."""
        condition = pads.field(column).isin(pa.array(values, pa.string()))
        rows: list[dict[str, Any]] = self.table(kind).to_table(filter=condition).to_pylist()
        return rows

    def plan(self, plan_id: str) -> dict[str, Any]:
        """The row of a plan.

        Raises:
            DataError: there is no such plan.
        """
        rows = self.rows_in("plans", "plan_id", [plan_id])
        if not rows:
            known = self.table("plans").head(1, columns=["plan_id"])["plan_id"].to_pylist()
            hint = f" (one that there is: {known[0]})" if known else ""
            raise DataError(f"{self.folder} has no plan {plan_id}{hint}")
        return rows[0]

    def count_by(self, kind: str, column: str) -> dict[str, int]:
        """How many rows of a table have each value of a column, most frequent first."""
        values = self.table(kind).to_table(columns=[column])[column].cast(pa.string())
        counted = {c["values"]: c["counts"] for c in pc.value_counts(values).to_pylist()}
        return dict(sorted(counted.items(), key=lambda c: (-c[1], c[0])))


@contextlib.contextmanager
def telling_damage(folder: Path) -> Iterator[None]:
    """While the block reads a dataset, a file that cannot be read is told as such, without a traceback."""
    try:
        yield
    except BrokenPipeError:  # whoever reads the output has left
        raise
    except (pa.ArrowException, OSError) as why:
        raise DataError(
            f"a table of {folder} cannot be read ({type(why).__name__}): "
            f"`medcutmix-pipeline validate {folder}` says where"
        ) from None


def _manifest(folder: Path) -> DatasetManifest:
    path = folder / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content.get("format_version")
    except FileNotFoundError:
        if (folder / ".build").is_dir():
            raise DataError(
                f"the dataset in {folder} is unfinished: run `build` again, it goes on where it stopped"
            ) from None
        raise DataError(f"{folder} holds no dataset: there is no dataset.json in it") from None
    except (OSError, ValueError, AttributeError, RecursionError):
        raise DataError(f"{path} cannot be read as a dataset's manifest: build the dataset again") from None
    if version != FORMAT_VERSION:
        raise DataError(f"{path} has format version {version!r}, this release reads version {FORMAT_VERSION}")
    try:
        return DatasetManifest.model_validate(content)
    except ValidationError as error:
        place = ".".join(str(p) for p in error.errors()[0]["loc"])
        raise DataError(f"{path} is not whole: {place}: {error.errors()[0]['msg'].lower()}") from None
