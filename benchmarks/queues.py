"""What a discrete-event simulation is made of: a clock, capacities that are shared, places that are queued for."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Then = Callable[[], None]


class Clock:
    """Time, and what happens at known times."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order = itertools.count()
        self._events: list[tuple[float, int, Then]] = []

    def after(self, seconds: float, then: Then) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self.order), then))

    def run(self, shared: list[Shared]) -> None:
        """Let everything happen, in order of time."""
        while True:
            due = self._events[0][0] if self._events else float("inf")
            first = min(shared, key=lambda one: one.next_end())
            if first.next_end() <= due:
                if first.next_end() == float("inf"):
                    return
                self.now = first.next_end()
                first.end_first()
            else:
                self.now, _, then = heapq.heappop(self._events)
                then()


@dataclass
class Shared:
    """A capacity that all who use it share evenly, none with more than `each`.

    All jobs advance alike, so one number, `_done`, is the work that any job has had since the beginning.
    """

    clock: Clock
    capacity: float
    each: float
    used: float = 0.0
    _done: float = 0.0
    _since: float = 0.0
    _jobs: list[tuple[float, int, Then]] = field(default_factory=list)

    def _rate(self) -> float:
        return min(self.each, self.capacity / len(self._jobs)) if self._jobs else 0.0

    def _advance(self) -> None:
        passed = (self.clock.now - self._since) * self._rate()
        self.used += passed * len(self._jobs)
        self._done += passed
        self._since = self.clock.now

    def take(self, work: float, then: Then) -> None:
        if work <= 0 or self.each == self.capacity == float("inf"):
            then()
            return
        self._advance()
        heapq.heappush(self._jobs, (self._done + work, next(self.clock.order), then))

    def next_end(self) -> float:
        if not self._jobs:
            return float("inf")
        return self._since + max(0.0, self._jobs[0][0] - self._done) / self._rate()

    def end_first(self) -> None:
        self._advance()
        _, _, then = heapq.heappop(self._jobs)
        then()


class Places:
    """Some places that are held one by one, in order of arrival. `used` sums seconds that they were held."""

    def __init__(self, clock: Clock, places: int) -> None:
        self._clock, self._places, self._free = clock, places, places
        self._waiting: deque[Then] = deque()
        self._since, self.used = 0.0, 0.0

    def hold(self, then: Then) -> None:
        self._note()
        if self._free:
            self._free -= 1
            then()
        else:
            self._waiting.append(then)

    def leave(self) -> None:
        self._note()
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._free += 1

    def _note(self) -> None:
        self.used += (self._places - self._free) * (self._clock.now - self._since)
        self._since = self._clock.now
