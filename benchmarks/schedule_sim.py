"""A build's shards as a discrete-event simulation: what waits for what, and what is busy.

A unit goes the way that `pipeline/ray_engine.py` sends it: submitted by the driver while its window has room; decoded,
drafted and written as tasks, each of which holds a CPU; asked of the encoder to which it was dealt in turn; committed
by the driver. CPUs, encoders and the driver serve in order of arrival. Cores and storage are shared evenly.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.queues import Clock, Places, Shared

if TYPE_CHECKING:
    from benchmarks.queues import Then


@dataclass(frozen=True)
class UnitCosts:
    """What one unit (shard) takes: seconds alone on what does the work, and bytes from and to the storage.

    `encoder_start` are seconds until an encoder is loaded, once for each.
    """

    samples: int
    decode: float
    draft: float
    attend: float
    write: float
    submit: float
    commit: float
    read_bytes: float = 0.0
    written_bytes: float = 0.0
    encoder_start: float = 0.0


@dataclass(frozen=True)
class Cluster:
    """What does the work. Encoders on CPUs (`gpu` false) share the cores with the tasks but need none of the `cpus`.

    `storage` is bytes a second for all together, `stream` for one task.
    """

    cpus: int
    encoders: int
    gpu: bool = True
    storage: float = float("inf")
    stream: float = float("inf")

    @property
    def window(self) -> int:
        """Units in flight, as the engine bounds them."""
        return max(2 * self.cpus, self.cpus + 2 * self.encoders)


@dataclass(frozen=True)
class Schedule:
    """How a simulated build went: seconds from the first submission to the last commit, and shares of time in [0, 1].

    A CPU is busy while a task holds it, be it for bytes of the storage; `computing` is the share without that.

    `flights` is the mean number of units in flight, `commits` when each unit was committed.
    """

    seconds: float
    samples: int
    busy: dict[str, float]
    computing: float
    flights: float
    commits: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Samples a second."""
        return self.samples / self.seconds

    @property
    def limit(self) -> str:
        """What is busiest; CPUs that wait for bytes are not."""
        used = {**self.busy, "CPUs": self.computing}
        return max(used, key=lambda name: used[name])


class _Build:
    def __init__(self, units: int, costs: UnitCosts, cluster: Cluster) -> None:
        self.costs, self.cluster = costs, cluster
        self.clock = Clock()
        self.cores = Shared(self.clock, cluster.cpus, 1.0)
        self.storage = Shared(self.clock, cluster.storage, cluster.stream)
        self.slots, self.driver = Places(self.clock, cluster.cpus), Places(self.clock, 1)
        self.encoders = [Places(self.clock, 1) for _ in range(cluster.encoders)]
        self.turn = itertools.cycle(self.encoders)
        self.left, self.flights = units, 0
        self.flown = 0.0
        self.seen = 0.0
        self.commits: list[float] = []

    def run(self) -> None:
        for encoder in self.encoders:
            encoder.hold(lambda encoder=encoder: self._work_of_encoder(self.costs.encoder_start, encoder.leave))  # type: ignore[misc]
        self._submit()
        self.clock.run([self.cores, self.storage])

    def _submit(self) -> None:
        while self.left and self.flights < self.cluster.window:
            self.left -= 1
            self._flying(+1)
            encoder = next(self.turn)
            self._by_driver(self.costs.submit, lambda encoder=encoder: self._decode(encoder))  # type: ignore[misc]

    def _decode(self, encoder: Places) -> None:
        costs = self.costs

        def held() -> None:
            self.storage.take(costs.read_bytes, lambda: self.cores.take(costs.decode, done))

        def done() -> None:
            self.slots.leave()
            self._draft(encoder)

        self.slots.hold(held)

    def _draft(self, encoder: Places) -> None:
        def done() -> None:
            self.slots.leave()
            encoder.hold(lambda: self._work_of_encoder(self.costs.attend, attended))

        def attended() -> None:
            encoder.leave()
            self._write()

        self.slots.hold(lambda: self.cores.take(self.costs.draft, done))

    def _work_of_encoder(self, seconds: float, then: Then) -> None:
        if self.cluster.gpu:
            self.clock.after(seconds, then)
        else:
            self.cores.take(seconds, then)

    def _write(self) -> None:
        def held() -> None:
            self.cores.take(self.costs.write, lambda: self.storage.take(self.costs.written_bytes, done))

        def done() -> None:
            self.slots.leave()
            self._by_driver(self.costs.commit, committed)

        def committed() -> None:
            self._flying(-1)
            self.commits.append(self.clock.now)
            self._submit()

        self.slots.hold(held)

    def _by_driver(self, seconds: float, then: Then) -> None:
        def held() -> None:
            self.clock.after(seconds, done)

        def done() -> None:
            self.driver.leave()
            then()

        self.driver.hold(held)

    def _flying(self, change: int) -> None:
        self.flown += self.flights * (self.clock.now - self.seen)
        self.seen = self.clock.now
        self.flights += change


def simulate(units: int, costs: UnitCosts, cluster: Cluster) -> Schedule:
    """Let a cluster make so many units of the same costs."""
    build = _Build(units, costs, cluster)
    build.run()
    seconds = build.seen
    capacity = min(cluster.storage, cluster.stream * cluster.cpus)
    busy = {
        "CPUs": build.slots.used / (seconds * cluster.cpus),
        "encoders": sum(encoder.used for encoder in build.encoders) / (seconds * cluster.encoders),
        "driver": build.driver.used / seconds,
        "storage": build.storage.used / (seconds * capacity) if capacity < float("inf") else 0.0,
    }
    computing = build.cores.used / (seconds * cluster.cpus)
    return Schedule(seconds, units * costs.samples, busy, computing, build.flown / seconds, tuple(build.commits))
