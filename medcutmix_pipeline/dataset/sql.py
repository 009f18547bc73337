"""SQL over a dataset's tables, and over nothing else."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.schemas.tables import TABLES

if TYPE_CHECKING:
    from medcutmix_pipeline.dataset.open import Dataset

_BARE_LAMBDA = re.compile(r'(?<!")\blambda\b(?!")(?!\s+\w+(\s*,\s*\w+)*\s*:)', re.IGNORECASE)
"""The column without its quotation marks; `lambda x: …` is DuckDB's own."""


def ask(dataset: Dataset, query: str) -> pa.Table:
    """The answer of DuckDB to one query.

    The tables are handed over as Arrow streams, and then DuckDB is locked: a query reads these tables and can neither
    open nor write a file, reach the network, load an extension, or unlock it again.

    Raises:
        UsageError: DuckDB is not installed, or it cannot answer the query, with its reason.
    """
    try:
        import duckdb
    except ModuleNotFoundError:
        raise UsageError(
            "queries need DuckDB, which is not installed: pip install 'medcutmix-pipeline[inspect]'"
        ) from None
    with duckdb.connect(":memory:") as connection:
        for name in TABLES:
            connection.register(name, dataset.table(name))
        connection.execute("set temp_directory = ''")  # what does not fit into memory fails, instead of being written
        connection.execute("set python_enable_replacements = false")  # no variable of this process is a table
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        try:
            return _answer(connection, query)
        except duckdb.Error as why:
            raise UsageError(_told(str(why), query)) from None


def as_facts(answer: pa.Table) -> dict[str, Any]:
    """An answer as it goes to JSON: `columns` with name and type, and `rows` as lists of values.

    Maps become objects; numbers that JSON does not know become null.
    """
    columns = [{"name": field.name, "type": str(field.type)} for field in answer.schema]
    values = [
        [_plain(value, field.type) for value in answer.column(i).to_pylist()] for i, field in enumerate(answer.schema)
    ]
    return {"columns": columns, "rows": [list(row) for row in zip(*values, strict=True)]}


def _plain(value: Any, kind: pa.DataType) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return dict(value) if value is not None and pa.types.is_map(kind) else value


def _answer(connection: Any, query: str) -> pa.Table:
    asked = connection.sql(query)
    if asked is None:
        raise UsageError("the query asks for no rows; ask, for example: select * from plans limit 5")
    answer: pa.Table = asked.to_arrow_table()
    return answer


def _told(message: str, query: str) -> str:
    """DuckDB's reason in one line: kind and cause, without the picture of where in the query it stands."""
    hint = '; lambda is a keyword: the column is "lambda", in quotation marks' if _BARE_LAMBDA.search(query) else ""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    kept = [line for line in lines if not line.startswith(("LINE ", "^"))]
    return f"the query cannot be answered: {' '.join(kept)}{hint}; there are the tables {', '.join(TABLES)}"
