"""Simulated time: events that run at their exact nominal times, and the coupling to the event loop.

While an event runs, `Timeline.now` is the time it was due, not the time the computer got round to it. So a
late wake-up of the event loop costs the simulated channel nothing.
"""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count


class Event:
    """Something that will happen; can be cancelled until it has."""

    __slots__ = ("_action", "_args", "_cancelled")

    def __init__(self, action: Callable[..., None], args: tuple[object, ...]) -> None:
        self._action = action
        self._args = args
        self._cancelled = False

    def cancel(self) -> None:
        """Make it not happen."""
        self._cancelled = True

    def run(self) -> None:
        """Let it happen, unless it was cancelled."""
        if not self._cancelled:
            self._action(*self._args)


class Timeline:
    """Events in the order of their time; those of one instant in the order they were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_earlier: Callable[[float], None] | None = None
        self._events: list[tuple[float, bool, int, Event]] = []
        self._numbers = count()

    def after(self, delay: float, action: Callable[..., None], *args: object) -> Event:
        """Run the action that many seconds from now."""
        return self._add(self.now + delay, False, action, args)

    def at_end_of_instant(self, action: Callable[..., None], *args: object) -> Event:
        """Run the action at this very time, but after everything else that happens at it."""
        return self._add(self.now, True, action, args)

    def next_due(self) -> float | None:
        """Tell when the next event is due."""
        return self._events[0][0] if self._events else None

    def run_until(self, when: float) -> None:
        """Let everything happen that is due by then, each at its own time."""
        while self._events and self._events[0][0] <= when:
            due, _, _, event = heapq.heappop(self._events)
            self.now = max(self.now, due)
            event.run()
        self.now = max(self.now, when)

    def _add(self, when: float, last: bool, action: Callable[..., None], args: tuple[object, ...]) -> Event:
        event = Event(action, args)
        earliest = self.next_due()
        heapq.heappush(self._events, (when, last, next(self._numbers), event))
        if self.on_earlier is not None and (earliest is None or when < earliest):
            self.on_earlier(when)
        return event


class LiveClock:
    """Runs a timeline in step with the event loop's clock."""

    def __init__(self, timeline: Timeline, loop: asyncio.AbstractEventLoop) -> None:
        self.timeline = timeline
        self._loop = loop
        self._start = loop.time() - timeline.now
        self._timer: asyncio.TimerHandle | None = None
        self._running = False
        timeline.on_earlier = self._arm

    def catch_up(self) -> None:
        """Let everything happen that is due; call it before anything from outside enters the simulation."""
        if self._running:
            return
        self._running = True
        try:
            self.timeline.run_until(self._loop.time() - self._start)
        finally:
            self._running = False
            due = self.timeline.next_due()
            if due is not None:
                self._arm(due)

    def stop(self) -> None:
        """Let time stand still."""
        self.timeline.on_earlier = None
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, when: float) -> None:
        if self._running:
            return  # armed once, when the present catching-up ends
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._start + when, self.catch_up)
