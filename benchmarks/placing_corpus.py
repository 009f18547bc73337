"""Synthetic corpora for the part `placing`: what listing and reading leave on disk for studies by the million.

Reports are drawn from a pool of generated ones that the project's own reader has read. Each is drawn as often as it
takes for findings to be about as frequent as in large archives, by raking; what occurs together is what the
generator draws together. Each study has a frontal and a lateral view; patients have 3.5 studies on average,
geometrically distributed.
"""

from __future__ import annotations

import itertools
import multiprocessing
import pickle
import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medcutmix_pipeline.pipeline.layout import Layout
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.schemas.tables import CANDIDATES, IMAGE_REF, LISTING
from medcutmix_pipeline.sources.phantom.anatomy import generator
from medcutmix_pipeline.sources.phantom.reports import Circumstances, write_report
from medcutmix_pipeline.sources.phantom.scene import draw_scene
from medcutmix_pipeline.stages.reading import matchable
from medcutmix_pipeline.stages.sentences.reader import ReportReader

if TYPE_CHECKING:
    from pathlib import Path

    from medcutmix_pipeline.schemas.records import Report

FREQUENCY = {
    "Atelectasis": 0.201,
    "Cardiomegaly": 0.197,
    "Consolidation": 0.047,
    "Edema": 0.119,
    "Enlarged Cardiomediastinum": 0.031,
    "Fracture": 0.019,
    "Lung Lesion": 0.028,
    "Lung Opacity": 0.226,
    "Pleural Effusion": 0.238,
    "Pleural Other": 0.009,
    "Pneumonia": 0.072,
    "Pneumothorax": 0.046,
}
"""Share of reports in which each is to be present: a long tail after MIMIC-CXR's (Johnson et al., arXiv:1901.07042, by
CheXpert's labeller), rounded and not checked against its table. What occurs together sets limits to it."""

NORMAL = 0.33
POOL = 4096
STUDIES_PER_PATIENT = 3.5
SPLITS = ("test", "train", "validate")
SPLIT_SHARES = (0.02, 0.96, 0.02)
CONFIG = Config()
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


@dataclass(frozen=True)
class Pool:
    """Reports as they were read, the codes of the findings on which each may be matched, and how often it is drawn."""

    reports: list[Report]
    findings: list[list[int]]
    weights: np.ndarray


def the_pool(folder: Path) -> Pool:
    """The pool, made once and kept."""
    kept = folder / f"pool-{POOL}.pickle"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(_make_pool()))
    pool: Pool = pickle.loads(kept.read_bytes())
    return pool


def _make_pool() -> Pool:
    reader = ReportReader(CONFIG.sentences)
    about = Circumstances("F", "pair", follow_up=False)
    reports: dict[str, Report] = {}
    for number in itertools.count():
        name = str(number)
        scene = draw_scene(0, name, name, dict.fromkeys((*FREQUENCY, "Support Devices"), 0.16), NORMAL, False)
        text = reader.clean(write_report(generator(0, "report", name), scene, about).text)
        if text:
            reports[text] = reader.read(text)
        if len(reports) == POOL:
            break
    kept = list(reports.values())
    findings = [matchable(report, reader.findings, CONFIG.pairing.exclude) for report in kept]
    return Pool(kept, findings, _raked(findings, list(reader.findings)))


def _raked(findings: list[list[int]], names: list[str]) -> np.ndarray:
    """float64 [reports], of sum 1: weights under which each finding is as frequent as it should be."""
    has = np.zeros((len(findings), len(names)), dtype=bool)
    for row, codes in enumerate(findings):
        has[row, codes] = True
    weights = np.full(len(findings), 1 / len(findings))
    targets = [(has[:, names.index(name)], share) for name, share in FREQUENCY.items()]
    targets.append((~has.any(axis=1), NORMAL))
    for _ in range(200):
        for marked, share in targets:
            now = weights[marked].sum()
            weights[marked] *= share / now
            weights[~marked] *= (1 - share) / (1 - now)
    return weights / weights.sum()


