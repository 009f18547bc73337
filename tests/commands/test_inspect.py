"""`inspect` tells what is in a dataset, in words, pictures and JSON, and can do nothing but read."""

from __future__ import annotations

import collections
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.dataset.pick import ODDITIES
from medcutmix_pipeline.pictures.paper import GAP, PANEL
from tests.builds import SETTINGS
from tests.commands.calls import call, refused

DESCRIBED = Path(__file__).resolve().parents[2] / "docs" / "inspect.md"


@pytest.fixture(scope="module")
def plans(built):
    return pq.read_table(built / "plans").to_pylist()


@pytest.fixture(scope="module")
def samples(built):
    return pq.read_table(built / "samples").to_pylist()


def test_the_overview_counts_what_the_tables_hold(capsys, built, plans, samples):
    told = call(capsys, "inspect", built, "--json").json
    assert told.keys() == {"schema", "kind", "dataset", "counts", "splits", "findings", "plans", "rejects"}
    assert (told["schema"], told["kind"]) == (1, "overview")
    assert told["counts"]["plans"] == len(plans)
    assert sum(split["samples"] for split in told["splits"]) == len(samples)
    said = collections.Counter(label for sample in samples for label in sample["labels"])
    for row in told["findings"]:
        assert {a: row[a] for a in ("present", "uncertain", "absent")} == {
            a: said[row["finding"], a] for a in ("present", "uncertain", "absent")
        }
    areas = sorted(plan["map_area"] for plan in plans)
    assert told["plans"]["map_area"]["min"] == pytest.approx(areas[0], abs=1e-4)
    assert told["plans"]["map_area"]["median"] == pytest.approx(np.median(areas), abs=1e-4)
    assert told["plans"]["map_area"]["max"] == pytest.approx(areas[-1], abs=1e-4)


def test_the_text_tells_the_same_numbers(capsys, built, plans):
    told = call(capsys, "inspect", built).out
    for finding, count in collections.Counter(plan["disease"] for plan in plans).items():
        [line] = [line for line in told.splitlines() if line.startswith(f"│ {finding} ")]
        assert line.split("│")[5].strip() == f"{count:,}"


def test_a_finding_tells_who_lends_it(capsys, built, plans):
    [(finding, count)] = collections.Counter(plan["disease"] for plan in plans).most_common(1)
    own = [plan for plan in plans if plan["disease"] == finding]
    told = call(capsys, "inspect", built, "--disease", finding, "--json").json
    assert told["plans"] == count == sum(where["plans"] for where in told["where"])
    assert told["donors"] == len({plan["donor_id"] for plan in own})
    assert told["hosts"] == len({plan["host_id"] for plan in own})
    sentences = collections.Counter(plan["donor_sentence"] for plan in own)
    assert told["sentences"] == len(sentences)
    assert [row["plans"] for row in told["most_used"]] == [n for _, n in sentences.most_common(10)]
    assert f"{finding}: " in call(capsys, "inspect", built, "--disease", finding).out


VALUES = {
    "presence": lambda plan, _: plan["donor_score"],
    "host-presence": lambda plan, _: plan["host_score"],
    "large-map": lambda plan, _: -plan["map_area"],
    "small-map": lambda plan, _: plan["map_area"],
    "rare": lambda plan, plans: sum(p["disease"] == plan["disease"] for p in plans),
    "reuse": lambda plan, plans: -sum(p["donor_sentence"] == plan["donor_sentence"] for p in plans),
}


@pytest.mark.parametrize("by", ODDITIES)
def test_the_oddest_plans_come_first(capsys, built, plans, by):
    told = call(capsys, "inspect", built, "--worst", 7, "--by", by, "--json").json
    assert told["by"] == by
    values = [VALUES[by](plan, plans) for plan in told["plans"]]
    assert values == sorted(VALUES[by](plan, plans) for plan in plans)[:7]


