"""Checks a dataset against its format and against itself, shard by shard."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from medcutmix_pipeline.dataset.file_checks import check_bytes, check_files
from medcutmix_pipeline.dataset.pixel_checks import check_mixes
from medcutmix_pipeline.dataset.plan_checks import check_plans
from medcutmix_pipeline.dataset.problems import Problem, expect
from medcutmix_pipeline.dataset.shard_checks import TarSample, check_member, read_shard
from medcutmix_pipeline.schemas.config import ShardsConfig
from medcutmix_pipeline.stages.pixel.bake import pixel_mixes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from medcutmix_pipeline.dataset.leakage import Leaks
    from medcutmix_pipeline.dataset.open import Dataset
    from medcutmix_pipeline.schemas.manifest import ShardFacts


def validate(
    dataset: Dataset, tick: Callable[[int], None] = lambda samples: None, leaks: Leaks | None = None
) -> list[Problem]:
    """Everything that is wrong with a dataset; empty where it keeps every promise of the format.

    Memory: one shard, the ids of all samples and plans, and the text of each study.

    Args:
        tick: told the number of samples of each shard that is through.
        leaks: gathers the samples of shards that keep every promise, to say what stands in more than one split.
    """
    dataset.bring()
    return _Validation(dataset, leaks).run(tick)


class _Validation:
    def __init__(self, dataset: Dataset, leaks: Leaks | None) -> None:
        self.dataset, self.folder, self.leaks = dataset, dataset.folder, leaks
        self.problems: list[Problem] = []
        self.samples: set[str] = set()
        self.plans: set[str] = set()
        self.mixes: set[str] = set()
        self.texts: dict[str, str] = {}
        self.splits: dict[str, str] = {}

    def run(self, tick: Callable[[int], None]) -> list[Problem]:
        for shard in self.dataset.manifest.shards:
            self._check_shard(shard)
            tick(shard.samples)
        self.problems.extend(check_files(self.dataset))
        if not self.problems:  # counting what is damaged would only repeat what is already told
            self.problems.extend(self._sentences())
            self.problems.extend(self._counts())
        return self.problems

    def _check_shard(self, shard: ShardFacts) -> None:
        paths = [self.folder / "shards" / f"{shard.name}.tar"]
        paths += [self.folder / kind / f"{shard.name}.parquet" for kind in ("plans", "samples")]
        hashes = [shard.sha256.tar, shard.sha256.plans, shard.sha256.samples]
        if shard.pixel is not None:
            paths.append(self.folder / "pixel" / f"{shard.name}.tar")
            hashes.append(shard.pixel.sha256)
        before = len(self.problems)
        for path, sha in zip(paths, hashes, strict=True):
            self.problems.extend(check_bytes(path, f"{path.parent.name}/{path.name}", sha))
        if len(self.problems) > before:
            return
        try:
            self._check_content(shard, paths)
        except Exception as why:  # whatever a forged file does to the libraries that read it
            self.problems.append(Problem(shard.name, f"cannot be read ({type(why).__name__})"))

    def _check_content(self, shard: ShardFacts, paths: list[Path]) -> None:
        before = len(self.problems)
        members = read_shard(paths[0], self.problems)
        plan_rows = pq.read_table(paths[1]).to_pylist()
        sample_rows = pq.read_table(paths[2]).to_pylist()
        counted = (len(members), len(plan_rows), paths[0].stat().st_size)
        if len(members) != len(sample_rows) or counted != (shard.samples, shard.plans, shard.bytes):
            self.problems.append(Problem(shard.name, "tar, tables and dataset.json disagree on how much there is"))
            return
        for member, row in zip(members, sample_rows, strict=True):
            self.problems.extend(check_member(member, row, f"{shard.name}/{member.key}"))
            self.problems.extend(self._once(row, shard))
        records = [m.record for m in members]
        self.problems.extend(check_plans(records, [r["text"] for r in sample_rows], plan_rows, shard.name))
        for row in plan_rows:
            self.problems.extend(
                expect(row["plan_id"] not in self.plans, shard.name, f"plan {row['plan_id']} comes twice")
            )
            self.plans.add(row["plan_id"])
        if len(self.problems) == before:  # mixes of a damaged shard cannot be right
            self._check_pixel(shard, paths[-1], members, plan_rows)
            for member, row in zip(members, sample_rows, strict=True):
                if self.leaks:
                    self.leaks.add(row, member.image)

    def _check_pixel(
        self, shard: ShardFacts, path: Path, members: list[TarSample], plan_rows: list[dict[str, Any]]
    ) -> None:
        config = self.dataset.manifest.config
        shards = ShardsConfig.model_validate(config["shards"])
        asked = shards.pixel and shard.plans > 0
        if (shard.pixel is not None) != asked:
            what = "has no pixel mixes, and they were asked for" if asked else "has pixel mixes that nobody asked for"
            self.problems.append(Problem(shard.name, what))
        elif shard.pixel is not None:
            mixes = pixel_mixes([m.files for m in members], shards, config["seed"])
            texts = {row["plan_id"]: row["mixed_text"] for row in plan_rows}
            self.mixes |= check_mixes(path, shard.pixel, mixes, texts, self.problems)

    def _once(self, row: dict[str, Any], shard: ShardFacts) -> Iterator[Problem]:
        where = f"{shard.name}/{row['sample_id']}"
        yield from expect(row["sample_id"] not in self.samples, where, "the sample comes twice")
        yield from expect(
            row["split"] == shard.split and row["shard"] == shard.name, where, "stands in the wrong shard"
        )
        self.samples.add(row["sample_id"])
        self.texts.setdefault(row["study_id"], row["text"])
        yield from expect(self.texts[row["study_id"]] == row["text"], where, "its study has another text elsewhere")
        self.splits.setdefault(row["patient_id"], row["split"])
        yield from expect(self.splits[row["patient_id"]] == row["split"], where, "its patient is in another split, too")

    def _sentences(self) -> Iterator[Problem]:
        for batch in self.dataset.table("sentences").to_batches():
            for row in batch.to_pylist():
                where = f"sentences, study {row['study_id']}"
                if row["study_id"] in self.texts:
                    cut = self.texts[row["study_id"]][row["start"] : row["end"]]
                    yield from expect(cut == row["sentence"], where, "the span does not cut out the sentence")
                yield from expect(row["mention"] in row["sentence"], where, "the mention is not in its sentence")

    def _counts(self) -> Iterator[Problem]:
        """Nothing vanished between the source and the dataset."""
        manifest = self.dataset.manifest
        rejects = self.dataset.table("rejects").to_table().to_pylist()
        images = Counter(row["input"] for row in rejects if row["kind"] == "image")
        studies = sum(1 for row in rejects if row["kind"] == "study")
        told = manifest.counts
        where = "dataset.json"
        yield from expect(told.samples == len(self.samples), where, "counts.samples is off")
        yield from expect(told.plans == len(self.plans), where, "counts.plans is off")
        yield from expect(self.mixes.isdisjoint(self.samples), where, "a pixel mix bears the key of a sample")
        yield from expect(told.rejects == dict(Counter(r["reason"] for r in rejects)), where, "counts.rejects is off")
        yield from expect(
            told.plans_by_disease == self.dataset.plans.count_by("disease"), where, "counts.plans_by_disease is off"
        )
        lost = manifest.source.images - len(self.samples) - images.total()
        yield from expect(lost == 0, where, f"{lost} images are neither samples nor rejects")
        lost = manifest.source.studies - len(self.texts) - studies
        yield from expect(lost == 0, where, f"{lost} studies are neither in samples nor in rejects")
