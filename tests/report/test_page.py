"""The page in a real browser: what a person sees, clicks and types."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.stages.pixel.mix import mix_pixels
from tests.report.browser import opened

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from medcutmix_pipeline.report import Written

DARK = {"color_scheme": "dark"}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def count(page: Page) -> int:
    """How many plans the gallery says that it shows."""
    return int(re.match(r"[\d,]+", page.locator("#count").inner_text())[0].replace(",", ""))


def says(page: Page, told: str) -> None:
    """Wait until the gallery says so."""
    page.wait_for_selector(f"#count:text-is('{told}')")


def choose(page: Page, **values: str) -> None:
    for name, value in values.items():
        page.select_option(f"#filters [name={name}]", value)


def first_plan(page: Page, dataset: Dataset) -> dict:
    """The row of the first card's plan, by its close view."""
    page.locator(".card").first.click()
    page.wait_for_selector("dialog[open]")
    return dataset.plan(page.get_attribute("dialog", "data-plan"))


@pytest.fixture(scope="module")
def plans(built: Path) -> list[dict]:
    return list(Dataset(built).plans)


def test_it_opens_from_the_disk_alone_and_without_a_word_in_the_console(browser: Browser, written: Written) -> None:
    with opened(browser, written.page) as seen:
        seen.page.locator("#gallery").scroll_into_view_if_needed()
        seen.page.wait_for_selector(".card[data-drawn]")
        seen.page.locator(".card").first.click()
        seen.page.wait_for_selector("dialog[open]")
    assert seen.console == []
    assert seen.remote == []
    assert len(seen.asked) > 4


SOME = {"include": [["header"], ["#verdict"], ["#findings"], ["#filters"]]}


