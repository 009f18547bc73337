"""The site: built strictly, complete, from the code as it is, and fetching nothing from elsewhere."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest
import typer

from medcutmix_pipeline.cli import app
from medcutmix_pipeline.schemas.settings import known_keys
from tests.docs.blocks import ROOT
from tests.report.browser import chromium
from tools.docs.__main__ import main as build_site
from tools.docs.api import api
from tools.docs.commands import commands
from tools.docs.pages import fill
from tools.docs.settings import settings

if TYPE_CHECKING:
    from pathlib import Path

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("docs")
    assert build_site(work) == 0, "the strict build found something; it is told above"
    return work / "site"


def test_every_page_is_built_and_in_the_navigation(site):
    shape = tomllib.loads((ROOT / "tools" / "docs" / "zensical.toml").read_text("utf-8"))["project"]
    in_nav = {page for group in shape["nav"] for entry in next(iter(group.values())) for page in entry.values()}
    assert in_nav == {page.name for page in DOCS.glob("*.md")}
    for page in in_nav:
        assert (site / page).with_suffix(".html").is_file()


def test_no_page_fetches_anything_from_elsewhere(site):
    for page in site.rglob("*.html"):
        fetched = re.findall(r"<(?:script|img|iframe|source)[^>]+src=[\"']?(https?:|//)", page.read_text("utf-8"))
        linked = re.findall(r"<link[^>]+href=[\"']?(?:https?:|//)[^>]*>", page.read_text("utf-8"))
        assert not fetched, page.name
        # A canonical address is told, not fetched.
        assert not [tag for tag in linked if "canonical" not in tag], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(https?:|//)|@import", sheet.read_text("utf-8")), sheet.name


def test_at_a_desk_every_table_is_seen_whole_and_on_a_phone_no_page_is_wider_than_it(site):
    with chromium() as browser:
        for width in (1400, 400):
            page = browser.new_page(viewport={"width": width, "height": 900})
            for file in sorted(site.glob("*.html")):
                page.goto(file.as_uri())
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (file.name, width)
                cut = page.evaluate(
                    "[...document.querySelectorAll('.md-content table:not([class])')]"
                    ".map(table => table.closest('.md-typeset__scrollwrap') ?? table)"
                    ".filter(e => e.scrollWidth > e.clientWidth + 1).length"
                )
                assert width < 1400 or not cut, file.name


def test_every_setting_is_on_its_page_with_default_and_meaning():
    rows = {row.split("`")[1]: row for row in settings().splitlines() if row.startswith("| `")}
    assert set(rows) == set(known_keys())
    assert "`448`" in rows["shards.image_size"]
    assert "≤ 4,096" in rows["shards.image_size"]
    assert "`pad`, `crop`, `stretch`" in rows["shards.square"]


def test_every_command_is_on_its_page_with_every_option():
    page = commands()
    group = typer.main.get_command(app)
    with group.make_context("medcutmix-pipeline", [], resilient_parsing=True) as context:
        for name in group.list_commands(context):
            section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", page, re.M | re.S)[1]
            for parameter in group.get_command(context, name).params:
                shown = getattr(parameter, "hidden", False) or any(option in section for option in parameter.opts)
                assert shown or parameter.param_type_name == "argument", f"{name}: {parameter.name}"


def test_what_a_command_needs_is_marked_and_each_example_is_a_line_of_code():
    page = commands()
    for needed in ("| `--text COLUMN` | The column with the reports. [required] |", "`--encoder ENCODER`"):
        assert "[required]" in page[page.index(needed) :].partition("\n")[0]
    for call in ("inspect dataset --worst 10 --by large-map", "sources", "init - | less"):
        assert re.search(rf"^medcutmix-pipeline {re.escape(call)}$", page, re.M), call
    for block in re.findall(r"^Examples?:\n\n(.*)$", page, re.M):
        assert block == "```bash"


def test_the_api_page_tells_signatures_arguments_and_errors():
    page = api("medcutmix_pipeline.loader.MixLoader")
    assert "batch_size: int," in page
    assert re.search(r"^\| `where` \| .+ \|$", page, re.M)
    assert "| `UsageError` |" in page
    assert "#### MixLoader.state_dict" in page


@pytest.mark.parametrize(
    ("line", "error", "told"),
    [
        pytest.param("[gone](../examples/no_such_file.py)", FileNotFoundError, "no_such_file", id="a link to no file"),
        pytest.param("<!-- generated: weather -->", ValueError, "weather", id="a generated part that nobody makes"),
    ],
)
def test_what_leads_nowhere_is_an_error(tmp_path, line, error, told):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# Page\n\n{line}\n", "utf-8")
    with pytest.raises(error, match=told):
        fill(docs, tmp_path / "filled")


def test_pictures_are_used_and_small():
    pages = "".join(page.read_text("utf-8") for page in [ROOT / "README.md", *DOCS.glob("*.md")])
    pictures = [p for p in DOCS.rglob("*") if p.suffix in {".png", ".jpg", ".svg", ".webp"}]
    for picture in pictures:
        assert picture.relative_to(DOCS).as_posix() in pages, f"{picture.name} is on no page"
    assert sum(p.stat().st_size for p in pictures) < 600_000


def test_what_the_comparison_says_of_others_has_its_source():
    text, _, sources = (DOCS / "comparison.md").read_text("utf-8").partition("## Sources")
    given = {int(n): line for n, line in re.findall(r"^(\d+)\. (.*https://.*)$", sources, re.M)}
    assert set(map(int, re.findall(r"\[(\d+)\]", text))) == set(given)
