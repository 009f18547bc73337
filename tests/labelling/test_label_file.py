"""A table of reports in, a table of findings out."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.labelling import label_file
from medcutmix_pipeline.schemas.config import SentencesConfig

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = SentencesConfig()
ROWS = [
    ("a", "FINDINGS: Small effusion, no edema.\nIMPRESSION: Possible pneumonia."),
    ("b", 'A "quoted", report\nwith lines. No effusion.'),
    ("c", ""),
]
EXPECTED = {
    "a": {"Pleural Effusion": "present", "Edema": "absent", "Pneumonia": "uncertain"},
    "b": {"Pleural Effusion": "absent", "No Finding": "present"},
    "c": {},
}


def write_csv(path: Path, rows: list[tuple[str, str]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "report"), *rows])
    return str(path)


def read_table(path: Path) -> dict[str, dict[str, str]]:
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    return {row.pop("id"): {name: value for name, value in row.items() if value} for row in rows}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("source_ending", ["csv", "jsonl", "parquet"])
def test_every_format_gives_the_same_labels(source_ending: str, ending: str, tmp_path: Path) -> None:
    source, out = tmp_path / f"in.{source_ending}", tmp_path / f"out.{ending}"
    if source_ending == "csv":
        write_csv(source, ROWS)
    elif source_ending == "jsonl":
        source.write_text("".join(json.dumps({"id": i, "report": t}) + "\n" for i, t in ROWS), encoding="utf-8")
    else:
        pq.write_table(
            pa.table({"report": [t for _, t in ROWS], "id": [i for i, _ in ROWS], "more": [1, 2, 3]}), source
        )
    counts = label_file(str(source), str(out), text="report", id_column="id", config=CONFIG, workers=1)
    assert read_table(out) == EXPECTED
    assert (counts.reports, counts.empty) == (3, 1)
    assert counts.present == {"Pleural Effusion": 1, "No Finding": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([source.name, out.name])


def test_every_finding_has_a_column_and_rows_are_numbered_without_an_identifier(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    label_file(write_csv(tmp_path / "in.csv", ROWS), str(out), text="report", config=CONFIG, workers=1)
    header, *rows = out.read_text(encoding="utf-8").splitlines()
    assert header.split(",")[0] == "row"
    assert len(header.split(",")) == 15
    assert [row.split(",")[0] for row in rows] == ["0", "1", "2"]


def test_workers_change_nothing_and_report_progress(tmp_path: Path) -> None:
    rows = [(str(i), f"Effusion number {i}. {'No ' if i % 3 else ''}edema.") for i in range(600)]
    source = write_csv(tmp_path / "in.csv", rows)
    done: list[int] = []
    for workers in (1, 2):
        out = tmp_path / f"{workers}.csv"
        label_file(
            source, str(out), text="report", id_column="id", config=CONFIG, workers=workers, progress=done.append
        )
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    assert sum(done) == 2 * len(rows)
    assert list(read_table(tmp_path / "1.csv")) == [i for i, _ in rows]


def test_explained_rows_name_sentence_words_and_rule(tmp_path: Path) -> None:
    out = tmp_path / "why.jsonl"
    source = write_csv(tmp_path / "in.csv", [("x", "No effusion, but possible edema.")])
    label_file(source, str(out), text="report", id_column="id", config=CONFIG, explained=True, workers=1)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(r["id"], r["mention"], r["finding"], r["assertion"], r["rule"]) for r in rows] == [
        ("x", "effusion", "Pleural Effusion", "absent", "absent before: no"),
        ("x", "edema", "Edema", "uncertain", "uncertain before: possible"),
    ]
    assert {r["sentence"] for r in rows} == {"No effusion, but possible edema."}


def test_standard_input_and_output(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"t": "Cardiomegaly."}\n'))
    label_file("-", "-", text="t", config=CONFIG, source_format="jsonl", out_format="jsonl", workers=1)
    assert json.loads(capsys.readouterr().out)["Cardiomegaly"] == "present"


def piped(monkeypatch: pytest.MonkeyPatch, table: bytes, encoding: str) -> io.BytesIO:
    """Standard input with a table, in a terminal of some encoding; what goes to standard output."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table), encoding, errors="surrogateescape"))
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding, write_through=True))
    return out


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_pipes_are_utf8_as_files_are_with_or_without_a_mark(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    table = "\ufeffid,report\nα,Effusion – small.\n".encode()
    out = piped(monkeypatch, table, encoding)
    label_file("-", "-", text="report", id_column="id", config=CONFIG, explained=True, workers=1)
    assert "α,Effusion – small.,Effusion,Pleural Effusion,present," in out.getvalue().decode("utf-8")


def test_a_pipe_that_is_not_utf8_is_refused_as_such_a_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"report\nEffusion \xff small.\n", "utf-8")
    with pytest.raises(DataError, match="not UTF-8 text"):
        label_file("-", "-", text="report", config=CONFIG, workers=1)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("in.csv", "id,text\n1,x\n", UsageError, "no column report; there are id, text"),
        ("in.csv", "7,The heart is enlarged.\n", UsageError, "no column report; is its first line a header?"),
        ("in.jsonl", '{"report": "x"}\n{"report"\n', DataError, "line 2: not valid JSON"),
        ("in.jsonl", "[1]\n", DataError, "line 1: not a JSON object"),
        ("in.parquet", "no parquet", DataError, "not a Parquet file"),
        ("in.xls", "", UsageError, "the ending says no format"),
    ],
)
def test_mistakes_give_one_line_and_leave_no_output(
    name: str, content: str, error: type[Exception], message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(error) as caught:
        label_file(str(tmp_path / name), str(tmp_path / "out.csv"), text="report", config=CONFIG, workers=1)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "heart" not in str(caught.value), "a report is no column's name"
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_missing_file_and_text_that_is_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        label_file(str(tmp_path / "gone.csv"), "-", text="report", config=CONFIG, workers=1)
    (tmp_path / "latin.csv").write_bytes(b"report\ncaf\xe9\n")
    with pytest.raises(DataError, match="not UTF-8"):
        label_file(str(tmp_path / "latin.csv"), "-", text="report", config=CONFIG, workers=1)
    with pytest.raises(UsageError, match="parquet needs a file"):
        label_file("-", "-", text="report", config=CONFIG, out_format="parquet")


@pytest.mark.parametrize("link", [None, "symlink_to", "hardlink_to"])
def test_the_reports_are_never_overwritten_by_their_labels(link: str | None, tmp_path: Path) -> None:
    source, out = tmp_path / "reports.csv", tmp_path / "labels.csv"
    write_csv(source, ROWS)
    before = source.read_bytes()
    if link is None:
        out = tmp_path / "." / "reports.csv"
    else:
        getattr(out, link)(source)
    with pytest.raises(UsageError, match=r"is the input .*reports\.csv, which would be lost: name another file"):
        label_file(str(source), str(out), text="report", config=CONFIG, workers=1)
    assert source.read_bytes() == before


def test_labels_that_stand_there_are_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    out.write_text("of yesterday", encoding="utf-8")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"report": "No edema."}\n' * 600 + "{", encoding="utf-8")
    with pytest.raises(DataError):
        label_file(str(broken), str(out), text="report", config=CONFIG, workers=1)
    assert out.read_text(encoding="utf-8") == "of yesterday"
    label_file(write_csv(tmp_path / "good.csv", ROWS), str(out), text="report", config=CONFIG, id_column="id")
    assert read_table(out) == EXPECTED
    assert {path.name for path in tmp_path.iterdir()} == {"labels.csv", "broken.jsonl", "good.csv"}


def test_a_device_takes_the_labels_and_stays_a_device(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "reports.csv", ROWS)
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        label_file(source, str(pipe), text="report", config=CONFIG, id_column="id")
        assert os.read(reading, 1 << 16).startswith(b"id,")
    finally:
        os.close(reading)
    assert pipe.is_fifo()
