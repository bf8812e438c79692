"""What monitoring sees, as it is kept and counted: the newest events, and how many there are a second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

from core.models import Event, EventKind

EVENTS_KEPT: Final = 2000
"""Minutes of a busy site, hours of a quiet one: enough to scroll back in, and no memory to speak of."""
WINDOW_SECONDS: Final = 10.0
"""Over which events per second are measured: long enough for a steady figure, short enough to believe in."""


class EventLog:
    """The newest events, numbered from 1 on since the worker began."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.last = 0
        """The number of the newest event, 0 before the first."""
        self._clock = clock
        self._kept: deque[Event] = deque(maxlen=EVENTS_KEPT)

    def add(self, kind: EventKind, port: str, text: str, device: int | None = None, name: str = "") -> None:
        """Something was seen just now."""
        self.last += 1
        self._kept.append(Event(self.last, self._clock(), kind, port, device, name, text))

    def after(self, number: int, limit: int) -> tuple[Event, ...]:
        """At most so many of the events after this one, oldest first."""
        first = max(len(self._kept) - (self.last - number), 0)
        return tuple(islice(self._kept, first, first + limit))


class Rates:
    """Events per second of each port, over a sliding window."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def count(self, port: str) -> None:
        """An event on the port."""
        times = self._times.setdefault(port, deque())
        self._forget_old(times)
        times.append(self._clock())

    def per_second(self, port: str) -> float:
        """How many there were a second lately."""
        times = self._times.get(port, deque())
        self._forget_old(times)
        return len(times) / WINDOW_SECONDS

    def _forget_old(self, times: deque[float]) -> None:
        oldest = self._clock() - WINDOW_SECONDS
        while times and times[0] <= oldest:
            times.popleft()