@pytest.mark.parametrize(
    ("look", "part"),
    [
        ({}, None),
        (DARK, SOME),
        pytest.param(DARK, None, marks=pytest.mark.slow),
        pytest.param(PHONE, None, marks=pytest.mark.slow),
    ],
    ids=["light", "dark-in-part", "dark", "phone"],
)
def test_axe_finds_no_fault_in_the_page_nor_in_a_plan_seen_close(
    browser: Browser, written: Written, look: dict, part: dict | None
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed").Axe()
    rules = {"runOnly": ["color-contrast"]} if look is DARK else {}  # only colours differ in the dark
    with opened(browser, written.page, **look) as seen:
        brightness = np.asarray(Image.open(io.BytesIO(seen.page.screenshot())).convert("L")).mean()
        assert brightness < 60 if look is DARK else brightness > 200
        found = axe.run(seen.page, context=part, options=rules).response
        assert found["violations"] == []
        assert sum(len(rule["nodes"]) for rule in found["passes"]) > 100, "axe has to have looked"
        seen.page.locator(".card").first.click()
        seen.page.wait_for_selector("dialog[open]")
        found = axe.run(seen.page, context="dialog", options=rules).response
        assert found["violations"] == []
        assert sum(len(rule["nodes"]) for rule in found["passes"]) > 10


def test_on_a_phone_nothing_sticks_out(browser: Browser, written: Written) -> None:
    with opened(browser, written.page, **PHONE) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
        seen.page.locator(".card").first.click()
        seen.page.wait_for_selector("dialog[open]")
        assert seen.page.evaluate("document.querySelector('dialog').scrollWidth") <= 390


def test_on_paper_it_is_dark_on_white_also_where_the_screen_is_dark(browser: Browser, written: Written) -> None:
    with opened(browser, written.page, **DARK) as seen:
        seen.page.emulate_media(media="print", color_scheme="dark")
        ink, paper = (
            seen.page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor")
        )
        assert paper == "rgb(255, 255, 255)"
        assert sum(map(int, re.findall(r"\d+", ink))) < 3 * 60


def test_filters_leave_the_plans_that_fit(browser: Browser, written: Written, plans: list[dict]) -> None:
    by_finding = Counter(plan["disease"] for plan in plans)
    finding, many = by_finding.most_common(1)[0]
    with opened(browser, written.page) as seen:
        page = seen.page
        assert count(page) == len(plans)
        choose(page, finding=finding)
        assert count(page) == many
        choose(page, view="frontal", split="train")
        fitting = [p for p in plans if (p["disease"], p["view"], p["split"]) == (finding, "frontal", "train")]
        assert count(page) == len(fitting)
        assert set(page.locator(".told .head").evaluate_all("all => all.map(e => e.firstChild.textContent)")) == {
            finding
        }
        page.click("#filters [type=reset]")
        says(page, f"{len(plans):,} plans")


def test_a_score_range_and_a_search_leave_the_plans_that_fit(
    browser: Browser, written: Written, plans: list[dict]
) -> None:
    middle = round(float(np.median([plan["donor_score"] for plan in plans])), 2) + 0.001
    sentence = Counter(plan["donor_sentence"] for plan in plans).most_common(1)[0][0]
    with opened(browser, written.page) as seen:
        page = seen.page
        page.fill("[name=high]", str(middle))
        below = sum(round(plan["donor_score"], 4) <= middle for plan in plans)
        says(page, f"{below:,} of {len(plans):,} plans")
        page.fill("[name=high]", "")
        page.fill("[name=q]", sentence.upper())
        lent = sum(sentence.lower() in plan["donor_sentence"].lower() for plan in plans)
        says(page, f"{lent:,} of {len(plans):,} plans")


def test_orders_bring_the_odd_ones_first(browser: Browser, written: Written, built: Path, plans: list[dict]) -> None:
    rare = min(Counter(plan["disease"] for plan in plans).values())
    expected = {
        "presence": lambda p: p["donor_score"] == min(q["donor_score"] for q in plans),
        "area": lambda p: p["map_area"] == max(q["map_area"] for q in plans),
        "rare": lambda p: sum(q["disease"] == p["disease"] for q in plans) == rare,
        "kept": lambda p: p["lambda"] == min(q["lambda"] for q in plans),
    }
    with opened(browser, written.page) as seen:
        reasons = seen.page.locator(".odd").evaluate_all("all => all.slice(0, 3).map(e => e.textContent)")
        assert reasons == ["lowest presence", "largest map", "rarest finding"]
        for order, is_first in expected.items():
            choose(seen.page, sort=order)
            assert is_first(first_plan(seen.page, Dataset(built))), order
            seen.page.keyboard.press("Escape")


def test_the_whole_gallery_works_by_keyboard(browser: Browser, written: Written, plans: list[dict]) -> None:
    with opened(browser, written.page) as seen:
        page, keys = seen.page, seen.page.keyboard
        keys.press("/")
        assert page.evaluate("document.activeElement.name") == "q"
        page.locator(".card").first.focus()
        keys.press("ArrowRight")
        second = page.evaluate("document.activeElement.dataset.plan")
        assert second == page.locator(".card").nth(1).get_attribute("data-plan")
        keys.press("Enter")
        page.wait_for_selector("dialog[open]")
        plan = page.get_attribute("dialog", "data-plan")
        keys.press("ArrowRight")
        page.wait_for_selector(f"dialog:not([data-plan='{plan}'])")
        keys.press("ArrowLeft")
        page.wait_for_selector(f"dialog[data-plan='{plan}']")
        keys.press("Escape")
        page.wait_for_selector("dialog[open]", state="detached")
        assert page.evaluate("document.activeElement.dataset.plan") == second


def test_every_plan_is_on_one_page_of_the_gallery(browser: Browser, written: Written, plans: list[dict]) -> None:
    with opened(browser, written.page) as seen:
        met, largest = seen.page.evaluate(
            """() => {
              const met = [], sizes = [], next = document.querySelector("#pages [data-step='1']");
              for (;;) {
                const cards = [...document.querySelectorAll(".card")];
                sizes.push(cards.length);
                met.push(...cards.map((card) => card.dataset.plan));
                if (next.disabled) return [met, Math.max(...sizes)];
                next.click();
              }
            }"""
        )
    assert largest <= 24
    assert sorted(map(int, met)) == list(range(len(plans)))


def test_a_link_of_the_verdict_or_a_finding_shows_its_plans(
    browser: Browser, written: Written, plans: list[dict]
) -> None:
    finding, many = Counter(plan["disease"] for plan in plans).most_common(1)[0]
    with opened(browser, written.page) as seen:
        seen.page.click(f"#findings a:text-is('{finding}')")
        says(seen.page, f"{many:,} of {len(plans):,} plans")
        assert seen.page.input_value("[name=finding]") == finding
    with opened(browser, written.page, "#gallery?sort=presence&presence=0-0.5") as seen:
        assert seen.page.input_value("[name=sort]") == "presence"
        assert count(seen.page) == sum(round(plan["donor_score"], 4) <= 0.5 for plan in plans)


def test_a_plan_seen_close_shows_both_reports_with_cut_and_insert(
    browser: Browser, written: Written, built: Path
) -> None:
    with opened(browser, written.page) as seen:
        row = first_plan(seen.page, Dataset(built))
        host, mixed, donor = (seen.page.locator(".texts p").nth(i) for i in range(3))
        assert host.evaluate("e => e.textContent") == row["host_text"]
        assert mixed.evaluate("e => e.textContent") == row["mixed_text"]
        cut = [row["host_text"][e["start"] : e["end"]].strip() for e in row["edits"]]
        assert host.locator("del").evaluate_all("all => all.map(e => e.textContent)") == list(filter(None, cut))
        put = [e["text"].strip() for e in row["edits"]]
        assert mixed.locator("ins").evaluate_all("all => all.map(e => e.textContent)") == list(filter(None, put))
        assert donor.locator("mark").evaluate_all("all => all.map(e => e.textContent)") == [row["donor_sentence"]]
        said = seen.page.locator(".labels tr", has=seen.page.get_by_text(row["disease"], exact=True)).inner_text()
        assert said.split("\t")[-1] == row["mixed_labels"][row["disease"]]


@pytest.mark.parametrize(("strength", "chosen"), [(None, "donor"), (0.0, "union")])
def test_the_mix_is_that_of_the_pixel_stage(
    browser: Browser, written: Written, built: Path, strength: float | None, chosen: str
) -> None:
    dataset = Dataset(built)
    read = """canvas => { const c = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return [c.height, c.width, Array.from(c.data).filter((_, i) => i % 4 === 0)]; }"""
    with opened(browser, written.page, "#gallery?sort=area") as seen:
        row = first_plan(seen.page, dataset)
        if strength is not None:
            seen.page.locator("#turn").fill(str(strength))
        seen.page.check(f"[name=map][value={chosen}]")
        height, width, grey = seen.page.locator("canvas[aria-label='The mixed image']").evaluate(read)
        shown = [
            source.rsplit("/pictures/", 1)[1]
            for source in seen.page.locator(".shots img").evaluate_all("a => a.map(e => e.src)")
        ]
    host, donor = (np.asarray(Image.open(written.page.parent / "pictures" / name)) for name in shown)
    record = next(p for p in dataset.record(row["host_id"])["plans"] if p["plan_id"] == row["plan_id"])
    own = dataset.maps(row["host_id"])[record["host_map"]] if chosen == "union" else None
    lam = row["lambda"] if strength is None else strength
    expected = mix_pixels(host, donor, dataset.maps(row["donor_id"])[record["donor_map"]], lam, own)
    difference = np.abs(np.array(grey).reshape(height, width) - expected.astype(int))
    assert difference.max() <= 3
    assert np.abs(host.astype(int) - expected).max() > 20, "a mix that changes nothing would prove nothing"


def test_without_javascript_all_but_the_gallery_is_there(browser: Browser, written: Written) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(written.page.as_uri())
        assert page.locator("h1").is_visible()
        assert page.locator("#findings tbody tr").count() > 5
        assert page.locator("#filters").is_hidden()
        assert "The gallery needs JavaScript" in page.locator("noscript").inner_text()


def test_what_a_report_says_is_never_run(browser: Browser, written: Written, tmp_path: Path) -> None:
    """A hostile sentence in every place where a report's text goes: it is shown, and nothing else happens."""
    hostile = "</script><img src=x onerror=alert(1)>\u2028{{7*7}}<!--"
    safe = json.dumps(hostile)[1:-1].replace("<", "\\u003c").replace(">", "\\u003e")
    folder = tmp_path / "page"
    folder.mkdir()
    for path in sorted(written.page.parent.rglob("*")):
        copy = folder / path.relative_to(written.page.parent)
        if path.is_dir():
            copy.mkdir()
        elif path.suffix == ".js":
            copy.write_text(re.sub(r'"(text":"|)(FINDINGS:)', lambda m: f'"{m[1]}{safe}{m[2]}', path.read_text()))
        else:
            copy.write_bytes(path.read_bytes())
    with opened(browser, folder / "index.html") as seen:
        seen.page.on("dialog", lambda dialog: seen.console.append(f"dialog: {dialog.message}"))
        seen.page.locator(".card").first.click()
        seen.page.wait_for_selector("dialog[open]")
        assert hostile in seen.page.locator(".texts p").first.evaluate("e => e.textContent")
        assert seen.page.locator("img[src=x]").count() == 0
    assert seen.console == []
