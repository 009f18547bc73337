"""A report of the shared dataset, and one browser for all who drive it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.report import write_report
from tests.report.browser import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from medcutmix_pipeline.report import Written


@pytest.fixture(scope="package")
def written(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """The report of the shared dataset. Not to be changed."""
    return write_report(Dataset(built), tmp_path_factory.mktemp("report") / "page")


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    # a page from a disk may not read its pictures' pixels; the tests may, so that they can compare them
    with chromium("--allow-file-access-from-files") as started:
        yield started
