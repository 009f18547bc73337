"""Files that are read before they are asked for: while one image is decoded, the next are on their way."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

AHEAD = 3
"""Files that are read at a time: enough to hide that an object store answers late, few enough to hold in memory."""


def read_ahead(uris: Sequence[str], read: Callable[[str], bytes]) -> Generator[Callable[[], bytes], None, None]:
    """For each address, in order, a function that gives the bytes of its file, or raises what kept it from being read.

    Up to `AHEAD` files behind the one that was given last are read meanwhile, in threads. They end with the iterator:
    close it where it is left early.
    """
    if len(uris) < 2:
        yield from (partial(read, uri) for uri in uris)
        return
    threads = ThreadPoolExecutor(AHEAD, thread_name_prefix="read-ahead")
    try:
        rest = iter(uris)
        coming: deque[Future[bytes]] = deque(threads.submit(read, uri) for uri in islice(rest, AHEAD))
        while coming:
            given = coming.popleft()
            coming.extend(threads.submit(read, uri) for uri in islice(rest, 1))
            yield given.result
    finally:
        threads.shutdown(cancel_futures=True)
