"""Rows of a table that cannot be understood: too many of them stop a build, with the first and its cause."""

from __future__ import annotations

import pytest

from tests.commands.calls import call, refused

HEAD = "image,report,study_id,patient_id\n"


def table(folder, lines, encoding="utf-8"):
    path = folder / "studies.csv"
    path.write_bytes((HEAD + "".join(f"{line}\n" for line in lines)).encode(encoding))
    return path


def asked(path, out, *more):
    return ("build", "--source", "manifest", "--root", path, "--out", out, "--engine", "serial", *more)


UMLAUTS = [f"{n}.png,Größe des Herzens normal.,S{n},P{n}" for n in range(4)]
NOT_UTF8 = "the first is line 2: not UTF-8 text; save the table as UTF-8"


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["build", "dry run"])
@pytest.mark.parametrize(
    ("lines", "encoding", "cause"),
    [
        (
            UMLAUTS,
            "latin-1",
            f"4 of 4 rows of the table cannot be understood, more than engine.max_reject_rate=0.2 allows; {NOT_UTF8}",
        ),
        ([*["0.png,Clear.,S9,P9"] * 2, *UMLAUTS], "latin-1", "the first is line 4: not UTF-8 text"),
        (["0.png,Clear, lungs.,S1,P1", "1.png,S2"], "utf-8", "the first is line 2: 5 cells where the header has 4"),
        (['0.png,"Clear.,S1,P1', "1.png,S2,P2"], "utf-8", "the first is line 2: a quotation mark is not closed"),
        (["0.png,a\0b,S1,P1"], "utf-8", "the first is line 2: a zero byte in the text"),
    ],
    ids=["Latin-1", "Latin-1 in most rows", "commas", "quotes", "zero byte"],
)
def test_too_many_unreadable_rows_are_told_with_the_first_and_its_cause(capsys, tmp_path, lines, encoding, cause, dry):
    said = call(capsys, *asked(table(tmp_path, lines, encoding), tmp_path / "out", *dry))
    assert said.code == 1
    assert said.err.startswith("error: ")
    assert cause in said.err
    assert "nothing was listed" not in said.err
    assert not any(word in said.err for word in ("Clear", "Herz", "S1", "P1", "png"))


def test_a_row_of_json_lines_is_told_by_its_line(capsys, tmp_path):
    path = tmp_path / "studies.jsonl"
    path.write_text('{"image": "a.png", "report": "Clear.", "study_id": "S1", "patient_id": "P1"}\n\n{"image": [1]}\n')
    refused(call(capsys, *asked(path, tmp_path / "out", "--dry-run")), 1, "line 3: image is neither text nor a number")


def test_where_any_number_may_be_rejected_it_is_told_why_nothing_is_left(capsys, tmp_path):
    path = table(tmp_path, [*UMLAUTS, ",Clear.,S9,P9"], "latin-1")
    said = call(capsys, *asked(path, tmp_path / "out", "--max-reject-rate", 1))
    assert said.code == 1
    assert "no study can be used: no image is listed (row-malformed 4, study-without-image 1)" in said.err
