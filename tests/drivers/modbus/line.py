"""A line without a port: scripted units, and a clock that runs only when everybody waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from drivers.modbus.bus import Bus, Line
from drivers.modbus.frames import Frame

T = TypeVar("T")

Answers = Iterable[tuple[float, bytes]]
"""What comes after a request, and so many seconds after its end."""


class _NoWaiting(selectors.DefaultSelector):
    """Instead of waiting it moves the clock on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for ever"
            self.now += max(timeout, 0.0)
        return ready


class VirtualClock(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        self._clock = _NoWaiting()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, by the virtual clock."""
    with asyncio.Runner(loop_factory=VirtualClock) as runner:
        return runner.run(work)


class ScriptedLine:
    """A transport: `peer` says what comes back for each frame, and when."""

    name = "/dev/script"

    def __init__(self, bus: Bus, peer: Callable[[Frame], Answers]) -> None:
        self.sent: list[tuple[float, bytes]] = []
        self.asked = asyncio.Event()
        self.closed = False
        self._bus = bus
        self._peer = peer
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes) -> None:
        now = self._loop.time()
        self.sent.append((now, data))
        self.asked.set()
        end = now + len(data) * self._bus.line.character
        for seconds, answer in self._peer(Frame.from_bytes(data)):
            self._loop.call_at(end + seconds, self._bus.data_received, answer)

    async def close(self) -> None:
        self.closed = True


def open_line(peer: Callable[[Frame], Answers], line: Line | None = None) -> tuple[Bus, ScriptedLine]:
    """A bus on a scripted line."""
    bus = Bus(line or Line())
    script = ScriptedLine(bus, peer)
    bus.start(script)
    return bus, script
