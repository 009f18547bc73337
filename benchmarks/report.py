"""How quickly the page of `inspect --html` opens and answers, in headless Chromium, from the disk.

python benchmarks/report.py OUT            writes the page of a dataset into a temporary folder and measures that
python benchmarks/report.py --report DIR   measures a page that is there

Times are the browser's own (performance.measure), up to the frame that shows the result: "open" from the start of the
navigation until the first plans stand there, "filter" from a choice until its plans do.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.report import write_report

if TYPE_CHECKING:
    from playwright.sync_api import Page

OPEN_MS, FILTER_MS = 2000, 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT", help="a finished dataset")
    parser.add_argument("--report", type=Path, metavar="DIR", help="a report that is there")
    parser.add_argument("--runs", type=int, default=5, help="how often the page is opened")
    asked = parser.parse_args()
    if (asked.out is None) == (asked.report is None):
        parser.error("give a dataset, or a report with --report")
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.report or _write(asked.out, Path(scratch) / "page")
        return _measure(folder.resolve() / "index.html", asked.runs)


def _write(out: Path, folder: Path) -> Path:
    started = time.perf_counter()
    written = write_report(Dataset(out), folder)
    taken = time.perf_counter() - started
    print(
        f"written: {written.plans:,} plans, {written.pictures:,} pictures, {written.bytes / 1e6:.1f} MB, {taken:.1f} s"
    )
    return folder


def _measure(index: Path, runs: int) -> int:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("no Chromium is installed")
    opens, filters, asked, console = [], [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"browser: Chromium {browser.version}")
        for _ in range(runs):
            with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
                page = context.new_page()
                page.on("request", lambda request: asked.append(request.url))
                page.on("console", lambda message: console.append(message.text))
                page.on("pageerror", lambda error: console.append(str(error)))
                page.goto(index.as_uri())
                opens.append(_taken(page, "open", from_navigation=True))
                filters += _filter(page)
                plans = page.evaluate("document.querySelector('#count').textContent")
        browser.close()
    remote = [url for url in asked if not url.startswith(("file:", "data:"))]
    print(f"in the gallery: {plans}")
    held = [_told("open", opens, OPEN_MS), _told("filter", filters, FILTER_MS)]
    print(f"fetched from elsewhere: {len(remote)}; messages in the console: {len(console)}")
    return int(not all(held) or bool(remote) or bool(console))


def _told(name: str, taken: list[float], limit: int) -> bool:
    """Print the times; whether all are below the limit."""
    print(f"{name}: median {median(taken):.0f} ms, slowest of {len(taken)} {max(taken):.0f} ms (to be below {limit})")
    return max(taken) < limit


def _filter(page: Page) -> list[float]:
    """Choose each finding, view, split and order, and a search; in turn, as a person would."""
    taken = []
    for name in ("finding", "view", "split", "sort"):
        values = page.locator(f"#filters [name={name}] option").evaluate_all("all => all.map(o => o.value)")
        for value in [v for v in values if v or name != "sort"]:
            page.evaluate("performance.clearMeasures()")
            page.select_option(f"#filters [name={name}]", value)
            taken.append(_taken(page, "filter"))
    for text in ("left", "small", ""):
        page.evaluate("performance.clearMeasures()")
        page.fill("#filters [name=q]", text)
        taken.append(_taken(page, "filter"))
    return taken


def _taken(page: Page, measure: str, from_navigation: bool = False) -> float:
    """Milliseconds of the last measurement of this name, once it is there."""
    js = f"""() => new Promise((done) => {{
        const look = () => {{
            const last = performance.getEntriesByName("{measure}", "measure").at(-1);
            if (last) done({"last.startTime + last.duration" if from_navigation else "last.duration"});
            else setTimeout(look, 5);
        }};
        look();
    }})"""
    return float(page.evaluate(js))


if __name__ == "__main__":
    sys.exit(main())
