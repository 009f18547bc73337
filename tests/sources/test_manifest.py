"""Manifests: every format tells the same studies, a bad row costs itself only, and mistakes are one clear line."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.exceptions import FSTimeoutError
from fsspec.implementations.memory import MemoryFile
from hypothesis import given
from hypothesis import strategies as st

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.schemas.config import SourceConfig
from medcutmix_pipeline.sources import open_source, read_report
from medcutmix_pipeline.sources.grouping import grouped
from medcutmix_pipeline.sources.reading import ReadFailedError
from medcutmix_pipeline.sources.tables import rows
from tests.sources.source_trees import picture, table, write

if TYPE_CHECKING:
    from medcutmix_pipeline.schemas.records import Study

COLUMNS = ("image", "report", "study_id", "patient_id", "view", "split", "image_id")
ROWS = [
    ("a.png", 'Lungs, "clear";\nheart normal.', "S1", "P1", "PA", "train", "one"),
    ("b.png", "Größe: 3 cm\t– unverändert.", "S2", "P1", "", "valid", "two"),
    ("c.png", 'Lungs, "clear";\nheart normal.', "S1", "P1", "Lateral", "train", ""),
    ("sub/d.png", "Third.", "S3", "P2", "oblique", "", "four"),
]


def studies(root: Path) -> list[Study]:
    return list(open_source(SourceConfig(kind="manifest", root=str(root))).studies())


def pictures(root: Path) -> None:
    for name in ("a.png", "b.png", "c.png", "sub/d.png"):
        write(root / name, picture())


def delimited(separator: str) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator)
    writer.writerows([COLUMNS, *ROWS])
    return buffer.getvalue().encode()


def as_parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({c: [row[i] for row in ROWS] for i, c in enumerate(COLUMNS)}), buffer)
    return buffer.getvalue()


FORMATS = {
    "t.csv": delimited(","),
    "t.tsv": delimited("\t"),
    "t.jsonl": "\n".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in ROWS).encode(),
    "t.ndjson": "\n\n".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in ROWS).encode() + b"\n",
    "t.parquet": as_parquet(),
    "t.csv.gz": gzip.compress(delimited(",")),
    "t.jsonl.gz": gzip.compress("\n".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) for row in ROWS).encode()),
    "bom.csv": b"\xef\xbb\xbf" + delimited(","),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_the_same_studies(tmp_path: Path, name: str) -> None:
    pictures(tmp_path)
    write(tmp_path / name, FORMATS[name])
    found = studies(tmp_path / name)
    assert [(s.study_id, s.patient_id, s.report, s.split, s.problem) for s in found] == [
        ("S2", "P1", ROWS[1][1], "validate", None),
        ("S1", "P1", ROWS[0][1], "train", None),
        ("S3", "P2", "Third.", None, None),
    ]
    assert [[(i.image_id, i.view, Path(i.uri).name, i.problem) for i in s.images] for s in found] == [
        [("two", None, "b.png", None)],
        [("one", "frontal", "a.png", None), ("c.png", "lateral", "c.png", None)],
        [("four", "other", "d.png", None)],
    ]
    assert studies(tmp_path) == found  # the folder with the only manifest will do


def test_reports_may_be_files(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(tmp_path / "r/1.txt", "\ufeffA report.\n")
    write(tmp_path / "m.csv", "image,report_path,study_id,patient_id\na.png,r/1.txt,S1,P1\nb.png,r/2.txt,S2,P1\n")
    first, second = studies(tmp_path)
    assert read_report(first) == "A report.\n"
    assert first.report_fingerprint.startswith("13-")
    assert (second.problem, second.report_uri) == ("report-missing", None)


def test_numbers_are_identifiers_too(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(tmp_path / "m.jsonl", '{"image": "a.png", "report": "Clear.", "study_id": 7, "patient_id": 12}\n')
    assert [(s.study_id, s.patient_id) for s in studies(tmp_path)] == [("7", "12")]


def test_a_row_without_patient_or_study_is_told_with_its_image(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(
        tmp_path / "m.csv",
        "image,report,study_id,patient_id\na.png,Clear.,S1,\nb.png,Clear.,,P1\nc.png,Clear.,S3,P1\n,Clear.,S4,P1\n",
    )
    found = studies(tmp_path)
    assert [(s.problem, len(s.images)) for s in found] == [
        ("patient-missing", 1),
        ("study-missing", 1),
        (None, 1),
        (None, 0),
    ]


def test_rows_that_contradict_each_other_are_two_studies_of_which_one_counts(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(tmp_path / "m.csv", "image,report,study_id,patient_id\na.png,Clear.,S1,P1\nb.png,Clear.,S1,P2\n")
    assert [(s.patient_id, s.problem) for s in studies(tmp_path)] == [("P1", None), ("P2", "duplicate-id")]


def test_image_ids_may_start_anew_in_each_study(tmp_path: Path) -> None:
    pictures(tmp_path)
    head = "image,report,study_id,patient_id,image_id\n"
    write(tmp_path / "m.csv", head + "a.png,Clear.,S1,P1,1\nb.png,Clear.,S1,P1,2\nc.png,Clear.,S2,P2,1\n")
    assert [[i.problem for i in s.images] for s in studies(tmp_path)] == [[None, None], [None]]
    write(tmp_path / "m.csv", head + "a.png,Clear.,S1,P1,1\nb.png,Clear.,S1,P1,1\na.png,Clear.,S2,P2,1\n")
    assert [[i.problem for i in s.images] for s in studies(tmp_path)] == [[None, "duplicate-id"], ["duplicate-id"]]


def test_one_row_of_a_study_with_report_and_split_is_enough(tmp_path: Path) -> None:
    pictures(tmp_path)
    head = "image,report,study_id,patient_id,split\n"
    write(tmp_path / "m.csv", head + "a.png,,S1,P1,\nb.png,Clear.,S1,P1,\nc.png,,S1,P1,test\nsub/d.png,Old.,S2,P1,\n")
    first, second = studies(tmp_path)
    assert (first.report, first.split, first.problem, len(first.images)) == ("Clear.", "test", None, 3)
    assert (second.report, second.split, second.problem) == ("Old.", None, None)


@pytest.mark.parametrize("column", ["report", "split"])
def test_the_image_of_a_row_that_says_otherwise_than_its_study_is_told_with_the_column(
    tmp_path: Path, column: str
) -> None:
    pictures(tmp_path)
    cells = [{"report": "Clear.", "split": "train", column: word} for word in ("train", "", "test")]
    told = [{"image": f"{i}.png", "study_id": "S1", "patient_id": "P1", **c} for i, c in zip("abc", cells, strict=True)]
    write(tmp_path / "m.csv", table(COLUMNS, told))
    [study] = studies(tmp_path)
    assert (study.report, study.split, study.problem) == ("train" if column == "report" else "Clear.", "train", None)
    assert [i.problem for i in study.images] == [None, None, "study-rows-disagree"]
    assert [i.detail for i in study.images] == ["", "", f"another {column} than in an earlier row of the study"]


def test_what_says_otherwise_is_told_even_where_it_is_the_same_image_or_none(tmp_path: Path) -> None:
    pictures(tmp_path)
    head = "image,report,study_id,patient_id\n"
    write(tmp_path / "m.csv", head + "a.png,Clear.,S1,P1\na.png,Other.,S1,P1\n,Addendum.,S1,P1\n,Clear.,S1,P1\n")
    first, second = studies(tmp_path)
    assert (first.report, first.problem) == ("Clear.", None)
    assert [(i.image_id, i.problem) for i in first.images] == [("a.png", None), ("a.png", "study-rows-disagree")]
    assert (second.study_id, second.images, second.problem) == ("S1", (), "study-rows-disagree")
    assert "another report" in second.detail


def test_the_second_use_of_an_image_is_a_duplicate(tmp_path: Path) -> None:
    pictures(tmp_path)
    text = "image,report,study_id,patient_id\na.png,Clear.,S1,P1\na.png,Clear.,S1,P1\na.png,Clear.,S2,P1\n"
    write(tmp_path / "m.csv", text)
    assert [[i.problem for i in s.images] for s in studies(tmp_path)] == [[None], ["duplicate-id"]]


def test_an_unknown_split_is_a_problem_and_no_split_is_none(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(tmp_path / "m.csv", "image,report,study_id,patient_id,split\na.png,C.,S1,P1,fold3\nb.png,C.,S2,P1,\n")
    assert [(s.split, s.problem) for s in studies(tmp_path)] == [(None, "split-unknown"), (None, None)]


GOOD = [f"a.png,Report {n}.,S{n},P{n}" for n in range(6)]


@pytest.mark.parametrize(
    "damage",
    [
        'b.png,"A quote that never closes,T1,P1',
        'b.png,"closed too "early",T1,P1',
        "b.png,too,many,cells,in,it",
        "b.png,too few",
        b"b.png,not \xff\xfe UTF-8,T1,P1",
        b"b.png,a\0zero,T1,P1",
    ],
    ids=["open quote", "early quote", "long", "short", "bytes", "zero byte"],
)
@pytest.mark.parametrize("place", [0, 3, 6], ids=["first", "middle", "last"])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_damaged_row_costs_itself_only(tmp_path: Path, damage: str | bytes, place: int, quoted: bool) -> None:
    lines = [line.replace("Report", '"Report').replace(".,S", '.",S') if quoted else line for line in GOOD]
    raw = [line.encode() for line in lines]
    raw.insert(place, damage if isinstance(damage, bytes) else damage.encode())
    write(tmp_path / "a.png", picture())
    write(tmp_path / "m.csv", b"\n".join([b"image,report,study_id,patient_id", *raw]) + b"\n")
    found = studies(tmp_path)
    assert [(s.study_id, s.report) for s in found if s.problem is None] == [(f"S{n}", f"Report {n}.") for n in range(6)]
    assert [s.problem for s in found if s.problem] == ["row-malformed"]
    assert len({s.study_id for s in found}) == 7


def test_a_quote_that_never_closes_does_not_swallow_a_long_table(tmp_path: Path) -> None:
    count = 20_000
    lines = ["image,report,study_id,patient_id", 'b.png,"open,T1,P1']
    lines += [f"{n}.png,Report {n}.,S{n},P{n}" for n in range(count)]
    write(tmp_path / "m.csv", "\n".join(lines))
    found = [s for s in studies(tmp_path) if s.problem is None]
    assert len(found) == count


@pytest.mark.parametrize("blank", [",,,", " , ,,", ",", "\t"])
def test_a_row_without_a_word_is_no_row(tmp_path: Path, blank: str) -> None:
    """Spreadsheets write as many of them as somebody ever clicked below the last."""
    lines = [blank, "image,report,study_id,patient_id", blank, "a.png,Clear.,S1,P1", *[blank] * 30, "x,Clear.,S2,P1,"]
    write(tmp_path / "m.csv", "\n".join(lines) + "\n")
    found = studies(tmp_path)
    assert [(s.study_id, s.problem) for s in found] == [("S1", None), ("row-35", "row-malformed")]
    assert found[1].detail.startswith("line 35: 5 cells")


def test_a_row_of_parquet_without_a_word_is_no_row(tmp_path: Path) -> None:
    cells = {"image": ["a.png", None, None, "b.png"], "report": ["Clear.", None, " ", "Clear."]}
    ids = {"study_id": [1.0, float("nan"), None, 2.0], "patient_id": ["P1", None, "", "P2"]}
    pq.write_table(pa.table({**cells, **ids, "note": ["", None, "", ""]}), tmp_path / "m.parquet")
    assert [s.study_id for s in studies(tmp_path)] == ["1", "2"]


def test_a_path_with_backslashes_is_missing_and_says_why(tmp_path: Path) -> None:
    pictures(tmp_path)
    write(tmp_path / "m.csv", "image,report,study_id,patient_id\nsub\\d.png,Clear.,S1,P1\nsub/d.png,Clear.,S2,P1\n")
    ((told,), (found,)) = (study.images for study in studies(tmp_path))
    assert (told.problem, found.problem) == ("image-missing", None)
    assert "backslashes" in told.detail


@pytest.mark.parametrize("line", ['{"image": "a.png"', "[1, 2]", "17", '{"image": {"a": 1}}', "[" * 100_000])
def test_a_damaged_line_of_json_costs_itself_only(tmp_path: Path, line: str) -> None:
    good = json.dumps({"image": "a.png", "report": "Clear.", "study_id": "S1", "patient_id": "P1"})
    write(tmp_path / "a.png", picture())
    write(tmp_path / "m.jsonl", "\n".join([good, line, good.replace("S1", "S2").replace("a.png", "b.png")]))
    assert [s.problem for s in studies(tmp_path)] == [None, "row-malformed", None]


def test_a_number_that_is_none_is_an_empty_cell(tmp_path: Path) -> None:
    """As tables of numbers leave a cell empty: two patients without an identifier are not one patient."""
    write(tmp_path / "a.png", picture())
    columns = {"image": ["a.png"] * 3, "report": ["Clear."] * 3, "study_id": ["S1", "S2", "S3"]}
    table = pa.table({**columns, "patient_id": [1.0, float("nan"), float("nan")], "view": [float("nan")] * 3})
    pq.write_table(table, tmp_path / "m.parquet")
    found = studies(tmp_path)
    assert [(s.study_id, s.patient_id, s.problem) for s in found] == [
        ("S1", "1", None),
        ("S2", "", "patient-missing"),
        ("S3", "", "patient-missing"),
    ]
    assert {image.view for s in found for image in s.images} == {None}


@pytest.mark.parametrize("number", [7, 7.0, Decimal("7.00"), 12345678901234567, 1e16, 7.5, Decimal("7.50")])
def test_a_whole_number_is_the_same_identifier_in_every_type(tmp_path: Path, number: float | Decimal) -> None:
    """Else one patient could be two, in two splits."""
    write(tmp_path / "a.png", picture())
    cells = {"image": "a.png", "report": "Clear.", "study_id": "S1", "patient_id": number}
    pq.write_table(pa.Table.from_pylist([cells]), tmp_path / "m.parquet")
    expected = str(int(number)) if number == int(number) else "7.5"
    assert [(s.patient_id, s.problem) for s in studies(tmp_path / "m.parquet")] == [(expected, None)]
    if not isinstance(number, Decimal):
        write(tmp_path / "m.jsonl", json.dumps(cells))
        assert [(s.patient_id, s.problem) for s in studies(tmp_path / "m.jsonl")] == [(expected, None)]


def test_a_number_with_a_point_in_text_is_the_patient_that_it_is_without(tmp_path: Path) -> None:
    """Programs write 7 as 7.0 where another cell of the column was empty; two such tables may have been joined."""
    pictures(tmp_path)
    told = {"a.png": "7", "b.png": "7.0", "c.png": " 7.00 ", "sub/d.png": "7.0.0"}
    rows = [
        {"image": image, "report": "Clear. 7.0", "study_id": f"{n}.0", "patient_id": patient}
        for n, (image, patient) in enumerate(told.items())
    ]
    write(tmp_path / "m.csv", table(COLUMNS, rows))
    found = studies(tmp_path)
    assert [s.patient_id for s in found] == ["7", "7", "7", "7.0.0"]
    assert [s.study_id for s in found] == ["0", "1", "2", "3"]
    assert {s.report for s in found} == {"Clear. 7.0"}


@pytest.mark.parametrize("word", ["NA", "nan", "NaN", "None", "null", "<NA>", " N/A "])
def test_a_word_for_nothing_is_no_identifier_but_may_be_a_report(tmp_path: Path, word: str) -> None:
    """Two patients without an identifier are not one patient."""
    pictures(tmp_path)
    cells = {"report": word, "patient_id": "P1", "image_id": word}
    told = [{**cells, "image": "a.png", "study_id": "S1"}, {**cells, "image": "b.png", "study_id": word}]
    told += [{**cells, "image": f"{n}.png", "study_id": n, "patient_id": word} for n in ("c", "sub/d")]
    write(tmp_path / "m.csv", table(COLUMNS, told))
    assert [(s.problem, s.report, s.images[0].image_id) for s in studies(tmp_path)] == [
        (None, word, "a.png"),
        ("study-missing", word, "b.png"),
        ("patient-missing", word, "c.png"),
        ("patient-missing", word, "sub/d.png"),
    ]


def test_an_object_of_json_lines_may_leave_out_what_it_has_no_value_for(tmp_path: Path) -> None:
    pictures(tmp_path)
    known = {"image": "a.png", "study_id": "S1", "patient_id": "P1"}
    lines = [known, "[broken", {**known, "image": "b.png", "Report": "Clear.", "report_path": None}]
    text = "\n \n" + "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    write(tmp_path / "m.jsonl", text)
    found = studies(tmp_path)
    assert [(s.study_id, s.report, len(s.images), s.problem) for s in found] == [
        ("row-4", None, 0, "row-malformed"),
        ("S1", "Clear.", 2, None),
    ]


@pytest.mark.parametrize("name", ["m.csv", "m.tsv"])
@pytest.mark.parametrize("blank", ["\n", " \n\n", ",,,\n"])
def test_blank_lines_before_the_header_do_not_matter(tmp_path: Path, name: str, blank: str) -> None:
    pictures(tmp_path)
    text = blank + "image,report,study_id,patient_id\na.png,Clear.,S1,P1\nb.png,too few\n"
    write(tmp_path / name, text.replace(",", "\t") if name.endswith(".tsv") else text)
    line = text.count("\n")
    assert [(s.study_id, s.problem) for s in studies(tmp_path)] == [("S1", None), (f"row-{line}", "row-malformed")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.csv", "image,report,patient_id\n", "m.csv lacks the column study_id; it has image, report, patient_id"),
        ("m.csv", "image,study_id,patient_id\n", "m.csv lacks the column report or report_path; it has"),
        ("m.csv", "image,image,report,study_id,patient_id\n", "m.csv has the column image more than once"),
        ("m.csv", "x.png,Jane Roe has pneumonia,S1,MRN-4711\n", "m.csv has none of the columns image, "),
        ("m.csv", "Jane,images,pneumonia\n", "m.csv has none of the columns"),
        ("m.csv", "", "m.csv has none of the columns"),
        ("m.csv", "image,report,study_id,patient_id\n", "m.csv has a header and no rows"),
        ("m.parquet", b"PAR1 but no more", "m.parquet has none of the columns"),
        ("m.csv.gz", b"\x1f\x8bno", "m.csv.gz has none of the columns"),
    ],
)
def test_an_unusable_table_is_one_clear_line(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    write(tmp_path / name, content)
    with pytest.raises(DataError) as error:
        studies(tmp_path / name)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    assert not {"Jane", "jane", "pneumonia", "MRN-4711"} & set(str(error.value).replace(",", " ").split())


HEADER = "image,report,study_id,patient_id\n"


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("m.csv", HEADER.replace(",", ";"), "its columns are separated by semicolons, and .csv means commas"),
        ("m.csv", '\ufeff\n"Image"\t"Report"\n', "its columns are separated by tabs, and .csv means commas"),
        ("m.tsv", HEADER, "its columns are separated by commas, and .tsv means tabs"),
        ("m.csv.gz", gzip.compress(HEADER.replace(",", ";").encode()), "its columns are separated by semicolons"),
        ("m.csv", HEADER.encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
        ("m.jsonl", '[{"image": "a.png"}]', "JSON lines have an object in each line, and no list around them"),
        ("m.csv", "images,text,Study,patient\n", "write image for images, study_id for study, patient_id for patient"),
    ],
    ids=["semicolons", "tabs", "commas", "packed", "UTF-16", "other names", "a list"],
)
def test_a_header_that_is_misread_is_told_with_what_it_is(
    tmp_path: Path, name: str, content: str | bytes, hint: str
) -> None:
    write(tmp_path / name, content)
    with pytest.raises(DataError) as error:
        studies(tmp_path / name)
    assert hint in str(error.value)


def test_patients_whose_rows_an_open_quotation_mark_took_for_names_are_not_told(tmp_path: Path) -> None:
    rows = ["im/1.png,CANARY 1.,7,CANARY", 'im/2.png,A tube 3",8,CANARY']
    write(tmp_path / "m.csv", "\n".join(['image,report,study_id,"patient_id', *rows]))
    with pytest.raises(DataError, match="lacks the column patient_id; is a quotation mark in its header") as error:
        studies(tmp_path / "m.csv")
    assert "CANARY" not in str(error.value).upper()


def test_a_table_cut_short_is_an_error_not_a_smaller_table(tmp_path: Path) -> None:
    lines = [f"{n}.png,Report {n},S{n},P{n}" for n in range(2000)]
    packed = gzip.compress("\n".join(["image,report,study_id,patient_id", *lines]).encode())
    write(tmp_path / "m.csv.gz", packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"^m\.csv\.gz cannot be read to its end"):
        studies(tmp_path)


def large_table() -> dict[str, list[str]]:
    words = random.Random(3)
    report = ["".join(words.choices("abcdefgh ", k=50)) for _ in range(9000)]
    return {"image": [f"{n}.png" for n in range(9000)], "report": report, "study_id": report, "patient_id": report}


@pytest.mark.parametrize("place", [0.001, 0.4])
@pytest.mark.parametrize("name", ["m.csv.gz", "m.jsonl.gz", "m.parquet"])
def test_a_table_damaged_within_is_one_clear_line(tmp_path: Path, name: str, place: float) -> None:
    """Whatever unpacks it has exceptions of its own."""
    columns, buffer = large_table(), io.BytesIO()
    if name == "m.parquet":
        pq.write_table(pa.table(columns), buffer, use_dictionary=False)
    else:
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        lines = [",".join(row.values()) for row in rows] if "csv" in name else [json.dumps(row) for row in rows]
        text = "\n".join([*([",".join(columns)] if "csv" in name else []), *lines])
        buffer.write(gzip.compress(text.encode()))
    damaged = bytearray(buffer.getvalue())
    start = int(len(damaged) * place)
    damaged[start : start + 40] = bytes(255 - byte for byte in damaged[start : start + 40])
    write(tmp_path / name, bytes(damaged))
    with pytest.raises(DataError, match=rf"^{name} (cannot be read to its end; it is damaged|has none of the columns)"):
        studies(tmp_path)


@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_a_store_that_fails_while_a_table_is_read_is_told_as_the_store(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns, buffer = large_table(), io.BytesIO()
    if name == "m.parquet":
        pq.write_table(pa.table(columns), buffer)
    else:
        lines = [",".join(cells) for cells in zip(*columns.values(), strict=True)]
        buffer.write("\n".join([",".join(columns), *lines]).encode())
    fsspec.filesystem("memory").pipe(f"/late/{name}", buffer.getvalue())
    source = open_source(SourceConfig(kind="manifest", root=f"memory://late/{name}"))
    assert sum(1 for _ in source.studies()) == 9000
    reads = itertools.count()
    read = MemoryFile.read

    def fail(file: MemoryFile, size: int = -1) -> bytes:
        if next(reads) > 2:
            raise FSTimeoutError
        return read(file, size)

    monkeypatch.setattr(MemoryFile, "read", fail)
    with pytest.raises(ReadFailedError, match=r"^cannot read memory://late: the store failed"):
        list(source.studies())


def test_which_table_is_meant_must_be_clear(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no manifest: no table with the columns image, study_id, patient_id"):
        studies(tmp_path)
    write(tmp_path / "other.csv", "study,image\n")
    write(
        tmp_path / "m.csv", table(COLUMNS, [{"image": "a.png", "report": "C.", "study_id": "S1", "patient_id": "P1"}])
    )
    assert len(studies(tmp_path)) == 1
    write(tmp_path / "n.csv", "image,report,study_id,patient_id\n")
    with pytest.raises(UsageError, match=r"has 2 manifests \(m.csv, n.csv\); name the one you mean as root"):
        studies(tmp_path)
    write(tmp_path / "m.xlsx", "")
    with pytest.raises(UsageError, match=r"m.xlsx is none of .csv, .tsv"):
        studies(tmp_path / "m.xlsx")


cells = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12).map(str.strip)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=12))
def test_whatever_text_a_cell_holds_comes_back(texts: list[tuple[str, str, str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([("image", "report", "view"), *texts])
    wanted = ("image", "report", "view")
    back = [row.cells for row in rows(io.BytesIO(buffer.getvalue().encode()), "t.csv", wanted)]
    expected = [{k: v for k, v in zip(wanted, t, strict=True) if v} for t in texts if any(t)]
    assert back == expected


@given(st.lists(st.integers(0, 5)))
def test_grouping_keeps_every_row_once_and_every_key_together(keys: list[int]) -> None:
    numbered = list(enumerate(keys))
    groups = list(grouped(lambda: numbered, lambda row: (str(row[1]),)))
    assert sorted(row for group in groups for row in group) == numbered
    assert all(len({key for _, key in group}) == 1 for group in groups)
    assert len({group[0][1] for group in groups}) == len(groups) == len(set(keys))
    assert [group[-1][0] for group in groups] == sorted(group[-1][0] for group in groups)