def test_the_oddest_of_a_finding_are_of_that_finding(capsys, built):
    told = call(capsys, "inspect", built, "--worst", 3, "--disease", "Pleural Effusion", "--json").json
    assert {plan["disease"] for plan in told["plans"]} == {"Pleural Effusion"}
    listed = call(capsys, "inspect", built, "--worst", 3, "--disease", "Pleural Effusion").out
    assert all(plan["plan_id"] in listed for plan in told["plans"])
    assert "lowest presence score of the donor" in listed  # by what, when nothing was said


def test_a_finding_may_be_written_in_any_case(capsys, built):
    for options in ([], ["--random", 2], ["--worst", 2]):
        names = ("Pleural Effusion", "pleural EFFUSION")
        asked = [call(capsys, "inspect", built, *options, "--json", "--disease", name).json for name in names]
        assert asked[0] == asked[1]


def test_chance_repeats_itself_for_the_same_seed(capsys, built):
    drawn = [call(capsys, "inspect", built, "--random", 4, "--seed", seed, "--json").json for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({plan["plan_id"] for plan in drawn[0]["plans"]}) == 4


def test_a_sample_tells_its_maps_and_every_plan_it_is_in(capsys, built, plans):
    name = plans[0]["donor_id"]
    told = call(capsys, "inspect", built, "--sample", name, "--json").json
    assert told["sample"]["sample_id"] == name
    roles = {(plan["plan_id"], plan["role"]) for plan in told["plans"]}
    assert roles == {(p["plan_id"], role) for p in plans for role in ("host", "donor") if p[f"{role}_id"] == name}
    assert len(told["maps"]) == len(Dataset(built).maps(name))
    assert f"Sample {name}" in call(capsys, "inspect", built, "--sample", name).out


def test_rejects_are_listed_with_their_reason(capsys, built):
    told = call(capsys, "inspect", built, "--rejects", 5, "--json").json
    assert told["total"] == pq.read_table(built / "rejects").num_rows
    assert len(told["rejects"]) == min(5, told["total"])
    assert call(capsys, "inspect", built, "--rejects", 5).code == 0


def test_a_picture_of_a_plan_shows_host_and_donor_and_the_mix_where_its_caption_says(capsys, built, plans, tmp_path):
    plan = plans[0]
    assert call(capsys, "inspect", built, "--plan", plan["plan_id"], "--png", tmp_path / "plan.png").code == 0
    with Image.open(tmp_path / "plan.png") as sheet:
        assert sheet.mode == "RGB"
        pixels = np.asarray(sheet.convert("L"), float)
    dataset = Dataset(built)
    shown = (dataset.image(plan["host_id"]), dataset.image(plan["donor_id"]), None, dataset.mix(plan["plan_id"]))
    tops = set()
    for column, image in enumerate(shown):
        if image is not None:
            left = GAP + column * (PANEL + GAP)
            wanted = np.asarray(image.resize((PANEL, PANEL), Image.Resampling.LANCZOS), float)
            differences = [
                np.abs(pixels[top : top + PANEL, left : left + PANEL] - wanted).mean()
                for top in range(len(pixels) - PANEL)
            ]
            tops.add(int(np.argmin(differences)))
            assert min(differences) < 1
    assert len(tops) == 1  # side by side


def test_samples_and_several_plans_can_be_drawn(capsys, built, plans, tmp_path):
    one, three = tmp_path / "one.png", tmp_path / "three.png"
    assert call(capsys, "inspect", built, "--sample", plans[0]["host_id"], "--png", one).code == 0
    assert call(capsys, "inspect", built, "--random", 3, "--png", three, "--json").json["kind"] == "plans"
    with Image.open(one) as first, Image.open(three) as second:
        assert first.width == second.width
        assert second.height > 3 * PANEL > first.height


def test_what_stopped_a_build_is_told_with_its_meaning_and_can_be_looked_at(capsys, studies, tmp_path):
    root, out = tmp_path / "studies", tmp_path / "a folder"
    shutil.copytree(studies, root)
    for image in sorted((root / "images").iterdir())[::2]:
        image.write_bytes(b"not an image")
    settings = tmp_path / "settings.yaml"
    settings.write_text(json.dumps(SETTINGS))
    said = call(capsys, "build", settings, "--source", "phantom", "--root", root, "--out", out)
    assert said.code == 1
    assert f"image-undecodable {said.err.split('of')[0].split()[-1]} (no decoder can read it)" in said.err
    assert f"medcutmix-pipeline inspect '{out}' --rejects 20" in said.out
    told = call(capsys, "inspect", out, "--rejects", 3, "--json").json
    assert told["finished"] is False
    assert told["total"] > 3
    assert {row["reason"] for row in told["rejects"]} == {"image-undecodable"}
    assert f"so far, 3 of {told['total']}" in call(capsys, "inspect", out, "--rejects", 3).out
    refused(call(capsys, "inspect", out), 1, "unfinished", "--rejects 20")


@pytest.mark.parametrize(
    "options",
    ["", "--disease {finding}", "--random 1", "--sample {host}", "--rejects 1", "--sql {sql}", "--html {page}"],
)
def test_each_kind_of_json_is_described_with_all_its_fields(capsys, built, plans, tmp_path, options):
    values = {"finding": plans[0]["disease"], "host": plans[0]["host_id"], "sql": "select 1", "page": tmp_path / "page"}
    told = call(capsys, "inspect", built, *(part.format(**values) for part in options.split()), "--json").json
    [row] = re.findall(rf"^\| `{told['kind']}` \|.*$", DESCRIBED.read_text("utf-8"), re.M)
    assert [field for field in told if field not in ("schema", "kind") and f"`{field}`" not in row] == []


def test_rows_that_fit_are_a_table_and_wider_ones_are_told_column_by_column(capsys, built, plans):
    narrow = call(capsys, "inspect", built, "--sql", "select plan_id, view from plans limit 1").out
    assert narrow.startswith("1 row ")
    assert f"│ {plans[0]['plan_id']} │" in narrow
    wide = call(capsys, "inspect", built, "--sql", "select * from plans limit 1").out.splitlines()
    assert wide[0] == "1 row"
    for column in ("plan_id", "host_id", "disease"):
        assert f"{column:<14}  {plans[0][column]}" in [line.rstrip() for line in wide]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--plan", "x", "--sample", "y"], ["--plan and --sample"]),
        (["--random", 1, "--sql", "select 1"], ["--random and --sql"]),
        (["--disease", "Edema", "--rejects", 2], ["--disease", "--rejects"]),
        (["--png", "x.png"], ["--png", "--plan"]),
        (["--sql", "select 1", "--png", "x.png"], ["--png"]),
        (["--random", 41, "--png", "x.png"], ["40 plans"]),
        (["--worst", 1, "--by", "beauty"], ["--by"]),
        (["--by", "reuse"], ["--by goes with --worst"]),
        (["--random", 1, "--by", "reuse"], ["--by goes with --worst, and not with --random"]),
        (["--seed", 0], ["--seed goes with --random"]),
        (["--most", 5], ["--most goes with --html"]),
        (["--worst", 0], ["--worst"]),
        (["--random", 1, "--png", "/nowhere/x.png"], ["/nowhere/x.png"]),
        (["--sql", "selekt 1"], ["selekt", "plans, samples, sentences, rejects"]),
        (["--sql", ""], ["select * from plans"]),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(capsys, built, options, words):
    refused(call(capsys, "inspect", built, *options), 2, *words)


@pytest.mark.parametrize("command", ["inspect {built} --random 1 --png", "attend x y --encoder z --out"])
def test_a_picture_takes_the_place_of_no_file_that_is_none(capsys, built, tmp_path, command):
    shard = tmp_path / "train-000000.tar"
    shard.write_bytes(b"a shard")
    refused(call(capsys, *command.format(built=built).split(), shard), 2, "ends in .png")
    assert shard.read_bytes() == b"a shard"


def test_what_is_not_there_is_told_with_what_is(capsys, built, plans):
    refused(call(capsys, "inspect", built, "--sample", "nobody"), 2, "no sample nobody", "one that there is")
    refused(call(capsys, "inspect", built, "--worst", 2, "--disease", "Gout"), 2, "Gout", "Pleural Effusion")
    refused(call(capsys, "inspect", built, "--disease", "plural efusion"), 2, "did you mean Pleural Effusion?")
