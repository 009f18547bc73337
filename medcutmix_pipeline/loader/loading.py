"""The loader: batches of image–report pairs with their mix plans, from the shards of a dataset."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from torch.utils.data import IterableDataset, get_worker_info

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.loader.arguments import alpha_of, check_choices, check_normalize, whole
from medcutmix_pipeline.loader.batch import can_pin
from medcutmix_pipeline.loader.epochs.ahead import ahead
from medcutmix_pipeline.loader.epochs.clock import Clock
from medcutmix_pipeline.loader.epochs.coming import ComingEpoch
from medcutmix_pipeline.loader.epochs.ranks import check_rank, rank_and_world, threads_for
from medcutmix_pipeline.loader.epochs.series import EpochSeries, batches_in_pool
from medcutmix_pipeline.loader.epochs.wishes import Normalize, Texts, Transform, Wishes
from medcutmix_pipeline.loader.reading.buffers import Buffers
from medcutmix_pipeline.loader.reading.reader import ShardReader
from medcutmix_pipeline.loader.reading.remembered import Remembered
from medcutmix_pipeline.loader.reading.sources import find_shards

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from medcutmix_pipeline.loader.batch import MixBatch

_IMAGES_KEPT = 8
"""Batches whose images' memory may wait to be used again."""


class MixLoader(IterableDataset["MixBatch"]):
    """Batches of a dataset, each with a plan of who is mixed with whom.

    Iterate over it as it is (it decodes on threads and works ahead), or put it into
    `DataLoader(loader, batch_size=None, num_workers=…)`: the batches are the same, in the same order.

    In every epoch a random maximal matching on each shard's plans pairs samples, rare findings first; both partners
    come into one batch. Every rank gets the same number of batches, none sees a sample that another rank or an earlier
    batch of the epoch has seen, and batches depend on (seed, epoch, world size) and these arguments alone.

    Args:
        where: the dataset's folder, local or a URL; or its shards: a .tar, a glob or a {000000..000123} range, local,
            `http(s)://` or any URL that fsspec knows; or a list of those, of one or several datasets.
        batch_size: samples in a batch, on each rank; every batch has as many.
        split: which split of the dataset; None for all. Shards that are named one by one are taken as they are.
        image_size: side of the images, px; None: as stored, which must then be the same for all.
        mix: the share of matched hosts that are mixed, in [0, 1]; or a function of the epoch that gives it. 0 pairs
            nothing.
        lam: "epoch" draws λ for each plan and epoch from Beta(α, α); "stored" takes the plan's.
        alpha: α; None: the dataset's `plans.alpha`.
        texts: what `batch.texts` holds: "mixed" reports where a plan is active; the "original" ones; or "appended", the
            originals followed by the mixed ones, for a mix that appends rows.
        seed: of all that is left to chance.
        shuffle: False reads shards and samples in their order and needs `mix=0`: for validation.
        last: "drop" leaves out the samples that fill no batch on every rank (other ones in each epoch; `left_out`
            counts them); "pad" fills the last batches with samples that `batch.repeated` marks.
        pool_shards: shards that are shuffled together; at most `pool_bytes` of them. The next pool is read meanwhile,
            so twice as much is in memory. Where epochs are told with `set_epoch`, the first pool of the next one is
            read while the last of this one is decoded; `close()` lets go of it.
        remember_bytes: texts and plans that were read are remembered from epoch to epoch, up to so many bytes (some
            2.5 kB a sample); 0 reads them anew each time.
        rank, world_size: None: from torch.distributed where it is initialised, else from RANK and WORLD_SIZE, else 0
            of 1.
        threads: decoding threads; None: the CPUs that this process may use, shared with local ranks and workers.
        prefetch: batches that are ready before they are asked for.
        transform: changes an image and its maps together, see `Transform`.
        tokenizer: makes `batch.tokens` of the list of texts.
        normalize: (mean, std), each a number or one for each channel: images leave as float32 with as many channels;
            None: uint8 with one channel (`batch.normalised` does it on the GPU).
        pin_memory: batches leave in page-locked memory; not where there is no GPU, nor from workers of a DataLoader,
            which can do it itself.
        verify: compare each shard's sha256 with the manifest when it is first read.
        on_error: "raise" at a damaged or hostile shard or sample; "skip" fills its rows with others of the batch,
            marked in `batch.repeated` and named in `batch.skipped`.
        max_shard_bytes, max_pixels: what is larger is refused.

    Raises:
        UsageError: an argument does not fit, or the dataset has not one batch for every rank.
        DataError: no finished dataset is at `where`. While iterating, `ShardError` names shard and sample.
    """

    def __init__(
        self,
        where: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        batch_size: int,
        *,
        split: str | None = "train",
        image_size: int | None = None,
        mix: float | Callable[[int], float] = 0.5,
        lam: Literal["epoch", "stored"] = "epoch",
        alpha: float | None = None,
        texts: Texts = "mixed",
        seed: int = 0,
        shuffle: bool = True,
        last: Literal["drop", "pad"] = "drop",
        pool_shards: int = 4,
        pool_bytes: int = 1 << 30,
        remember_bytes: int = 256 << 20,
        rank: int | None = None,
        world_size: int | None = None,
        threads: int | None = None,
        prefetch: int = 2,
        transform: Transform | None = None,
        tokenizer: Callable[[list[str]], Mapping[str, Any]] | None = None,
        normalize: Normalize | None = None,
        pin_memory: bool = False,
        verify: bool = True,
        on_error: Literal["raise", "skip"] = "raise",
        max_shard_bytes: int = 1 << 30,
        max_pixels: int = 1 << 25,
    ) -> None:
        batch_size, pool_shards = whole("batch_size", batch_size), whole("pool_shards", pool_shards)
        pool_bytes, max_shard_bytes = whole("pool_bytes", pool_bytes), whole("max_shard_bytes", max_shard_bytes)
        image_size = None if image_size is None else whole("image_size", image_size)
        threads = None if threads is None else whole("threads", threads)
        self.batch_size, self.seed, self.shuffle, self.last = batch_size, whole("seed", seed, None), shuffle, last
        self.rank, self.world_size = rank_and_world(rank, world_size)
        self._rank_is_told = rank is not None
        self._threads, self._prefetch = threads, whole("prefetch", prefetch)
        self._skip, self._largest = on_error == "skip", max_shard_bytes
        check_choices(
            lam=(lam, ("epoch", "stored")),
            texts=(texts, ("mixed", "original", "appended")),
            last=(last, ("drop", "pad")),
            on_error=(on_error, ("raise", "skip")),
        )
        check_normalize(normalize)
        shards = find_shards(where, split, max_shard_bytes)
        self._refs = shards.refs
        self._unverified = set(range(len(self._refs))) if verify else set()
        self._remembered = Remembered(whole("remember_bytes", remember_bytes, 0))
        self._shard_memory, self._image_memory = Buffers(3 * pool_shards), Buffers(_IMAGES_KEPT)
        self.findings: tuple[str, ...] = tuple(shards.manifest.get("diseases", ()))
        self._epochs = EpochSeries(
            self._refs,
            batch_size,
            self.rank,
            self.world_size,
            batches_in_pool(self._refs, pool_shards, pool_bytes, batch_size),
            last,
            shuffle,
            self.seed,
            mix,
            None if lam == "stored" else alpha_of(alpha, shards.manifest),
        )
        self._wishes = Wishes(
            image_size,
            whole("max_pixels", max_pixels),
            texts,
            self.findings,
            self._skip,
            transform,
            tokenizer,
            normalize,
            pin_memory,
        )
        self._clock, self._read_to_the_end = Clock(), -1
        self._coming, self._epochs_are_told = ComingEpoch(), False
        if self._epochs.share(0) > 0 and not shuffle:
            raise UsageError("shuffle=False keeps the order of the shards and pairs nothing: give mix=0 with it")
        if len(self) == 0:
            raise UsageError(
                f"{sum(ref.samples for ref in self._refs)} samples do not fill a batch of {batch_size} on each of "
                f"{self.world_size} ranks: take smaller batches, or last='pad'"
            )

    @property
    def epoch(self) -> int:
        """The epoch that the next iteration reads."""
        return self._clock.epoch

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next: other pairs, other λ, another order."""
        self._clock.epoch = whole("epoch", epoch, 0)
        self._epochs_are_told = True

    def close(self) -> None:
        """Let go of what has been read ahead for another epoch, and of memory; the loader can still be used."""
        self._coming.close()
        self._shard_memory.clear()
        self._image_memory.clear()

    def __len__(self) -> int:
        """Batches in an epoch, the same on every rank."""
        return self._epochs.layout(self.epoch).batches

    @property
    def left_out(self) -> int:
        """Samples that no rank sees in an epoch (other ones in each): fewer than one batch of every rank."""
        return self._epochs.layout(self.epoch).left_out

    def state_dict(self) -> dict[str, Any]:
        """Where the latest iteration in this process stands: after the batch that it yielded last.

        With the workers of a DataLoader, which run ahead, keep `batch.state` of the last batch that was trained on.
        """
        return {"epoch": self.epoch, "batch": self._clock.place, "fingerprint": self._epochs.fingerprint(self.epoch)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on in the middle of an epoch: the next iteration yields the very batches that would have followed.

        Those after it begin with the first batch again, as all do that are begun anew.

        Raises:
            UsageError: the state is that of other shards, or of another seed, batch size or number of ranks.
        """
        try:
            epoch, number = whole("epoch", state["epoch"], 0), whole("batch", state["batch"], 0)
            fingerprint = state["fingerprint"]
        except (KeyError, TypeError, UsageError):
            raise UsageError("this is no state of a loader: give it what state_dict() or batch.state gave") from None
        if fingerprint != self._epochs.fingerprint(epoch):
            raise UsageError(
                "the state belongs to other shards, or to another seed, batch size, number of ranks, pool, mix or "
                "release: make the loader as it was, or start the epoch anew with set_epoch"
            )
        self._clock.resume(epoch, number)

    def __iter__(self) -> Iterator[MixBatch]:
        if not self._rank_is_told:
            check_rank(self.rank, self.world_size)
        worker = get_worker_info()
        offset, step = (worker.id, worker.num_workers) if worker else (0, 1)
        epoch, start = self.epoch, self._clock.begin(offset, step)
        if worker is None:
            if start == 0:
                self._warn_of_repetition(epoch)
            self._clock.reach(epoch, start)
        return self._batches(epoch, start, offset, step, worker is None)

    def _batches(self, epoch: int, start: int, offset: int, step: int, alone: bool) -> Iterator[MixBatch]:
        """Every `step`-th batch of the epoch from number `start + offset` on; `alone`: in no worker of a DataLoader."""
        run, fingerprint = self._epochs.run(epoch), self._epochs.fingerprint(epoch)
        opened = self._coming.take((epoch, fingerprint)) if alone and start == 0 else None
        wishes = self._wishes
        if wishes.pin_memory and not (alone and can_pin()):  # a worker's batches are copied on their way
            wishes = replace(wishes, pin_memory=False)
        reader = opened.reader if opened else self._reader()
        numbers = range(start + offset, run.layout.batches, step)
        made = run.batches(
            numbers,
            reader,
            wishes,
            self._image_memory,
            threads_for(self._threads, step),
            opened.pool if opened else None,
            lambda: self._open(epoch + 1) if alone else None,
        )
        with contextlib.closing(ahead(made, self._prefetch, reader.stop)) as batches:
            for number, batch in zip(numbers, batches, strict=True):
                batch.state.update(epoch=epoch, batch=number + 1, fingerprint=fingerprint)
                if alone:
                    self._clock.reach(epoch, number + 1)
                yield batch
        if alone:
            self._read_to_the_end = epoch

    def _reader(self) -> ShardReader:
        return ShardReader(
            self._refs, self._largest, self._unverified, self._remembered, self._shard_memory, self._skip
        )

    def _open(self, epoch: int) -> None:
        """Read the first pool of an epoch ahead, where the user tells of epochs and so will ask for it."""
        if not self._epochs_are_told:
            return
        with contextlib.suppress(Exception):  # a function for `mix` need not know an epoch that may never come
            key = epoch, self._epochs.fingerprint(epoch)
            self._coming.open(key, self._epochs.run(epoch), self._reader(), self._wishes)

    def _warn_of_repetition(self, epoch: int) -> None:
        if self.shuffle and self._read_to_the_end == epoch:
            warnings.warn(
                f"epoch {epoch} is being read again, with the same pairs and order: call set_epoch before each epoch",
                stacklevel=3,
            )
