"""A build from beginning to end: list → read → place → fit → shards → finish, skipping what is already done."""

from __future__ import annotations

import shlex
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.errors import DataError
from medcutmix_pipeline.pipeline.atomic import remove, write_json
from medcutmix_pipeline.pipeline.corpus import load_corpus
from medcutmix_pipeline.pipeline.distribution import distribute
from medcutmix_pipeline.pipeline.finish import Made, finish
from medcutmix_pipeline.pipeline.fitting import Fit
from medcutmix_pipeline.pipeline.identity import part_key, unit_key, with_whole_paths
from medcutmix_pipeline.pipeline.listing import Listing, list_studies
from medcutmix_pipeline.pipeline.lock import exclusive
from medcutmix_pipeline.pipeline.machine import arrow_memory_returned
from medcutmix_pipeline.pipeline.output import check_output
from medcutmix_pipeline.pipeline.ownership import claim
from medcutmix_pipeline.pipeline.pieces import Pieces
from medcutmix_pipeline.pipeline.pixel import pixel_tasks
from medcutmix_pipeline.pipeline.placement import Unit, place_corpus
from medcutmix_pipeline.pipeline.retry import retry_encoder, retry_parts, retry_units
from medcutmix_pipeline.pipeline.secrets import load_key
from medcutmix_pipeline.pipeline.starting import Starter
from medcutmix_pipeline.pipeline.tasks import Context, PartTask, UnitTask
from medcutmix_pipeline.schemas.manifest import DatasetManifest, EncoderFacts
from medcutmix_pipeline.sources import Source, describe_sources, open_source
from medcutmix_pipeline.stages.attention.encoder import Identity, check_encoder, encoder_identity
from medcutmix_pipeline.stages.pairing.excluded import check_excluded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medcutmix_pipeline.pipeline.progress import Reporter
    from medcutmix_pipeline.pipeline.storage.mirror import Mirror
    from medcutmix_pipeline.schemas.config import Config


def build(
    config: Config, out: Path | str, reporter: Reporter, *, fresh: bool = False, retry_rejects: bool = False
) -> DatasetManifest:
    """Build a dataset into a folder or an object store, or go on with a build that was cut off.

    Args:
        out: the output folder, made where it is missing; or an URL such as `s3://bucket/prefix`, into which the
            dataset is brought from `engine.work_dir`.
        fresh: forget what an earlier build left there.
        retry_rejects: read inputs that an earlier build rejected once more, even if they look as they did.

    Raises:
        UsageError: the call or the configuration is at fault; nothing has been written.
        DataError: the input is at fault.
    """
    config = with_whole_paths(config)
    source = open_source(config.source)
    check_encoder(config.attention)
    layout, mirror = check_output(config, out)
    context = Context(layout.out, config, load_key(config.privacy.key_file), source.public_ids, uuid.uuid4().hex)
    # A lexicon that cannot be read, and a finding that it does not have, are to be told before anything is started.
    check_excluded(config.pairing, context.reader.findings)
    with exclusive(layout.lock), arrow_memory_returned(), ExitStack() as stack:
        claim(layout)
        if mirror:
            stack.enter_context(mirror.held())
        engine = Starter(context, reporter, stack, must_share=mirror is None)
        own_ray = config.engine.kind == "ray" and config.engine.ray_address is None
        if fresh or retry_rejects or not own_ray or not layout.begun:
            engine()  # it will be needed, or costs nothing: what keeps it from starting is told at once
        layout.clear() if fresh else layout.tidy()  # only now: no mistake in the call may cost a dataset
        context.staging.mkdir(parents=True)
        reporter.keep_log(layout.build / "run.log")
        if mirror:
            mirror.begin(reporter, fresh)
        return _Build(context, source, engine, reporter, mirror, retry_rejects).run()


