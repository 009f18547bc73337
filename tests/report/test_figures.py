"""The numbers on the page, against counts made another way; and what is said of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.report.charts import counted, spread
from medcutmix_pipeline.report.columns import label_codes
from medcutmix_pipeline.report.diversity import Pairs
from medcutmix_pipeline.report.figures import figures
from medcutmix_pipeline.report.reasons import REJECTS
from medcutmix_pipeline.report.tally import tally_plans
from medcutmix_pipeline.report.verdict import headline, remarks
from tests.damage.images import DEADLY, DICOMS, IMAGES
from tests.damage.kinds import SAMPLE
from tests.damage.texts import REPORTS, ROWS, XMLS

if TYPE_CHECKING:
    from pathlib import Path

    from medcutmix_pipeline.report.told import Figures

FINDINGS = ("Edema", "Fracture", "Pneumonia")
LABELS = st.dictionaries(
    st.sampled_from((*FINDINGS, "unheard of")), st.sampled_from(("present", "uncertain", "absent"))
)


@pytest.fixture(scope="module")
def told(built: Path) -> Figures:
    dataset = Dataset(built)
    return figures(dataset, tally_plans(dataset, tuple(dataset.manifest.diseases)))


@pytest.fixture(scope="module")
def plans(built: Path) -> list[dict]:
    return list(Dataset(built).plans)


def test_findings_are_counted_over_samples_and_mixed_reports(told: Figures, built: Path, plans: list[dict]) -> None:
    samples = list(Dataset(built).samples)
    for row in told.findings:
        said = Counter(sample["labels"].get(row.name) for sample in samples)
        assert (row.present, row.uncertain, row.absent) == (said["present"], said["uncertain"], said["absent"])
        after = sum(plan["mixed_labels"].get(row.name) == "present" for plan in plans)
        assert row.share_after == pytest.approx(after / len(plans))
        own = [plan for plan in plans if plan["disease"] == row.name]
        people = (len(own), len({p["host_id"] for p in own}), len({p["donor_id"] for p in own}))
        assert (row.plans, row.hosts, row.donors) == people
        assert row.most_lent == max(Counter(p["donor_id"] for p in own).values(), default=0)


def test_each_step_of_the_flow_is_the_sum_of_its_parts(told: Figures, built: Path, plans: list[dict]) -> None:
    for step in told.steps:
        assert sum(part.count for part in step.parts) == step.total
    assert told.steps[2].parts[0].count == len({plan["host_id"] for plan in plans})
    assert told.steps[3].parts[0].count == len(plans)
    assert sum(reason.count for reason in told.rejects) == len(Dataset(built).rejects)


def test_matrices_tell_what_stands_together_and_what_comes_along(told: Figures, plans: list[dict]) -> None:
    names = told.after.names
    for i, row in enumerate(names):
        having = [p for p in plans if p["mixed_labels"].get(row) == "present"]
        matched = [p for p in plans if p["disease"] == row]
        for j, column in enumerate(names):
            assert told.after.rows[i][j].count == sum(p["mixed_labels"].get(column) == "present" for p in having)
            gained = [
                p
                for p in matched
                if p["mixed_labels"].get(column) == "present"
                and p["host_labels"].get(column) not in ("present", "uncertain")
            ]
            assert told.comes_along.rows[i][j].count == len(gained)


def test_partners_lending_and_reuse_count_every_host_donor_and_sentence_once(told: Figures, plans: list[dict]) -> None:
    assert sum(bar.count for bar in told.partners) == len({plan["host_id"] for plan in plans})
    assert sum(bar.count for bar in told.lends) == len({plan["donor_id"] for plan in plans})
    sentences = Counter((plan["disease"], plan["donor_sentence"]) for plan in plans)
    assert sum(bar.count for bar in told.reuse) == len(sentences)
    assert told.sentences[0].plans == max(sentences.values())


@given(st.lists(LABELS, max_size=20))
def test_labels_become_codes_and_back(rows: list[dict[str, str]]) -> None:
    column = pa.chunked_array([pa.array(rows, pa.map_(pa.string(), pa.string()))])
    codes = label_codes(column, FINDINGS)
    for row, code in zip(rows, codes, strict=True):
        assert [["", "absent", "uncertain", "present"][c] or None for c in code] == [row.get(f) for f in FINDINGS]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=200))
def test_a_histogram_counts_all_values(values: list[float]) -> None:
    drawn = spread(np.array(values, np.float32))
    assert drawn is not None
    assert sum(bar.count for bar in drawn.bars) == len(values)
    assert max(bar.share for bar in drawn.bars) == 1
    assert drawn.median == pytest.approx(float(np.median(np.array(values, np.float32))))


@given(st.dictionaries(st.integers(1, 2000), st.integers(1, 50), max_size=20))
def test_steps_of_how_often_leave_nobody_out(counts: dict[int, int]) -> None:
    assert sum(bar.count for bar in counted(counts)) == sum(counts.values())


def test_diversity_compares_equal_lengths_and_knows_what_is_new() -> None:
    pairs = Pairs()
    table = {"plan_id": ["p", "q"], "host_id": ["a", "b"]}
    table |= {
        "host_text": ["one two three four", "one two three four"],
        "mixed_text": ["one two nine", "one two three"],
    }
    pairs.add(pa.table(table))
    single, double, *_ = pairs.ngrams()
    assert (single.compared, single.mixed, single.new) == (6, 4, 1)  # one two nine three; nine is new
    assert (double.compared, double.original, double.mixed, double.new) == (4, 3, 3, 1)
    assert pairs.longer() == pytest.approx(6 / 8)


def test_what_stands_out_is_said(told: Figures) -> None:
    def titles(changed: Figures) -> set[str]:
        return {remark.title for remark in remarks(changed) if remark.kind == "warning"}

    finding = next(row for row in told.findings if row.plans)
    without = replace(finding, plans=0, hosts=0, donors=0)
    assert "Findings that are never mixed" in titles(replace(told, findings=(without,)))
    few = replace(finding, donors=2)
    assert "Findings with few donors" in titles(replace(told, findings=(few,)))
    worn = replace(told.sentences[0], plans=101)
    assert "A sentence is put in very often" in titles(replace(told, sentences=(worn,)))
    assert told.presence is not None
    assert "Findings that the encoder does not see" in titles(replace(told, low_presence=told.presence.total))
    assert told.area is not None
    assert "Maps are very small" in titles(replace(told, area=replace(told.area, median=0.01)))
    large = replace(told.area, median=0.4, p95=0.8)
    assert "Some maps cover most of the image" in titles(replace(told, area=large))
    images = told.steps[1]
    out = replace(images, total=10, parts=(replace(images.parts[0], count=5), replace(images.parts[1], count=5)))
    steps = (told.steps[0], out, *told.steps[2:])
    assert "Many images were left out" in titles(replace(told, steps=steps))


def test_a_sentence_in_an_address_is_read_back_as_it_is(told: Figures) -> None:
    words = "Is that 100 % + 1 & more? See #2"
    worn = replace(told.sentences[0], plans=101, text=words)
    [remark] = [r for r in remarks(replace(told, sentences=(worn,))) if r.title == "A sentence is put in very often"]
    assert "?" not in remark.look, "the page takes what follows the first question mark of its address"
    assert parse_qs(remark.look) == {"q": [words]}


def test_every_code_that_an_input_can_be_rejected_with_is_told_in_plain_words() -> None:
    kinds = (*IMAGES, *DICOMS, *DEADLY, *REPORTS, *XMLS)
    codes = {code for kind in kinds for code in kind.codes} | {row.code for row in ROWS}
    codes -= {SAMPLE, ""}
    assert len(codes) > 20
    assert codes <= REJECTS.keys()


def test_the_headline_counts_the_warnings(told: Figures) -> None:
    found = remarks(told)
    warnings = [remark for remark in found if remark.kind == "warning"]
    assert found[: len(warnings)] == warnings
    assert "nothing that stands out" in headline(told, [])
    assert "two things" in headline(told, [replace(found[0], kind="warning")] * 2)