def make_corpus(folder: Path, pool_folder: Path, studies: int, processes: int) -> Layout:
    """The listing and the candidates of a corpus, made once; they are there whole when `folder/.build/made` is."""
    layout = Layout(folder)
    if not (layout.build / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        for path in (layout.listing(0), layout.candidates(0)):
            path.parent.mkdir(parents=True)
        size = CONFIG.ingest.studies_per_part
        parts = [(part, min(size, studies - start)) for part, start in enumerate(range(0, studies, size))]
        # Started anew and not forked: this process may have threads.
        with multiprocessing.get_context("spawn").Pool(processes, _load_columns, (pool_folder,)) as pool:
            for _ in pool.imap_unordered(partial(_write_part, layout), parts, chunksize=8):
                pass
        (layout.build / "made").touch()
    return layout


def parts_of(studies: int) -> int:
    """How many parts a corpus has."""
    return -(-studies // CONFIG.ingest.studies_per_part)


_columns: dict[str, Any] = {}


def _load_columns(folder: Path) -> None:
    pool = the_pool(folder)
    _columns["text"] = pa.array([report.text for report in pool.reports])
    _columns["findings"] = pa.array(pool.findings, pa.list_(pa.int16()))
    _columns["weights"] = pool.weights


def _write_part(layout: Layout, part: tuple[int, int]) -> None:
    number, studies = part
    rng = np.random.Generator(np.random.Philox(key=number))
    drawn = rng.choice(_columns["weights"].size, studies, p=_columns["weights"])
    new = rng.random(studies) < 1 / STUDIES_PER_PATIENT
    new[0] = True
    patient = np.cumsum(new) - 1
    split = rng.choice(len(SPLITS), studies, p=SPLIT_SHARES)[patient]
    patients, names, images = _names(rng, b"p-", studies), _names(rng, b"s-", studies), _names(rng, b"i-", 2 * studies)
    twice = pa.array(np.repeat(np.arange(studies), 2))
    shown = pa.array(np.repeat(drawn, 2))
    candidates = {
        "sample_id": images,
        "study_id": names.take(twice),
        "patient_id": patients.take(pa.array(np.repeat(patient, 2))),
        "view": pa.array(["frontal", "lateral"] * studies),
        "split": pa.array(SPLITS).take(pa.array(np.repeat(split, 2))),
        "text": _columns["text"].take(shown),
        "findings": _columns["findings"].take(shown),
        "image": pa.array(np.arange(2 * studies, dtype=np.int32)),
        "hash": pa.array(rng.integers(0, 2**64, 2 * studies, dtype=np.uint64)),
    }
    _write(pa.table(candidates).cast(CANDIDATES), layout.candidates(number))
    uri = pa.array([f"files/p{number:05d}/{image}.dcm" for image in images.to_pylist()])
    refs = {"image_id": images, "uri": uri, "view": candidates["view"], "fingerprint": images}
    fields = [refs.get(field.name, pa.nulls(2 * studies, pa.string())) for field in IMAGE_REF]
    offsets = pa.array(np.arange(0, 2 * studies + 1, 2, dtype=np.int32))
    listed = {
        "study_id": names,
        "patient_id": patients.take(pa.array(patient)),
        "images": pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(fields, fields=list(IMAGE_REF))),
        "split": pa.array(SPLITS).take(pa.array(split)),
    }
    empty = pa.nulls(studies, pa.string())
    _write(pa.table({name: listed.get(name, empty) for name in LISTING.names}).cast(LISTING), layout.listing(number))


def _names(rng: np.random.Generator, prefix: bytes, count: int) -> pa.Array:
    """string [count]: a prefix and 20 hexadecimal digits, as pseudonyms are."""
    letters = np.concatenate(
        [
            np.broadcast_to(np.frombuffer(prefix, np.uint8), (count, len(prefix))),
            _HEX[rng.integers(0, 16, (count, 20))],
        ],
        axis=1,
    )
    offsets = np.arange(0, letters.size + 1, letters.shape[1], dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(letters.tobytes()))


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path, compression="zstd", version="2.6", row_group_size=64 * 1024)
