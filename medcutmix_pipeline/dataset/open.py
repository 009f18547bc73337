"""A finished dataset on disk."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.dataset.manifest import read_manifest
from medcutmix_pipeline.dataset.members import read_member
from medcutmix_pipeline.dataset.remote import RemoteCopy
from medcutmix_pipeline.dataset.rows import Rows, files_in
from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.home import at_home
from medcutmix_pipeline.schemas.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    import numpy as np
    import pyarrow as pa
    import pyarrow.dataset as pads
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from PIL.Image import Image

    from medcutmix_pipeline.dataset.members import Member


class Dataset:
    """What a build made: its manifest, its tables, and the image and maps of each sample.

    The tables stream from disk, and an image is read when it is asked for: a dataset of any size can be opened.

    Example:
        >>> from medcutmix_pipeline import Dataset
        >>> dataset = Dataset("dataset")
        >>> dataset.manifest.counts.plans
        >>> for plan in dataset.plans:            # dicts; dataset.plans.to_table() for Arrow
        ...     print(plan["disease"], plan["lambda"], plan["mixed_text"])
        >>> plan = dataset.plan("0123456789abcdef")
        >>> dataset.image(plan["host_id"])        # PIL
        >>> dataset.maps(plan["donor_id"])        # numpy, uint8 [S, h, w]
        >>> dataset.plot(plan["plan_id"])         # a matplotlib figure

    Attributes:
        folder: where it stands; for one in an object store, a temporary folder into which `bring` copies.
        where: the folder or URL as it was given, with ~ as the home folder.
        manifest: `dataset.json`.

    Raises:
        UsageError: there is no such folder, or no dataset in it.
        DataError: the dataset is unfinished, damaged, or of a format that this release does not read.
    """

    def __init__(self, folder: str | PathLike[str]) -> None:
        self.where = at_home(folder)
        self._remote = RemoteCopy(self.where) if "://" in self.where else None
        self.folder = self._remote.folder if self._remote else Path(self.where)
        self.manifest = read_manifest(self.folder)

    def bring(self, start: str = "") -> None:
        """Copy files whose names begin with `start` from an object store, all by default; a folder needs no copy."""
        if self._remote:
            self._remote.bring(start)

    @cached_property
    def plans(self) -> Rows:
        """The plans: who is mixed with whom, on which finding, with both reports (format: `plans/*.parquet`)."""
        return self._rows("plans")

    @cached_property
    def samples(self) -> Rows:
        """The samples: report, labels, and where in its shard the image is (format: `samples/*.parquet`)."""
        return self._rows("samples")

    @cached_property
    def sentences(self) -> Rows:
        """The sentence bank: a row for each mention of a finding (format: `sentences/*.parquet`)."""
        return self._rows("sentences")

    @cached_property
    def rejects(self) -> Rows:
        """What did not get in, and why (format: `rejects/*.parquet`)."""
        return self._rows("rejects")

    def _rows(self, kind: str) -> Rows:
        self.bring(f"{kind}/")
        if kind in ("plans", "samples"):
            listed = {f"{shard.name}.parquet" for shard in self.manifest.shards}
        else:
            listed = {name.removeprefix(f"{kind}/") for name in self.manifest.tables if name.startswith(f"{kind}/")}
        return Rows(kind, files_in(self.folder / kind, self.where, listed), TABLES[kind])

    def table(self, kind: str) -> pads.Dataset:
        """One of `plans`, `samples`, `sentences`, `rejects` as an Arrow dataset, in the order of its files."""
        rows: Rows = getattr(self, kind)
        return rows.arrow

    def rows_in(self, kind: str, column: str, values: Sequence[str]) -> list[dict[str, Any]]:
        """The rows of a table in which a column has one of some values."""
        rows: Rows = getattr(self, kind)
        return rows.where(column, values)

    def plan(self, plan_id: str) -> dict[str, Any]:
        """The row of a plan.

        Raises:
            UsageError: there is no such plan.
        """
        return self._row("plans", "plan", plan_id)

    def sample(self, sample_id: str) -> dict[str, Any]:
        """The row of a sample.

        Raises:
            UsageError: there is no such sample.
        """
        return self._row("samples", "sample", sample_id)

    def _row(self, kind: str, word: str, identifier: str) -> dict[str, Any]:
        rows: Rows = getattr(self, kind)
        try:
            return rows[identifier]
        except KeyError:
            known = rows.arrow.head(1)[f"{word}_id"].to_pylist()
        hint = f" (one that there is: {known[0]})" if known else ""
        raise UsageError(f"{self.where} has no {word} {identifier}{hint}")

    def member(self, sample_id: str) -> Member:
        """All that the shard holds of a sample: its image, its maps and its record.

        Raises:
            UsageError: there is no such sample.
            DataError: its shard is damaged.
        """
        sample = self.sample(sample_id)
        self.bring(f"shards/{sample['shard']}.tar")
        return read_member(self.folder / "shards", sample)

    def image(self, sample_id: str) -> Image:
        """The image of a sample as a PIL image, 8-bit greyscale. Raises what `member` raises."""
        return self.member(sample_id).image

    def maps(self, sample_id: str) -> NDArray[np.uint8]:
        """The attention maps of a sample: uint8 [S, h, w], each with its peak at 255, one for each of
        `record(sample_id)["maps"]`. Raises what `member` raises.
        """
        return self.member(sample_id).maps

    def record(self, sample_id: str) -> dict[str, Any]:
        """The JSON record of a sample (format: a shard). Raises what `member` raises."""
        return self.member(sample_id).record

    def mix(self, plan_id: str) -> Image:
        """The pixel mix of a plan as a PIL image: the donor shows through the host where the donor's map says.

        Raises:
            UsageError: there is no such plan.
            DataError: a shard is damaged.
        """
        from medcutmix_pipeline.dataset.view import view_plan

        return view_plan(self, self.plan(plan_id)).mix

    def sheet(self, identifier: str) -> Image:
        """The contact sheet of a plan or a sample as a PIL image, as `inspect --png` writes it.

        Raises:
            UsageError: there is no such plan or sample.
            DataError: a shard is damaged.
        """
        from medcutmix_pipeline.dataset.view import view
        from medcutmix_pipeline.pictures.sheet import sheet

        return sheet([view(self, identifier)])

    def plot(self, plan_id: str) -> Figure:
        """A plan as a matplotlib figure: host, donor, the donor's map, the mix, and both reports.

        Raises:
            UsageError: there is no such plan, or matplotlib is not installed.
            DataError: a shard is damaged.
        """
        from medcutmix_pipeline.dataset.view import view_plan
        from medcutmix_pipeline.pictures.figure import plan_figure

        return plan_figure(view_plan(self, self.plan(plan_id)))

    def sql(self, query: str) -> pa.Table:
        """The answer of DuckDB to a query over `plans`, `samples`, `sentences` and `rejects`.

        Example:
            >>> dataset.sql("select disease, count(*) n, avg(map_area) area from plans group by 1 order by 2 desc")

        Raises:
            UsageError: DuckDB is not installed, or the query is no SQL, or asks for anything but these tables.
        """
        from medcutmix_pipeline.dataset.sql import ask

        return ask(self, query)

    def __repr__(self) -> str:
        counts = self.manifest.counts
        return f"<Dataset {self.folder}: {counts.samples:,} samples, {counts.plans:,} plans>"
