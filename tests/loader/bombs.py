"""Reads every bomb in a process whose memory is limited, and prints what became of each as JSON."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from medcutmix_pipeline.loader import MixLoader, ShardError
from medcutmix_pipeline.loader.reading.shard import parse_shard
from tests.loader.hostile import BOMBS, COUNT, member, with_bad_sample
from tests.loader.made import write_manifest, write_shard

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED = 400 << 20


@contextlib.contextmanager
def within(size: int) -> Iterator[None]:
    """No more than so many bytes of address space beyond those already taken."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def unusable_of_headers(count: int) -> int:
    """How many unusable samples an archive of nothing but headers has."""
    data = b"".join(member(b"s%d.png" % i, b"") for i in range(count)) + bytes(1024)
    with within(8 * len(data)):
        return sum(sample.problem is not None for sample in parse_shard(data, "train-000000").samples)


def main(folder: Path) -> None:
    refused, accepted = {}, []
    unusable = unusable_of_headers(20_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, spoil in BOMBS.items():
        data, _ = with_bad_sample(spoil)
        (folder / "shards").mkdir(parents=True)
        write_manifest(folder, [write_shard(folder, "train-000000", data, COUNT)])
        del data
        with within(ALLOWED):
            try:
                list(MixLoader(folder, COUNT, mix=1.0, threads=1, image_size=12))
                accepted.append(name)
            except ShardError as why:
                refused[name] = str(why)
        shutil.rmtree(folder)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    sys.stdout.write(json.dumps({"refused": refused, "accepted": accepted, "unusable": unusable, "grown_mib": grown}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
