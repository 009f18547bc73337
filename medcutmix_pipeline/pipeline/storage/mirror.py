"""A dataset's way from the working folder into an object store, file by file, while the build goes on."""

from __future__ import annotations

import contextlib
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from medcutmix_pipeline.errors import UsageError
from medcutmix_pipeline.pipeline.contents import MANIFEST, SIGN, SIGNED, belongs, is_our_manifest
from medcutmix_pipeline.pipeline.storage.fetch import Fetch
from medcutmix_pipeline.pipeline.storage.lease import NAME as LEASE
from medcutmix_pipeline.pipeline.storage.lease import Hold, leased
from medcutmix_pipeline.pipeline.storage.ledger import Ledger
from medcutmix_pipeline.pipeline.storage.store import TRIAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from medcutmix_pipeline.pipeline.layout import Layout
    from medcutmix_pipeline.pipeline.progress import Reporter
    from medcutmix_pipeline.pipeline.storage.store import Store, Stored

_THREADS = 8
_LEDGER_EVERY = 16
_MOST_WAITING = 4 * _THREADS


class Mirror:
    """Brings a working folder into a store, so that the prefix is a dataset when, and only when, it is whole.

    Files go up as pieces of work are finished, after them the mark that says so, and `dataset.json` when all others
    stand; it goes away before the first of them is replaced. A ledger in the working folder remembers which object was
    made from which file, so that nothing is sent twice; an object that is not as it was sent is sent again. Where the
    working folder is new, what earlier builds have finished is fetched from the store.

    Attributes:
        published: whether the prefix was a whole dataset when the build began.
    """

    def __init__(self, store: Store, layout: Layout) -> None:
        self._store, self._layout = store, layout
        self._ledger = Ledger(layout)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="upload")
        self._pending: list[Future[None]] = []
        self._offered = 0
        self.published = False
        self._still_held: Hold  # in the block of `held`, where all but `check` is done

    def check(self) -> None:
        """Make sure that the store takes what is brought, and that the prefix is new or ours.

        Raises:
            UsageError: it refuses, or something else stands there.
        """
        self._store.check()
        found = self._store.objects()
        known = {LEASE, SIGN} & found.keys() or self._has_our_manifest(found)
        if not known and not all(name.startswith(TRIAL) for name in found):
            raise UsageError(
                f"{self._store.url} holds something that is no dataset of ours: name a new prefix with --out"
            )

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other builds out of the prefix for the length of the block, and end the uploads with it.

        Raises:
            UsageError: another build is in it.
        """
        with leased(self._store) as self._still_held:
            try:
                yield
            finally:
                self._close()

    def begin(self, reporter: Reporter, fresh: bool) -> None:
        """Find out what the store has; fetch it where the working folder has nothing, or with `fresh` delete it."""
        found = self._store.objects()
        self._store.write(SIGN, SIGNED)
        self._store.remove(name for name in found if name.startswith(TRIAL))
        if fresh:
            self.unpublish()
            self._store.remove(name for name in found if belongs(name))
            return
        self.published = MANIFEST in found
        self._ledger.take_up(found)
        fetch = Fetch(self._store, self._layout, self._ledger, self._threads, found)
        if fetch.due:
            stage = reporter.stage("fetch", "files", fetch.files)
            fetch.run(stage)
            stage.end()

    def unpublish(self) -> None:
        """From here on the prefix is no finished dataset, until it is one again.

        Raises:
            StoreError: the store fails, or another build has taken the prefix over: what stands there is its own.
        """
        self._still_held()
        self._store.remove([MANIFEST])

    def offer(self, name: str, files: Iterable[str]) -> None:
        """A piece of work is committed: upload its files and then its mark, beside the work that goes on.

        Raises:
            StoreError: an upload that was offered before has failed, or another build has taken the prefix over.
        """
        self._still_held.known()
        self._forget_done()
        self._offered += 1
        if self._offered % _LEDGER_EVERY == 0:
            self._ledger.save()
        mark = self._layout.done(name).relative_to(self._layout.out).as_posix()
        self._pending.append(self._threads.submit(self._bring, list(files), mark))

    def publish(self, reporter: Reporter) -> None:
        """Make the prefix the same as the working folder, `dataset.json` at the very end.

        Raises:
            StoreError: the store fails or refuses, or another build has taken the prefix over.
        """
        for future in self._pending:
            future.result()
        self._pending.clear()
        found = self._store.objects()
        wanted = dict.fromkeys(self._local())
        strays = [name for name in found if belongs(name) and name not in wanted]
        stale = [name for name in wanted if not self._ledger.stands(name, found)]
        if strays or stale:
            self.unpublish()
            self._store.remove(strays)
            stage = reporter.stage("upload", "files", len(wanted))
            stage.skip(len(wanted.keys() - {*stale, MANIFEST}))
            for _ in self._threads.map(self._put, [name for name in stale if name != MANIFEST]):
                stage.advance(1)
            self._still_held()
            self._put(MANIFEST)
            stage.advance(1)
            stage.end()

    def _close(self) -> None:
        """End the uploads; what is not up yet is sent by the next build."""
        self._threads.shutdown(cancel_futures=True)
        self._ledger.save()

    def _bring(self, files: list[str], mark: str) -> None:
        stale = [name for name in (*files, mark) if not self._ledger.is_current(name)]
        if not stale:
            return
        self._still_held()
        # The mark goes first and comes last, as in the working folder, and for the same reason.
        if stale != [mark]:
            self._store.remove([mark])
        for name in stale:
            self._put(name)

    def _put(self, name: str) -> None:
        self._still_held.known()
        seen = self._ledger.look(name)
        self._ledger.note(name, seen, self._store.put(self._layout.out / name, name))

    def _local(self) -> list[str]:
        """Names of the files that belong into the store."""
        out, manifest = self._layout.out, self._layout.manifest
        files = [*self._layout.files(), *([manifest] if manifest.is_file() else [])]
        return [path.relative_to(out).as_posix() for path in files]

    def _has_our_manifest(self, found: Mapping[str, Stored]) -> bool:
        return MANIFEST in found and is_our_manifest(self._store.read(MANIFEST) or b"")

    def _forget_done(self) -> None:
        """Raises what made an upload fail; waits where many more are offered than go up."""
        if len(self._pending) >= _MOST_WAITING:
            wait(self._pending, return_when=FIRST_COMPLETED)
        for future in [f for f in self._pending if f.done()]:
            future.result()
            self._pending.remove(future)