@dataclass
class _Build:
    """One run of a build over an output that is locked."""

    context: Context
    source: Source
    engine: Starter
    reporter: Reporter
    mirror: Mirror | None
    retry_rejects: bool

    def __post_init__(self) -> None:
        self.layout = self.context.layout
        self.config = self.context.config
        # A command that turns out to be a mistake once the source is read is to leave such a dataset as it is.
        self.finished = self.layout.manifest.is_file() or (self.mirror is not None and self.mirror.published)
        most = self.config.engine.max_reject_rate
        self.brought: Identity | None = None
        self.pieces = Pieces(self.layout, self.mirror, self.reporter, most, self.begin_writing)

    def run(self) -> DatasetManifest:
        self.reporter.log("start", engine=self.engine.description)
        try:
            return self.go()
        except DataError:
            if self.finished and self.layout.manifest.is_file():
                self.reporter.say("the dataset that stands there is as it was")
            elif self.pieces.rejects:
                shown = shlex.join(["medcutmix-pipeline", "inspect", str(self.layout.out), "--rejects", "20"])
                self.reporter.say(f"what was rejected: {shown}")
            raise

    def go(self) -> DatasetManifest:
        listing = self.list_studies()
        if self.config.attention.encoder != "fit":  # what is wrong with its weights is told before reports are read
            self.brought = encoder_identity(self.config.attention, None)
        self.read(listing)
        units, fit_rows = self.place(listing)
        encoder = self.encode(fit_rows)
        self.make(units, encoder)
        self.bake(units)
        if self.pieces.held:
            self.begin_writing()
        licence = next(d.licence for d in describe_sources() if d.kind == self.source.kind)
        manifest = finish(self.context, Made(listing, units, encoder), licence, self.write_run_report)
        if self.mirror:
            self.mirror.publish(self.reporter)
        if cut := manifest.counts.truncated_sentences:
            self.reporter.say(f"{cut:,} sentences are longer than the encoder reads: their maps are of how they begin")
        self.reporter.log("done", samples=manifest.counts.samples, plans=manifest.counts.plans)
        return manifest

    def list_studies(self) -> Listing:
        stage = self.reporter.stage("list", "studies")
        listing = list_studies(self.source, self.config, self.layout, stage.advance)
        stage.end()
        self.pieces.images = listing.images
        return listing

    def read(self, listing: Listing) -> None:
        tasks = [PartTask(n, part_key(self.context, sha)) for n, sha in enumerate(listing.parts)]
        if self.retry_rejects:
            self._retry(retry_parts, "reports", tasks)
        stage = self.reporter.stage("read", "studies", listing.studies)
        self.pieces.run(lambda some: self.engine().parts(self.context, some), tasks, stage, "studies", self.finished)

    def place(self, listing: Listing) -> tuple[list[Unit], str]:
        layout = replace(self.layout, waiting=self.pieces.held)
        corpus = load_corpus(layout, len(listing.parts))
        stage = self.reporter.stage("place", "samples", corpus.samples)
        if not corpus.samples:
            told = self.pieces.told_rejects() if self.pieces.rejects else listing.told_without_image()
            raise DataError(f"no study can be used: {told}")
        if not corpus.pairable():
            raise DataError(
                "no two studies share a finding, a view and a split, so nothing can be mixed: "
                "give more studies, or check the lexicon and pairing.exclude"
            )
        most = self.config.attention.fit.max_images if self.config.attention.encoder == "fit" else 0
        placing = place_corpus(layout, corpus, self.config, most)
        placed = distribute(layout, corpus, placing, stage.advance)
        stage.end()
        return placed

    def encode(self, fit_rows: str) -> EncoderFacts:
        if self.config.attention.encoder == "fit":
            if self.retry_rejects:
                self._retry(retry_encoder, "fit")
            fit = Fit(self.context, fit_rows, self.reporter)
            if not fit.done():
                fit.run(self.engine(), self.begin_writing)
                self.pieces.bring("encoder", self.layout.facts("encoder") or {})
        encoder = self.brought or encoder_identity(self.config.attention, self.context.encoder_folder)
        self.context = replace(self.context, encoder_size=encoder.image_size)
        return EncoderFacts(id=encoder.id, sha256=encoder.sha256)

    def make(self, units: list[Unit], encoder: EncoderFacts) -> None:
        tasks = [UnitTask(u.name, u.split, u.samples, unit_key(self.context, u.sha256, encoder.sha256)) for u in units]
        if self.retry_rejects:
            self._retry(retry_units, "images", tasks)
        stage = self.reporter.stage("shards", "samples", sum(u.samples for u in units))
        self.pieces.run(lambda some: self.engine().units(self.context, some), tasks, stage, "samples")

    def bake(self, units: list[Unit]) -> None:
        tasks = list(pixel_tasks(self.context, [u.name for u in units]))
        if tasks:
            stage = self.reporter.stage("pixel", "plans", sum(t.plans for t in tasks))
            self.pieces.run(lambda some: self.engine().pixel(self.context, some), tasks, stage, "plans")

    def begin_writing(self) -> None:
        """From here on the folder is no finished dataset, until it is one again."""
        self.engine()  # first, so that one that cannot be started costs no dataset
        remove(self.layout.manifest)
        if self.mirror:
            self.mirror.unpublish()
        self.pieces.put_held()

    def _retry(self, retry: Callable[..., None], what: str, *tasks: list[Any]) -> None:
        """Look again at what an earlier build rejected."""
        stage = self.reporter.stage(f"retry {what}", "rejected inputs")
        retry(self.engine(), self.context, *tasks, stage.advance)
        stage.end()

    def write_run_report(self) -> None:
        rejects = dict(sorted(self.pieces.rejects.items()))
        report = {"engine": self.engine.description, **self.reporter.report(), "rejects": rejects}
        write_json(report, self.layout.out / "run.json", self.layout.scratch)
