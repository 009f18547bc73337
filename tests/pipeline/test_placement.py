"""Placing on disk: the rows that a plain computation wants in each shard, without holding the corpus."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medcutmix_pipeline.pipeline import corpus as corpora
from medcutmix_pipeline.pipeline import distribution, placement, spill
from medcutmix_pipeline.pipeline.layout import Layout
from medcutmix_pipeline.schemas.config import Config
from medcutmix_pipeline.schemas.tables import CANDIDATES, LISTING
from tests.stages import plain_placing as plain


@dataclass
class Sample:
    name: str
    split: str
    view: str
    findings: list[int]
    hash: int

    @property
    def uri(self) -> str:
        return f"files/{self.name}.png"


def corpus(seed, samples):
    rng = np.random.default_rng(seed)
    return [
        Sample(
            name=f"i{n:05d}",
            split=str(rng.choice(["train", "validate", "test"], p=[0.8, 0.15, 0.05])),
            view=str(rng.choice(["frontal", "lateral"])),
            findings=sorted(set((rng.geometric(0.3, rng.integers(0, 3)) - 1).tolist())),
            hash=int(rng.integers(0, 2**64, dtype=np.uint64)),
        )
        for n in range(samples)
    ]


def written(layout, parts):
    """The parts as listing and reading leave them; every other image that is listed was rejected."""
    for path in (layout.listing(0), layout.candidates(0)):
        path.parent.mkdir(parents=True)
    for number, samples in enumerate(parts):
        images = [{"image_id": n, "uri": u} for s in samples for n, u in (("bad", "files/bad.png"), (s.name, s.uri))]
        listed = [{"study_id": "s", "patient_id": "p", "images": images}]
        pq.write_table(pa.Table.from_pylist(listed, LISTING), layout.listing(number))
        rows = [
            {
                "sample_id": s.name,
                "study_id": f"s-{s.name}",
                "view": s.view,
                "split": s.split,
                "text": f"The report of {s.name}.",
                "findings": s.findings,
                "image": 2 * n + 1,
                "hash": s.hash,
            }
            for n, s in enumerate(samples)
        ]
        pq.write_table(pa.Table.from_pylist(rows, CANDIDATES), layout.candidates(number))
    return layout


def placed(layout, parts, config, most=0):
    found = corpora.load_corpus(layout, parts)
    placing = placement.place_corpus(layout, found, config, most)
    ticks = []
    units, fitted = distribution.distribute(layout, found, placing, ticks.append)
    assert sum(ticks) == found.samples == sum(unit.samples for unit in units)
    return found, units, fitted


@pytest.fixture
def small_ranges(monkeypatch):
    monkeypatch.setattr(placement, "SAMPLES_AT_ONCE", 32)
    monkeypatch.setattr(corpora, "ROWS_AT_ONCE", 24)


@pytest.fixture
def folders(tmp_path):
    """A new folder for each call."""
    return (tmp_path / str(n) for n in range(10_000))


@pytest.mark.usefixtures("small_ranges")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1000),
    samples=st.integers(1, 150),
    part=st.integers(1, 40),
    size=st.integers(2, 40),
    most=st.integers(0, 60),
)
def test_the_files_of_every_shard_hold_what_a_plain_computation_puts_there(folders, seed, samples, part, size, most):
    told = corpus(seed, samples)
    parts = [told[start : start + part] for start in range(0, samples, part)]
    layout = written(Layout(next(folders)), [*parts, []])  # no candidate may come of a part
    config = Config.model_validate({"shards": {"samples_per_shard": size}, "pairing": {"clump": 4}})
    _, units, _ = placed(layout, len(parts) + 1, config, most)
    names = sorted({s.split for s in told})
    columns = [[names.index(s.split) for s in told], [int(s.view == "lateral") for s in told]]
    anchors, hashes = plain.rarest([s.findings for s in told]), [s.hash for s in told]
    stand = plain.shards(*columns, anchors, hashes, 4, size)
    numbers = [n - [split for split, _ in stand].index(split) for n, (split, _) in enumerate(stand)]
    assert [u.name for u in units] == [f"{names[s]}-{n:06d}" for n, (s, _) in zip(numbers, stand, strict=True)]
    for unit, (split, members) in zip(units, stand, strict=True):
        path = layout.placed(unit.name)
        rows = pq.read_table(path).to_pylist()
        assert [(r["sample_id"], r["text"], r["uri"], r["view"], r["split"]) for r in rows] == [
            (s.name, f"The report of {s.name}.", s.uri, s.view, s.split) for s in (told[m] for m in members)
        ]
        assert (unit.split, unit.samples) == (names[split], len(members))
        assert unit.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    chosen = plain.for_fit([s.split for s in told], [s.findings for s in told], hashes, most)
    assert pq.read_table(layout.work / "fit.parquet")["sample_id"].to_pylist() == [told[i].name for i in chosen]
    assert not any((layout.work / "placing").iterdir())


def test_the_same_corpus_in_other_parts_and_ranges_gives_the_same_bytes(tmp_path, monkeypatch):
    told = corpus(3, 400)
    config = Config.model_validate({"shards": {"samples_per_shard": 32}})
    made = []
    for part, at_once in ((400, 1 << 16), (100, 50), (7, 16)):
        monkeypatch.setattr(placement, "SAMPLES_AT_ONCE", at_once)
        monkeypatch.setattr(corpora, "ROWS_AT_ONCE", at_once)
        parts = [told[start : start + part] for start in range(0, 400, part)]
        _, units, fitted = placed(written(Layout(tmp_path / str(part)), parts), len(parts), config, 100)
        made.append((units, fitted))
    assert made[0] == made[1] == made[2]


@pytest.mark.usefixtures("small_ranges")
def test_what_is_held_at_once_does_not_grow_with_the_corpus(tmp_path, monkeypatch):
    held = []

    def watched(take):
        def watching(self, bucket):
            taken = take(self, bucket)
            held.append(len(taken))
            return taken

        return watching

    monkeypatch.setattr(spill.NumberSpill, "take", watched(spill.NumberSpill.take))
    monkeypatch.setattr(spill.RowSpill, "take", watched(spill.RowSpill.take))
    most = []
    config = Config.model_validate({"shards": {"samples_per_shard": 16}})
    for samples in (400, 4000):
        held.clear()
        told = corpus(5, samples)
        parts = [told[start : start + 20] for start in range(0, samples, 20)]
        layout = written(Layout(tmp_path / str(samples)), parts)
        placed(layout, len(parts), config)
        assert sum(held) >= 4 * samples  # every sample went through every pass
        most.append(max(held))
    # Ranges of 32 hashes on average; 72 is seven standard deviations more.
    assert max(most) <= 72


def test_findings_that_two_samples_share_are_counted_within_split_and_view(tmp_path):
    alike = [
        Sample(f"i{n}", split, view, [2], n)
        for n, (split, view) in enumerate([("train", "frontal"), ("train", "lateral"), ("test", "frontal")])
    ]
    apart = written(Layout(tmp_path / "apart"), [alike])
    assert corpora.load_corpus(apart, 1).pairable() == 0
    met = written(Layout(tmp_path / "met"), [alike, [Sample("i4", "test", "frontal", [0, 2], 9)]])
    assert corpora.load_corpus(met, 2).pairable() == 1


def test_results_come_in_turn_and_few_wait(monkeypatch):
    begun = []
    results = spill.in_turn(lambda n: begun.append(n) or n, iter(range(100)), threads=2)
    assert next(results) == 0
    assert len(begun) <= 5
    assert list(results) == list(range(1, 100))


def test_work_that_fails_is_told_where_its_result_was_due():
    results = spill.in_turn(lambda n: 1 // n, [1, 0, 1], threads=1)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize(("samples", "at_once"), [(0, 4096), (2_800, 4096), (140_000, 8_750), (1 << 24, 1 << 16)])
def test_a_small_corpus_is_placed_in_small_ranges_and_a_large_one_in_bounded_ones(samples, at_once):
    assert corpora.Corpus([], np.array([0, samples]), np.zeros((0, 2, 0))).at_once == at_once
