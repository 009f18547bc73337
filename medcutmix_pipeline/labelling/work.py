"""Labels a table of reports on all cores, in order, holding a bounded number of rows."""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.errors import DataError, UsageError
from medcutmix_pipeline.labelling.cells import identifier_of, report_of
from medcutmix_pipeline.labelling.formats import STANDARD, Format, Row, format_of
from medcutmix_pipeline.labelling.reading import read_rows
from medcutmix_pipeline.labelling.writing import row_writer
from medcutmix_pipeline.outfile import refuse_inputs
from medcutmix_pipeline.pipeline.machine import cpus
from medcutmix_pipeline.stages.sentences.label import explain, label_texts
from medcutmix_pipeline.stages.sentences.opening import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from medcutmix_pipeline.schemas.config import SentencesConfig
    from medcutmix_pipeline.stages.sentences import ReportReader

CHUNK = 256
"""Reports that a worker takes at a time."""

AHEAD = 3
"""Chunks in flight for each worker."""

REASON_COLUMNS = ["sentence", "mention", "finding", "assertion", "rule"]

_Chunk = list[tuple[Any, str]]
_own_reader: ReportReader | None = None
_own_explains = False


@dataclass(slots=True)
class LabelCounts:
    """What was labelled: reports, those without any text, and reports by finding of which it is present."""

    reports: int = 0
    empty: int = 0
    present: dict[str, int] = field(default_factory=dict)


def label_file(
    source: str,
    out: str,
    *,
    text: str,
    config: SentencesConfig,
    id_column: str | None = None,
    explained: bool = False,
    workers: int | None = None,
    source_format: str | None = None,
    out_format: str | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> LabelCounts:
    """Label the reports in column `text` of a table (CSV, TSV, JSON lines, plain or .gz; Parquet; "-": standard input).

    The output is such a table, plain; "-": standard output. A row of it has the identifier (column `id_column`, else
    `row`: the row's number from 0) and a column for each finding: present, uncertain, absent or empty. With `explained`
    it has a row for each mention instead: identifier, sentence, mention, finding, assertion, rule. `workers`: processes
    (None: one for each core). `progress` is called with the number of reports done since it was called last.

    Raises UsageError for a missing file or column, an unknown format, a lexicon that is wrong, an identifier's column
    that is called like one of the output, or an output that is the input; DataError for a malformed table, and where
    a process that labels is killed.
    """
    read_as, write_as = format_of(source, source_format, packed=True), format_of(out, out_format)
    if STANDARD not in (source, out):
        refuse_inputs(out, source, config.lexicon)
    reader = open_reader(config)
    name = id_column or "row"
    columns = [name, *(REASON_COLUMNS if explained else reader.findings)]
    if name in columns[1:]:
        raise UsageError(f"the output has a column {name} of its own: rename the column with the identifiers")
    chunks = _chunks(_keyed(source, read_as, text, id_column))
    # A column that is missing shows at the first rows: before anything is written.
    chunks = chain(list(islice(chunks, 1)), chunks)
    counts = LabelCounts()
    with row_writer(out, write_as, columns) as write:
        for chunk, results in _labelled(chunks, reader, config, explained, workers or cpus()):
            for (key, report), found in zip(chunk, results, strict=True):
                for row in found:
                    write({name: key, **row})
                _count(counts, report, found, explained)
            progress(len(chunk))
    return counts


def _keyed(source: str, form: Format, text: str, id_column: str | None) -> Iterator[tuple[Any, str]]:
    """Each row's identifier, or its number, and its report."""
    columns = list(dict.fromkeys([text, id_column or text]))
    for number, (place, row) in enumerate(read_rows(source, form, columns)):
        try:
            keyed = identifier_of(row[id_column]) if id_column else number, report_of(row[text])
        except ValueError as why:
            raise DataError(f"{source}: {place}: {why}") from None
        yield keyed


def _chunks(keyed: Iterator[tuple[Any, str]]) -> Iterator[_Chunk]:
    while chunk := list(islice(keyed, CHUNK)):
        yield chunk


def _labelled(
    chunks: Iterator[_Chunk], reader: ReportReader, config: SentencesConfig, explained: bool, workers: int
) -> Iterator[tuple[_Chunk, list[list[Row]]]]:
    """Chunks with their results, in order; in this process where there is no more than one chunk or worker."""
    first = list(islice(chunks, 2))
    if workers == 1 or len(first) < 2:
        for chunk in _chain(first, chunks):
            yield chunk, _results([report for _, report in chunk], reader, explained)
        return
    context = multiprocessing.get_context("spawn")  # fork would copy the locks of the caller's threads
    pending: deque[tuple[_Chunk, Future[list[list[Row]]]]] = deque()
    with ProcessPoolExecutor(workers, context, _start_worker, (config, explained)) as pool:
        try:
            for chunk in _chain(first, chunks):
                pending.append((chunk, pool.submit(_work, [report for _, report in chunk])))
                if len(pending) >= workers * AHEAD:
                    done, future = pending.popleft()
                    yield done, future.result()
            while pending:
                done, future = pending.popleft()
                yield done, future.result()
        except BrokenProcessPool:
            raise DataError("a process that labelled was killed, as for want of memory: take fewer --workers") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _chain(first: list[_Chunk], rest: Iterator[_Chunk]) -> Iterator[_Chunk]:
    yield from first
    yield from rest


def _start_worker(config: SentencesConfig, explained: bool) -> None:
    global _own_reader, _own_explains  # one reader for each worker process
    _own_reader, _own_explains = open_reader(config), explained


def _work(reports: list[str]) -> list[list[Row]]:
    if _own_reader is None:
        raise RuntimeError("the worker has not been started")
    return _results(reports, _own_reader, _own_explains)


def _results(reports: list[str], reader: ReportReader, explained: bool) -> list[list[Row]]:
    if explained:
        return [
            [{column: getattr(reason, column) for column in REASON_COLUMNS} for reason in explain(report, reader)]
            for report in reports
        ]
    return [[{name: labels.get(name) for name in reader.findings}] for labels in label_texts(reports, reader)]


def _count(counts: LabelCounts, report: str, found: list[Row], explained: bool) -> None:
    counts.reports += 1
    counts.empty += not report.strip()
    said = {row["finding"] for row in found if row["assertion"] == "present"} if explained else set[str]()
    if not explained:
        said = {name for name, assertion in found[0].items() if assertion == "present"}
    for name in sorted(said):
        counts.present[name] = counts.present.get(name, 0) + 1
