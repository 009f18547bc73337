"""A real Chromium, headless, for the tests that drive the page."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextlib.contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """The Chromium that is installed, or a skip that says there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium is installed ({', '.join(NAMES)}): the report's page is not driven")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    # as root, as in a container, Chromium runs without its sandbox or not at all
    rootless = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=[*rootless, *arguments])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page that was opened, and what it said and asked for since."""

    page: Page
    console: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def remote(self) -> list[str]:
        """What it asked for that does not lie beside it on the disk."""
        return [url for url in self.asked if not url.startswith(("file:", "data:"))]


@contextlib.contextmanager
def opened(browser: Browser, index: Path, fragment: str = "", **context: Any) -> Iterator[Opened]:
    """Open a report from the disk, at a desk's size unless told otherwise, and wait for its first plans."""
    with browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context}) as session:
        seen = Opened(session.new_page())
        seen.page.on("console", lambda message: seen.console.append(message.text))
        seen.page.on("pageerror", lambda error: seen.console.append(str(error)))
        seen.page.on("request", lambda request: seen.asked.append(request.url))
        seen.page.goto(index.as_uri() + fragment)
        seen.page.wait_for_selector("#count:not(:empty)")
        yield seen
