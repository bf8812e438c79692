"""Time that does not pass while nothing happens, and transports that misbehave."""

from __future__ import annotations

import asyncio
import functools
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol

P = ParamSpec("P")


class _Selector(selectors.DefaultSelector):
    loop: TimelessLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout:
            self.loop.now += timeout
        return events


class TimelessLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self.now = 1000.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def in_no_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a TimelessLoop."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=TimelessLoop) as runner:
            runner.run(asyncio.wait_for(test(*args, **kwargs), 10_000))

    return run


class Receiver(Protocol):
    def data_received(self, data: bytes) -> None: ...

    def connection_lost(self, reason: str | None) -> None: ...


class MemoryTransport:
    """Delivers whole writes to the other side; the subclasses do worse."""

    def __init__(self, peer: Receiver, me: Receiver | None = None) -> None:
        self.name = "/dev/memory"
        self.peer = peer
        self.me = me
        self.written: list[bytes] = []
        self.closed = False
        self.until = 0.0

    def write(self, data: bytes) -> None:
        assert data
        if not self.closed:
            self.written.append(data)
            self.carry(data)

    def carry(self, data: bytes) -> None:
        self.later(0, data)

    def later(self, delay: float, data: bytes) -> None:
        """In order: a loop does not keep the order of what is due at the same instant."""
        loop = asyncio.get_running_loop()
        self.until = max(self.until + 1e-6, loop.time() + delay)
        loop.call_at(self.until, self.peer.data_received, data)

    async def close(self) -> None:
        self.closed = True


class ByteByByte(MemoryTransport):
    def carry(self, data: bytes) -> None:
        for byte in data:
            self.later(0.0001, bytes([byte]))


class Lossy(MemoryTransport):
    """Loses or damages one write in ten."""

    randomness = random.Random(1)

    def carry(self, data: bytes) -> None:
        kind = self.randomness.random()
        if kind < 0.04:
            return
        if kind < 0.07:
            position = self.randomness.randrange(len(data))
            data = data[:position] + bytes([data[position] ^ 0x41]) + data[position + 1 :]
        elif kind < 0.1:
            data = data[: self.randomness.randrange(len(data))] or b"\x00"
        self.later(0, data)


class Late(MemoryTransport):
    """Up to 60 ms, in order."""

    randomness = random.Random(2)

    def carry(self, data: bytes) -> None:
        self.later(self.randomness.random() * 0.06, data)


class GarbageFirst(MemoryTransport):
    first = True

    def carry(self, data: bytes) -> None:
        if self.first:
            self.first = False
            data = bytes([0x00, 0x7E, 0x12, 0xFF, 0x7E, 0x7E, 0x55]) + data
        self.later(0, data)


class Echo(MemoryTransport):
    """A line that gives back what is said."""

    def carry(self, data: bytes) -> None:
        if self.me is not None:
            asyncio.get_running_loop().call_soon(self.me.data_received, data)
        self.later(0.001, data)
