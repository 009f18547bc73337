"""A table of reports in, a table of findings out."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import json
import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.labelling import label_file, work
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


def as_text(rows: list[tuple[str, str]], form: str) -> str:
    if form == "jsonl":
        return "".join(json.dumps({"id": name, "report": report}) + "\n" for name, report in rows)
    stream = io.StringIO()
    csv.writer(stream, delimiter="\t" if form == "tsv" else ",").writerows([("id", "report"), *rows])
    return stream.getvalue()


def read_table(path: Path) -> dict[str, dict[str, str]]:
    if path.suffix == ".parquet":
        rows = pq.read_table(path).to_pylist()
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ","))
    return {row.pop("id"): {name: value for name, value in row.items() if value} for row in rows}


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("source_ending", ["csv", "tsv", "jsonl", "parquet", "csv.gz", "TSV.GZ", "jsonl.gz"])
def test_every_format_gives_the_same_labels(source_ending: str, ending: str, tmp_path: Path) -> None:
    source, out = tmp_path / f"in.{source_ending}", tmp_path / f"out.{ending}"
    if "parquet" not in source_ending:
        text = as_text(ROWS, source_ending.lower().removesuffix(".gz")).encode()
        source.write_bytes(gzip.compress(text) if source_ending.lower().endswith("gz") else text)
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
        ("in.csv", 'id,"report\n1,heart 3",x\n', UsageError, "no column report; is its first line a header?"),
        ("in.csv", "id,report,report\n1,Effusion.,Edema.\n", UsageError, "the column report stands there 2 times"),
        ("in.csv", "id,report\n1,The heart, enlarged.\n", DataError, "line 2: 3 cells where the header has 2"),
        ("in.csv", "id,report\n\n1,No edema.\n2\n", DataError, "line 4: 1 cells where the header has 2"),
        ("in.csv", 'id,report\n1,"The heart.\n2,No edema.\n', DataError, "line 2: a quotation mark"),
        ("in.csv", 'id,report\n1,"The heart.\n2,"Clear."\n', DataError, "line 2: a quotation mark"),
        ("in.jsonl", '{"report": {"FINDINGS": "heart"}}\n', DataError, "line 1: neither text nor a number"),
        ("in.jsonl", '{"report": "heart \\ud800"}\n', DataError, "line 1: not UTF-8 text"),
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
    (tmp_path / "latin.csv").write_bytes(b"report\n" + b"No edema.\n" * 3000 + b"caf\xe9\n")
    with pytest.raises(DataError, match=r"latin\.csv: line 3002: not UTF-8 text"):
        label_file(str(tmp_path / "latin.csv"), "-", text="report", config=CONFIG, workers=1)
    with pytest.raises(UsageError, match="it is a folder; name one file"):
        label_file(str(tmp_path), "-", text="report", config=CONFIG, source_format="parquet", workers=1)
    with pytest.raises(UsageError, match="parquet needs a file"):
        label_file("-", "-", text="report", config=CONFIG, out_format="parquet")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_identifiers_of_any_type_and_reports_in_bytes_are_written_as_text(ending: str, tmp_path: Path) -> None:
    days = [datetime.date(2001, 2, 3), datetime.date(2001, 2, 4)]
    table = pa.table({"id": days, "number": [Decimal("1.50"), None], "report": [b"Small effusion.", None]})
    pq.write_table(table, tmp_path / "in.parquet")
    out = tmp_path / f"out.{ending}"
    label_file(str(tmp_path / "in.parquet"), str(out), text="report", id_column="id", config=CONFIG)
    assert read_table(out) == {"2001-02-03": {"Pleural Effusion": "present"}, "2001-02-04": {}}
    label_file(str(tmp_path / "in.parquet"), str(out), text="report", id_column="number", config=CONFIG)
    assert "1.50" in (str(pq.read_table(out).to_pylist()) if ending == "parquet" else out.read_text(encoding="utf-8"))


def test_rows_without_a_word_and_numbers_that_are_none_are_empty_reports(tmp_path: Path) -> None:
    """Rows of commas count where others read the table, so that their numbers fit; blank lines count nowhere."""
    text = ",\n\nid,report\na,No edema.\n\n,,,\nb,Edema.\n,\n"
    (tmp_path / "sheet.csv").write_text(text, encoding="utf-8")
    out = tmp_path / "out.csv"
    counts = label_file(str(tmp_path / "sheet.csv"), str(out), text="report", config=CONFIG)
    assert (counts.reports, counts.empty) == (4, 2)
    rows = csv.DictReader(out.read_text(encoding="utf-8").splitlines())
    assert [(row["row"], row["Edema"]) for row in rows] == [("0", "absent"), ("1", ""), ("2", "present"), ("3", "")]
    (tmp_path / "in.jsonl").write_text('{"id": 1, "report": NaN}\n', encoding="utf-8")
    assert label_file(str(tmp_path / "in.jsonl"), str(out), text="report", config=CONFIG).empty == 1


def test_a_packed_table_that_is_damaged_is_told_and_none_is_written_packed(tmp_path: Path) -> None:
    packed = gzip.compress(as_text([(str(n), f"No edema {n * n}.") for n in range(300)], "csv").encode())
    flipped = bytes(255 - byte if 600 < place < 640 else byte for place, byte in enumerate(packed))
    source, out = tmp_path / "in.csv.gz", str(tmp_path / "out.csv")
    for content in (packed[:-300], flipped, b"id,report\n1,No edema.\n"):
        source.write_bytes(content)
        with pytest.raises(DataError, match=r"in\.csv\.gz: damaged, and cannot be read to its end"):
            label_file(str(source), out, text="report", config=CONFIG, workers=1)
    with pytest.raises(UsageError, match=r"out\.csv\.gz: the ending says no format"):
        label_file(str(source), f"{out}.gz", text="report", config=CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv.gz"]


def test_a_damaged_parquet_file_is_there_and_damaged(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pq.write_table(pa.table({"report": [f"No edema on day {n}." for n in range(2000)]}), source, use_dictionary=False)
    raw = bytearray(source.read_bytes())
    raw[900:940] = bytes(40)
    source.write_bytes(raw)
    with pytest.raises(DataError, match=r"in\.parquet: damaged, and cannot be read to its end"):
        label_file(str(source), "-", text="report", config=CONFIG, workers=1)
    latin = pa.Array.from_buffers(pa.string(), 1, pa.array([b"caf\xe9"]).buffers())
    pq.write_table(pa.table({"report": latin}), source)
    with pytest.raises(DataError, match=r"in\.parquet: damaged, or its text is not UTF-8"):
        label_file(str(source), "-", text="report", config=CONFIG, workers=1)


@pytest.mark.parametrize(("name", "explained"), [("Edema", False), ("rule", True)])
def test_an_identifiers_column_called_like_one_of_the_output_is_refused(
    name: str, explained: bool, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(f"{name},report\n7,No edema.\n", encoding="utf-8")
    with pytest.raises(UsageError, match=f"the output has a column {name} of its own"):
        label_file(
            str(tmp_path / "in.csv"), "-", text="report", id_column=name, config=CONFIG, explained=explained, workers=1
        )


def test_a_byte_order_mark_on_standard_input_is_no_part_of_a_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = io.TextIOWrapper(io.BytesIO("\ufeffreport,id\nCardiomegaly.,7\n".encode()), "utf-8")
    monkeypatch.setattr(sys, "stdin", given)
    label_file("-", "-", text="report", id_column="id", config=CONFIG, explained=True, workers=1)
    assert "7,Cardiomegaly.,Cardiomegaly," in capsys.readouterr().out
    assert not given.closed


class KilledWorkers(ThreadPoolExecutor):
    """What the pool of processes is when one of them was killed."""

    def __init__(self, *_: object) -> None:
        super().__init__(1)

    def submit(self, *_: object) -> Future[None]:
        return super().submit(self.die)

    def die(self) -> None:
        raise BrokenProcessPool


def test_a_worker_that_is_killed_is_told_in_one_line_and_leaves_no_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(work, "ProcessPoolExecutor", KilledWorkers)
    source = write_csv(tmp_path / "in.csv", [(str(i), "No edema.") for i in range(600)])
    with pytest.raises(DataError, match=r"a process that labelled was killed.*fewer --workers"):
        label_file(source, str(tmp_path / "out.csv"), text="report", config=CONFIG, workers=2)
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"]


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
