"""Queries read four tables, and can do nothing else."""

from __future__ import annotations

import collections
import sys

import pyarrow.parquet as pq
import pytest

from medcutmix_pipeline.dataset import Dataset
from medcutmix_pipeline.errors import UsageError


@pytest.fixture(scope="module")
def dataset(built):
    return Dataset(built)


def test_an_answer_is_what_the_table_says(dataset):
    counted = dict(collections.Counter(pq.read_table(dataset.folder / "plans")["disease"].to_pylist()))
    rows = dataset.sql("select disease, count(*) n from plans group by 1").to_pylist()
    assert {row["disease"]: row["n"] for row in rows} == counted


def test_tables_can_be_joined_and_labels_read_by_finding(dataset):
    [row] = dataset.sql(
        "select count(*) n, count(*) filter (mixed_labels[disease] = 'present') present "
        "from plans p join samples s on s.sample_id = p.host_id"
    ).to_pylist()
    assert row["n"] == row["present"] == len(dataset.plans)  # what the format promises of a mixed report


def hostile(folder):
    secret, target = folder / "secret.csv", folder / "written"
    tables = f"{folder}/*.parquet"
    yield from (
        f"select * from '{secret}'",
        f"select * from read_csv('{secret}')",
        f"select * from read_text('{secret}')",
        f"select * from read_blob('{secret}')",
        f"select * from glob('{folder}/*')",
        f"select * from read_parquet('{tables}')",
        f"copy plans to '{target}.csv'",
        f"copy (select 1) to '{target}.parquet' (format parquet)",
        f"export database '{target}'",
        f"attach '{target}.db' as other",
        f"attach '{target}.db' as other; create table other.t as select * from plans",
        f"set temp_directory = '{target}'",
        f"set home_directory = '{target}'",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "reset enable_external_access",
        "pragma enable_external_access = true",
        "set python_enable_replacements = true",
        "install httpfs",
        "load httpfs",
        "select * from 'https://example.org/x.csv'",
        "select * from dataset",  # a variable of this process
        "select getenv('HOME')",
        "create persistent secret (type s3)",
        f"load '{target}.duckdb_extension'",
    )


def test_no_query_reads_or_writes_a_file_or_unlocks_the_database(dataset, tmp_path):
    (tmp_path / "secret.csv").write_text("name\nnobody\n")
    before = sorted(tmp_path.rglob("*")), sorted(dataset.folder.rglob("*"))
    for query in hostile(tmp_path):
        with pytest.raises(UsageError) as told:
            dataset.sql(query)
        assert "nobody" not in str(told.value)
        assert "\n" not in str(told.value)
    assert (sorted(tmp_path.rglob("*")), sorted(dataset.folder.rglob("*"))) == before


def test_a_query_changes_nothing_for_the_next(dataset):
    dataset.sql("create table mine as select * from plans")
    with pytest.raises(UsageError, match="mine"):
        dataset.sql("select * from mine")


def test_without_duckdb_the_message_says_what_to_install(dataset, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match=r"pip install 'medcutmix-pipeline\[inspect\]'"):
        dataset.sql("select 1")


@pytest.mark.parametrize("query", ["select lambda from plans", "select avg(LAMBDA) l from plans"])
def test_a_keyword_that_is_a_column_is_told_to_need_its_quotation_marks(dataset, query):
    with pytest.raises(UsageError, match='the column is "lambda", in quotation marks'):
        dataset.sql(query)
    assert dataset.sql('select "lambda" from plans').num_rows == len(dataset.plans)


@pytest.mark.parametrize(
    "query", ['select nothing, "lambda" from plans', "select list_filter([1], lambda x, i: x > nothing) from plans"]
)
def test_a_query_that_fails_for_another_reason_is_told_nothing_of_keywords(dataset, query):
    with pytest.raises(UsageError) as told:
        dataset.sql(query)
    assert "keyword" not in str(told.value)
