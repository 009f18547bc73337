"""Files travel with the work where nodes share no folder: every byte of the dataset is the same."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from medcutmix_pipeline.pipeline import starting
from medcutmix_pipeline.pipeline.carry import Carried, Parcel, carried, received, unpacked, unpacking
from medcutmix_pipeline.pipeline.engine import SerialEngine
from medcutmix_pipeline.pipeline.tasks import Context
from medcutmix_pipeline.pipeline.work import attend_unit, draft_unit, ingest_rows, read_part, write_unit
from medcutmix_pipeline.stages.attention.encoder import load_encoder
from tests.builds import digests, run_build


class Apart(SerialEngine):
    """One process that may look at nothing of the working folder but what travels, as a node elsewhere."""

    description = "apart"

    def _do(self, work, context, paths, task, *rest):
        made = unpacking(work)(carried(context, paths), task, *rest)
        assert isinstance(made, Parcel) or not hasattr(made, "files")
        return received(made)

    def parts(self, context, tasks):
        return (self._do(read_part, context, [context.layout.listing(task.part)], task) for task in tasks)

    def units(self, context, tasks):
        with unpacked(carried(context, context.encoder_folder.iterdir())) as own:
            encoder = load_encoder(own.config.attention, own.encoder_folder)
        for task in tasks:
            placed = [context.layout.placed(task.unit)]
            ingested = self._do(ingest_rows, context, placed, task.ingest(context.layout))
            draft = self._do(draft_unit, context, placed, task, ingested)
            seen = attend_unit(encoder, ingested, draft)
            yield self._do(write_unit, context, placed, task, ingested, draft, seen)

    def ingest(self, context, tasks):
        return (self._do(ingest_rows, context, [task.table], task) for task in tasks)

    def call(self, work, context, task, reads=()):
        return self._do(work, context, reads, task)


def left_behind():
    return list(Path(tempfile.gettempdir()).glob("medcutmix-pipeline-work-*"))


def test_work_that_sees_only_what_travels_makes_the_same_bytes_and_leaves_nothing(
    studies, built, tmp_path, monkeypatch
):
    monkeypatch.setattr(starting, "_engine", lambda config: Apart())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run_build(studies, tmp_path / "apart")
    assert digests(tmp_path / "apart") == digests(built)
    assert left_behind() == []


def test_looking_again_at_rejects_forgets_no_part_in_which_nothing_was_mended(studies, tmp_path, monkeypatch):
    root, out = tmp_path / "studies", tmp_path / "out"
    shutil.copytree(studies, root)
    broken = [sorted((root / "reports").iterdir())[n] for n in (3, 70)]
    for report in broken:
        report.write_bytes(b"\xff" * 40)
    before, _ = run_build(root, out)
    assert before.counts.rejects
    monkeypatch.setattr(starting, "_engine", lambda config: Apart())
    after, told = run_build(root, out, retry_rejects=True)
    assert "read: 90 studies, 90 already done" in told
    assert after.counts == before.counts


def test_what_a_killed_process_left_behind_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone, alive = (tmp_path / f"medcutmix-pipeline-work-{process}-x" for process in (2**22 + 1, os.getpid()))
    for folder in (gone, alive):
        (folder / ".build").mkdir(parents=True)
    context = Context(tmp_path / "out", None, b"", False, "attempt")
    with unpacked(Carried(context, {"a/b": b"content"})) as own:
        assert (own.out / "a" / "b").read_bytes() == b"content"
        assert own.out.stat().st_mode & 0o077 == 0
        assert left_behind() == [alive, own.out] or left_behind() == [own.out, alive]
    assert left_behind() == [alive]
