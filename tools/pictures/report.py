"""Screenshots of the page that `inspect --html` writes, by the Chromium that is installed."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from medcutmix_pipeline.report import write_report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medcutmix_pipeline.dataset import Dataset

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def report_pictures(dataset: Dataset) -> Iterator[tuple[str, Image.Image]]:
    """The top of the page, and a part of its gallery; nothing where no Chromium is installed."""
    from playwright.sync_api import sync_playwright

    browser_path = next(filter(None, map(shutil.which, _NAMES)), None)
    if browser_path is None:
        print("no Chromium is installed: the pictures of the report stay as they are")
        return
    # As root, as in a container, Chromium runs without its sandbox or not at all.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        written = write_report(dataset, Path(folder) / "report")
        browser = started.chromium.launch(executable_path=browser_path, args=arguments)
        # Where motion is reduced, the page scrolls at once: a picture taken on the way shows something else each time.
        page = browser.new_page(viewport={"width": 1100, "height": 920}, reduced_motion="reduce")
        page.goto(written.page.as_uri())
        page.wait_for_selector("#count:not(:empty)", state="attached")
        yield "report.png", _picture(page.screenshot())
        page.goto(written.page.as_uri() + "#gallery?sort=chance")
        page.locator("#gallery").evaluate("section => section.scrollIntoView()")
        page.wait_for_selector(".card[data-drawn]")  # plans are drawn when they come into sight
        page.wait_for_load_state("networkidle")
        yield "gallery.jpg", _picture(page.screenshot())
        browser.close()


def _picture(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")
