"""Every code block of README and docs is run, or checked as far as it can be; a page that drifts fails here."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import duckdb
import pytest
import yaml

from medcutmix_pipeline.report.reasons import REJECTS as REASONS
from medcutmix_pipeline.schemas.config import Config, SentencesConfig
from medcutmix_pipeline.schemas.manifest import SourceFacts
from medcutmix_pipeline.schemas.settings import load_config
from medcutmix_pipeline.sources import base
from medcutmix_pipeline.sources.manifest import KNOWN
from medcutmix_pipeline.stages.sentences import ReportReader
from tests.docs import shell
from tests.docs.blocks import LANGUAGES, PAGES, ROOT, Block, blocks, inline_code
from tests.docs.standins import MY_MODELS, QUICK_ENCODER, names
from tests.docs.world import make_world

if TYPE_CHECKING:
    from pathlib import Path

ALL = [block for page in PAGES for block in blocks(page)]
RUN_HERE = [page for page in PAGES if any(b.language != "text" and not b.directive for b in blocks(page))]


@pytest.fixture(scope="module")
def world(built, tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"), built)


@pytest.fixture
def sandbox(world, tmp_path, monkeypatch):
    """A copy of the world, in which a page's commands stand."""
    here = tmp_path / "here"
    shutil.copytree(world, here, symlinks=True)
    (here / "my_models.py").write_text(MY_MODELS, "utf-8")
    (here / "quick_encoder.py").write_text(QUICK_ENCODER, "utf-8")
    (here / "aligned.pt").write_bytes(b"weights")
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(here))
    monkeypatch.setenv("HOME", str(here))
    return here


@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: page.stem)
def test_a_page_s_blocks_run_in_order(page, sandbox):
    scope = names(page.name, sandbox)
    for block in blocks(page):
        if block.directive is None or block.directive[0] == "file":
            try:
                _run(block, sandbox, scope)
            except Exception as why:
                raise AssertionError(f"the block at {block} fails: {why}") from why


def _run(block: Block, sandbox: Path, scope: dict) -> None:
    if block.directive:
        (sandbox / block.directive[1]).write_text(block.code, "utf-8")
    if block.language == "bash":
        for words in shell.commands(block.code):
            _make_way(words, sandbox)
            shell.execute(words, sandbox)
    elif block.language == "python" and not block.directive:
        exec(compile(block.code, str(block), "exec"), scope)
    elif block.language == "sql":
        for query in block.code.split(";"):
            if query.strip():
                duckdb.sql(query).fetchall()
    elif block.language == "toml":
        (sandbox / "read.toml").write_text(block.code, "utf-8")
        ReportReader(SentencesConfig(lexicon=str(sandbox / "read.toml")))
    elif block.language == "csv":
        assert len({line.count(",") for line in block.code.splitlines()}) == 1, "rows of different length"
    else:
        _check_data(block)


def _make_way(words: list[str], sandbox: Path) -> None:
    """What a page makes, it makes anew: what stood there was for pages that only read it."""
    if words[:2] == [shell.PROGRAM, "phantom"]:
        shutil.rmtree(sandbox / words[2], ignore_errors=True)
    if words[:2] == [shell.PROGRAM, "build"] and "--out" in words:
        shutil.rmtree(sandbox / words[words.index("--out") + 1], ignore_errors=True)


def _check_data(block: Block) -> None:
    if block.language == "json":
        json.loads(block.code.replace("…", ""))
    elif block.language == "yaml":
        Config.model_validate(yaml.safe_load(block.code) or {})
    elif block.language == "python":
        compile(block.code, str(block), "exec")


@pytest.mark.parametrize("block", [b for b in ALL if b.directive], ids=str)
def test_what_is_not_run_here_gives_its_reason_and_is_checked(block):
    what, more = block.directive
    if what == "run by":
        runner = ROOT / more
        assert runner.is_file(), f"there is no {more}"
        assert re.search(rf"{re.escape(block.page)}|export_pairs|torchrun|open_clip", runner.read_text("utf-8"))
    else:
        assert len(more) >= 5, "why?"
    if block.language == "bash":
        for words in shell.commands(block.code):
            shell.check(words)
    elif what != "file":
        _check_data(block)


@pytest.mark.parametrize("block", ALL, ids=str)
def test_a_fence_says_its_role(block):
    assert block.language in LANGUAGES
    if block.language == "text":
        command = re.search(r"^\$? ?(medcutmix-pipeline|python|pip|make|duckdb) .*", block.code, re.M)
        assert not command, f"this is a command, so the fence is `bash`: {command[0]}"


def test_every_reason_to_reject_an_input_is_in_the_table_with_what_it_means():
    page = (ROOT / "docs" / "format.md").read_text("utf-8")
    table = page.split("### Reasons")[1].split("\n## ")[0]
    told = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (.+) \|$", table, re.M))
    assert told == REASONS


def test_settings_and_commands_named_in_the_text_exist():
    sections = shell.settings_prefixes() | {f"source.{fact}" for fact in SourceFacts.model_fields}
    tops = {name.partition(".")[0] for name in sections}
    for page in PAGES:
        for where, code in inline_code(page):
            if code.startswith(shell.PROGRAM + " ") and not re.search(r"[…|]", code):
                for words in shell.commands(code):
                    try:
                        shell.check(words)
                    except Exception as why:
                        raise AssertionError(f"{where}: `{code}`: {why}") from why
            key = code.removeprefix("--set ").partition("=")[0]
            if re.fullmatch(r"[a-z]+(\.[a-z_]+)+", key) and key.partition(".")[0] in tops:
                assert key in sections, f"{where}: there is no setting {key}"
            if code.startswith("--set ") and "=" in code and "…" not in code:
                load_config(None, [shell.parse_set(code.removeprefix("--set ").strip())])


def test_the_tutorials_table_of_columns_has_every_column_and_word_that_is_known():
    page = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    rows = [row.split("|")[1:4] for row in page.split("## Your own data")[1].splitlines() if row.startswith("| `")]
    told = {name: words for names, _, words in rows for name in re.findall("`(.+?)`", names)}
    assert set(told) == set(KNOWN)
    frontal, lateral = (re.findall("`(.+?)`", part) for part in told["view"].split("Any other")[0].split("lateral:", 1))
    assert {word.lower() for word in frontal} == base._FRONTAL
    assert {word.lower() for word in lateral} == base._LATERAL
    splits = told["split"].split("Empty")[0].split(";")
    assert {
        word: words[0] for part in splits if (words := re.findall("`(.+?)`", part)) for word in words
    } == base._SPLITS
