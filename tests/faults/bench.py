"""Builds that are disturbed, and the verdict on what is left of them."""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medcutmix_pipeline.sources.phantom import generate
from tests.builds import digests, merged
from tests.faults.points import Fault

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.server import Server

SETTINGS = {
    "seed": 3,
    "ingest": {"studies_per_part": 12},
    "splits": {"train": 0.8, "validate": 0.2},
    "attention": {"fit": {"image_size": 32, "steps": 2, "batch": 8, "width": 16, "networks": 1, "max_images": 16}},
    "shards": {"samples_per_shard": 20, "image_size": 40, "pixel": True},
    "engine": {"kind": "serial"},
}
OTHER = {"plans": {"alpha": 3.0}, "shards": {"samples_per_shard": 14}, "ingest": {"studies_per_part": 20}}

STARTS = ("nothing", "other settings")
"""What stands in the output when a build that is to be disturbed begins."""


class LostError(AssertionError):
    """A promise is broken."""


@dataclass(frozen=True)
class Start:
    """An undisturbed build from one of STARTS: how often it reaches each point."""

    name: str
    reached: Counter[str]


@dataclass
class Bench:
    """Generated studies, the files of a build of them that nobody disturbs, and every point that it reaches."""

    folder: Path
    studies: Path
    reference: dict[str, str]
    settings: dict[str, Any]
    starts: list[Start] = field(default_factory=list)

    def call(self, out: Path, **changes: Any) -> list[object]:
        """The arguments of a build."""
        file = self.folder / f"{out.name}.json"
        source = {"kind": "phantom", "root": str(self.studies)}
        file.write_text(json.dumps(merged(self.settings, source=source, **changes)))
        return ["build", file, "--out", out]

    def begin(self, out: Path, start: str) -> Path:
        """An output folder as it stands at the start."""
        shutil.rmtree(out, ignore_errors=True)
        if start != STARTS[0]:
            shutil.copytree(self.folder / "other", out)
        return out

    def honest(self, out: Path, when: str) -> None:
        """Raise where there is a `dataset.json` beside anything but the whole dataset."""
        if (out / "dataset.json").exists() and digests(out) not in (self.reference, self.other):
            raise LostError(f"dataset.json beside an unfinished dataset {when}")

    @property
    def other(self) -> dict[str, str]:
        """The files of the build with other settings."""
        return digests(self.folder / "other") if (self.folder / "other").exists() else {}

    def whole(self, out: Path, when: str) -> None:
        """Raise where the dataset differs from the undisturbed one, or the build left anything in the making."""
        found = digests(out)
        if found != self.reference:
            differ = sorted({*found.items()} ^ {*self.reference.items()})
            raise LostError(f"other bytes {when}: {sorted({name for name, _ in differ})}")
        left = [p for name in ("work", "scratch") for p in (out / ".build").glob(f"{name}*/**/*") if p.is_file()]
        if left:
            raise LostError(f"left in the making {when}: {left}")


def set_up(folder: Path, server: Server, studies: int = 36, **changes: Any) -> Bench:
    """Generate studies, build them undisturbed, and note the points that are reached; `changes` are of SETTINGS."""
    root = folder / "studies"
    generate(root, studies, seed=3, size=64)
    bench = Bench(folder, root, {}, merged(SETTINGS, **changes))
    other, first = folder / "other", folder / STARTS[0]
    undisturbed(server, bench, other, **OTHER)
    bench.starts.append(Start(STARTS[0], undisturbed(server, bench, first)))
    bench.reference = digests(first)
    second = bench.begin(folder / "second", STARTS[1])
    bench.starts.append(Start(STARTS[1], undisturbed(server, bench, second)))
    bench.whole(second, "without any fault")
    return bench


def undisturbed(server: Server, bench: Bench, out: Path, **changes: Any) -> Counter[str]:
    """Build; returns how often each point was reached."""
    record = out.with_suffix(".points")
    fault = vars(Fault(str(out), str(bench.studies)))
    code = server.run(bench.call(out, **changes), out.with_suffix(".log"), fault=fault, record=str(record))
    if code != 0:
        raise LostError(f"an undisturbed build failed: {out.with_suffix('.log').read_text()}")
    return Counter(record.read_text().splitlines())


def disturbed(bench: Bench, server: Server, out: Path, start: str, **request: Any) -> bool:
    """Build with a fault, then again without; raises LostError where a promise is broken.

    Args:
        request: `fault` or `largest_file`, as the server takes them.

    Returns:
        Whether the fault ended the first build; some are made up for, such as a progress file that cannot be read.
    """
    bench.begin(out, start)
    return ended(bench, server, out, **request)


def ended(bench: Bench, server: Server, out: Path, at: Path | None = None, **request: Any) -> bool:
    """As `disturbed`, in an output that stands.

    Args:
        at: where the server sees it, if not there.
        request: besides, `mend` is called before the second build.
    """
    mend = request.pop("mend", None)
    log = bench.folder / f"{out.name}.log"
    code = server.run(bench.call(at or out), log, **request)
    if mend is not None:
        mend()
    if code == 0:
        bench.whole(out, "though nothing was said")
        return False
    bench.honest(out, "after the fault")
    if code != -9:
        tells_how_to_go_on(code, log.read_text())
    again(bench, server, out, at)
    return True


def again(bench: Bench, server: Server, out: Path, at: Path | None = None) -> None:
    """Build again, which has to go on to the very bytes."""
    log = bench.folder / f"{out.name}.log"
    code = server.run(bench.call(at or out), log)
    if code != 0:
        raise LostError(f"`build` again ended with {code}: {log.read_text()[-2000:]}")
    bench.whole(out, "after `build` again")


def tells_how_to_go_on(code: int, told: str) -> None:
    """Raise unless an error was told in a line that says what to do."""
    if code != 1 or "Traceback" in told or "again" not in told:
        raise LostError(f"exit code {code}, and it said: {told[-2000:]}")


@dataclass
class Tally:
    """Counts of what was tried and what survived, by kind; what did not, in words; and the points that were reached."""

    tried: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    lost: list[str] = field(default_factory=list)
    points: set[str] = field(default_factory=set)

    def count(self, table: str, kind: str, outcome: str) -> None:
        """One more."""
        self.tried[table][f"{kind}\t{outcome}"] += 1

    def lines(self, table: str) -> list[str]:
        """The table as text: survived / tried, and how many faults were made up for at once."""
        kinds = dict.fromkeys(key.partition("\t")[0] for key in sorted(self.tried[table]))
        told = []
        for kind in kinds:
            of = {o: self.tried[table][f"{kind}\t{o}"] for o in ("survived", "made up for", "lost")}
            note = f", {of['made up for']} of them without another run" if of["made up for"] else ""
            told.append(f"  {kind:<44} {of['survived'] + of['made up for']} / {sum(of.values())}{note}")
        return told
