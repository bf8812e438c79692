"""The bus: one exchange at a time, and no answer that is not the answer.

RTU frames carry no number, so a late answer looks like a timely one. The rules here:

- An answer must come from the unit that was asked, with the function, length and repeated fields of the request.
- After an exchange that failed, its unit is not asked anything while its answer may still come (`Line.late`). Answers
  name their unit, so the others may be asked meanwhile; what comes from the wrong unit is thrown away.
- After anything that was not understood, the whole line must fall silent before the next request.
- What comes while nothing is asked is thrown away.

What RTU cannot tell: an answer that comes twice, the second time behind the next request to the same unit; one that is
later than `Line.late`; and what a unit says unasked just when it is being asked.
Frame and gaps: "MODBUS over Serial Line Specification and Implementation Guide V1.02" §2.5.1.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, TypeVar, cast

from core.errors import Kind
from drivers.base import DriverError, PortError, Priority
from drivers.modbus.frames import FRAME_MOST, Code, Frame, FrameError, Refusal, Request, describe, response_length
from drivers.transport import Transport

TRIES: Final = 3
"""Sendings of one request. A line that loses more than one frame in a hundred needs repair, not patience."""

BITS_A_CHARACTER: Final = 11
"""Start, eight data, parity or a second stop bit, stop: also what the standard reckons with."""

FIXED_GAP_ABOVE: Final = 19200
FIXED_GAP: Final = 0.00175
"""Seconds between frames where 3.5 characters would be shorter than what receivers can time."""

STALL: Final = 0.05
"""Seconds without a byte after which whoever was sending has stopped: USB adapters hand on what they have every 16 ms
at the latest, and a busy gateway may take as long again to fetch it."""

NOISE_MOST: Final = 4
"""Bytes in front of an answer that are overlooked: drivers that are switched on make one or two."""

BUSY_PAUSE: Final = 0.2
"""Seconds until a device that said it is busy is asked again."""

BUSY_MOST: Final = 5.0
"""Seconds in which it may say so: a flash memory is erased within a second or two."""

DISTURBED_MOST: Final = 10.0
"""Seconds in which a line that nobody of ours uses may be without a pause, until it is given up."""

FRAMES_KEPT: Final = 24
"""Of the trace for the journal: the last frames of a unit."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Line:
    """How the line is set. `timeout` and `late` are seconds.

    `timeout` is how long a unit may take to begin its answer, `late` how long after that the answer may still come.
    """

    baud: int = 19200
    parity: str = "E"
    stop: int = 1
    echo: bool = False
    timeout: float = 0.2
    late: float = 1.0

    @property
    def character(self) -> float:
        """Seconds of one character."""
        return BITS_A_CHARACTER / self.baud

    @property
    def gap(self) -> float:
        """Seconds of silence between frames (t3.5)."""
        return FIXED_GAP if self.baud > FIXED_GAP_ABOVE else 3.5 * self.character


class Reception:
    """What comes after a request, until it is its answer. No clock, no port: bytes in, an answer out."""

    def __init__(self, frame: bytes, units: Sequence[int], request: Request[Any], *, echo: bool) -> None:
        self.pdu: bytes | None = None
        """The answer, when there is one."""
        self.answer: object = None
        """What it says: a `Refusal`, or what the request makes of it."""
        self.rest = b""
        """What came behind it."""
        self.missing_echo = echo
        self._frame = frame
        self._units = units
        self._request = request
        self._function = request.to_bytes()[0]
        self._received = b""
        self._reason = "it is not complete"

    @property
    def received(self) -> bytes:
        """Everything that came and was not thrown away."""
        return self._received

    @property
    def problem(self) -> str:
        """Why there is no answer yet."""
        if not self._request.echoes and self._received.startswith(self._frame):
            return "the port hears itself: add echo=1 to its URL"
        return self._reason

    def feed(self, data: bytes) -> None:
        """Bytes have come."""
        self._received = (self._received + data)[-4 * FRAME_MOST :]
        if self.missing_echo:
            if not self._received.startswith(self._frame):
                self._reason = "it is not the echo of the request"
                return
            self._received = self._received[len(self._frame) :]
            self.missing_echo = False
        while self.pdu is None and self._take():
            pass

    def _take(self) -> bool:
        """Find one frame; True when it was another unit's, which is thrown away, so that there may be more."""
        for start in range(min(NOISE_MOST + 1, len(self._received))):
            candidate = self._received[start:]
            try:
                length = response_length(candidate)
                if length is None or len(candidate) < length:
                    if self._may_begin(candidate):
                        return False
                    continue
                frame = Frame.from_bytes(candidate[:length])
            except FrameError as error:
                self._reason = self._reason if start else str(error)
                continue
            if frame.unit not in self._units:
                self._received = candidate[length:]
                return True
            try:
                self.answer = self._answer(frame.pdu)
            except FrameError as error:
                self._reason = self._reason if start else str(error)
                continue
            self.pdu, self.rest = frame.pdu, candidate[length:]
            return False
        return False

    def _may_begin(self, data: bytes) -> bool:
        """Whether this is what an answer begins with, so that the rest of it is worth waiting for."""
        return data[0] in self._units and (len(data) == 1 or data[1] & 0x7F == self._function)

    def _answer(self, pdu: bytes) -> object:
        if pdu[0] & 0x7F != self._function:
            raise FrameError(f"it answers function {pdu[0] & 0x7F}, not {self._function}")
        return Refusal.from_bytes(pdu) if pdu[0] & 0x80 else self._request.answer(pdu)


@dataclass(eq=False, slots=True)
class _Ticket:
    """A request that waits for its turn, or for its answer."""

    rank: tuple[int, int]
    """Priority, then order of arrival."""
    units: tuple[int, ...]
    """Who is asked, and from whom the answer may come."""
    request: Request[Any]
    frame: bytes
    patience: float
    outcome: asyncio.Future[tuple[object, float]]
    """The answer, and the seconds from the end of the request to the end of the answer."""


class _Unanswered(Exception):
    """A sending without its answer: what came instead, and why that is not it."""

    def __init__(self, received: bytes = b"", reason: str = "") -> None:
        super().__init__(reason)
        self.received = received
        self.reason = reason

    def as_error(self, step: str, device: str, tries: int) -> DriverError:
        """What it means for the device."""
        if not self.received:
            return DriverError(Kind.NO_REPLY, step=step, device=device, attempts=tries)
        came = self.received.hex(" ").upper()
        return DriverError(Kind.BAD_FRAME, step=step, device=device, attempts=tries, bytes=came, reason=self.reason)


@dataclass(slots=True)
class _UnitState:
    barred_until: float = 0.0
    frames: deque[str] = field(default_factory=lambda: deque(maxlen=FRAMES_KEPT))


class Bus:
    """All exchanges over one port. It belongs to one event loop.

    `lost` gets the PortError when the port is gone; it stays open for ever when it is closed.
    """

    def __init__(self, line: Line) -> None:
        self.line = line
        self.lost: asyncio.Future[PortError] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._transport: Transport | None = None
        self._queue: list[_Ticket] = []
        self._asking: _Ticket | None = None
        self._order = count()
        self._changed = asyncio.Event()
        self._silent_from = 0.0
        """When the line will have been silent for long enough."""
        self._disturbed_from = 0.0
        """When somebody unknown began to talk who has not paused since."""
        self._units: dict[int, _UnitState] = {}
        self._reception: Reception | None = None
        self._heard = asyncio.Event()
        self._heard_at = 0.0
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """The port, for error messages."""
        return self._transport.name if self._transport is not None else "?"

    def start(self, transport: Transport) -> None:
        """Begin to use the port."""
        self._transport = transport
        self._silent_from = self._loop.time() + STALL  # somebody may be in the middle of something
        self._disturbed_from = self._loop.time()
        self._worker = self._loop.create_task(self._serve(transport), name=f"bus {transport.name}")
        self._worker.add_done_callback(self._ended)

    async def close(self) -> None:
        """Let go of the port; whoever waits gets PORT_LOST. Never fails, never hangs."""
        self._closed = True
        self._stop()
        if self._worker is not None:
            await asyncio.wait([self._worker])
        if self._transport is not None:
            await self._transport.close()

    def check(self) -> None:
        """Raise if the port is gone or closed."""
        if self.lost.done():
            raise self.lost.result().again()
        if self._closed:
            raise PortError(Kind.PORT_LOST, port=self.name, reason="it has been closed")

    def frames(self, unit: int) -> list[str]:
        """The last frames to and from a unit, one line each, oldest first."""
        state = self._units.get(unit)
        return [] if state is None else list(state.frames)

    async def exchange(
        self,
        unit: int,
        request: Request[R],
        *,
        step: str,
        device: str,
        priority: Priority,
        tries: int = TRIES,
        patience: float = 0.0,
        also_from: int | None = None,
    ) -> R:
        """Ask a unit, and ask again until there is an answer.

        Each sending waits for its turn anew. `patience` is how many seconds longer than usual the unit may take.
        `also_from` is another unit that may answer: the one that it becomes by this request. Raises NO_REPLY,
        BAD_FRAME, REFUSED, or PortError when the port is lost. A request that waits for its turn is withdrawn when
        the caller is cancelled; an exchange that has begun is finished all the same.
        """
        units = (unit,) if also_from is None else (unit, also_from)
        order = next(self._order)
        busy_until = self._loop.time() + patience + BUSY_MOST
        attempt = 1
        while True:
            try:
                answer, _ = await self._once(units, request, (priority, order), patience)
            except _Unanswered as problem:
                if attempt >= tries:
                    raise problem.as_error(step, device, attempt) from None
                attempt += 1
                continue
            if not isinstance(answer, Refusal):
                return cast(R, answer)
            if answer.code != Code.BUSY or self._loop.time() >= busy_until:
                raise DriverError(Kind.REFUSED, step=step, device=device, attempts=attempt, code=str(answer))
            await asyncio.sleep(BUSY_PAUSE)

    async def timed(
        self, unit: int, request: Request[R], *, step: str, device: str, priority: Priority
    ) -> tuple[R | Refusal, float]:
        """Ask once: the answer, which may be a refusal, and how many seconds the unit took. Raises as `exchange`."""
        try:
            answer, seconds = await self._once((unit,), request, (priority, next(self._order)), 0.0)
        except _Unanswered as problem:
            raise problem.as_error(step, device, 1) from None
        return cast(R | Refusal, answer), seconds

    async def _once(
        self, units: tuple[int, ...], request: Request[Any], rank: tuple[int, int], patience: float
    ) -> tuple[object, float]:
        self.check()
        frame = Frame(units[0], request.to_bytes()).to_bytes()
        ticket = _Ticket(rank, units, request, frame, patience, self._loop.create_future())
        self._queue.append(ticket)
        self._changed.set()
        try:
            return await ticket.outcome
        finally:
            if ticket in self._queue:
                self._queue.remove(ticket)

    # -- turns --------------------------------------------------------------------------------------

    async def _serve(self, transport: Transport) -> None:
        while True:
            ticket = self._asking = await self._next()
            try:
                answer = await self._ask(transport, ticket)
            except _Unanswered as problem:
                if not ticket.outcome.done():
                    ticket.outcome.set_exception(problem)
            else:
                if not ticket.outcome.done():
                    ticket.outcome.set_result(answer)
            self._asking = None

    async def _next(self) -> _Ticket:
        """The next request that may be sent, when the line is silent."""
        while True:
            self._changed.clear()
            now = self._loop.time()
            times = [(max(self._free_from(ticket), self._silent_from), ticket) for ticket in self._queue]
            ready = [ticket for due, ticket in times if due <= now]
            if ready:
                ticket = min(ready, key=lambda each: each.rank)
                self._queue.remove(ticket)
                return ticket
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min((due for due, _ in times), default=None)):
                    await self._changed.wait()

    def _free_from(self, ticket: _Ticket) -> float:
        return max(self._unit(unit).barred_until for unit in ticket.units)

    def _unit(self, unit: int) -> _UnitState:
        return self._units.setdefault(unit, _UnitState())

    def _ended(self, worker: asyncio.Task[None]) -> None:
        if not worker.cancelled() and (problem := worker.exception()) is not None:
            self._fail(Kind.INTERNAL, f"{type(problem).__name__}: {problem}")

    # -- one exchange -------------------------------------------------------------------------------

    async def _ask(self, transport: Transport, ticket: _Ticket) -> tuple[object, float]:
        frame = ticket.frame
        reception = Reception(frame, ticket.units, ticket.request, echo=self.line.echo)
        self._heard.clear()
        self._reception = reception
        self._trace(ticket, "->", frame)
        transport.write(frame)
        sent = self._loop.time() + len(frame) * self.line.character
        begun_by = sent + self.line.timeout + ticket.patience
        try:
            await self._receive(reception, begun_by)
        finally:
            self._reception = None
            self._disturbed_from = self._loop.time()
        if reception.pdu is None:
            for unit in ticket.units:
                self._unit(unit).barred_until = begun_by + self.line.late
            if reception.missing_echo and not reception.received:
                self._fail(Kind.NOT_AN_INTERFACE, "it does not echo what is sent, and its URL says echo=1")
                raise _Unanswered
            self._silence(STALL if reception.received else self.line.gap)
            if reception.received:
                self._trace(ticket, "<-", reception.received)
            raise _Unanswered(reception.received, reception.problem)
        self._silence(STALL if reception.rest else self.line.gap)
        self._trace(ticket, "<-", reception.received[: len(reception.received) - len(reception.rest)])
        return reception.answer, max(self._heard_at - sent, 0.0)

    async def _receive(self, reception: Reception, begun_by: float) -> None:
        """Until there is an answer, or nothing more to wait for."""
        until = begun_by
        end = begun_by + FRAME_MOST * self.line.character + STALL
        while reception.pdu is None:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._heard.wait()
            if not self._heard.is_set() or self._loop.time() >= end:
                return
            self._heard.clear()
            until = min(max(begun_by, self._heard_at + STALL), end)

    def _silence(self, seconds: float) -> None:
        self._silent_from = max(self._silent_from, self._loop.time() + seconds)

    # -- what comes in ------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """From the transport: bytes have come."""
        reception = self._reception
        if reception is None or reception.pdu is not None:
            self._disturbed()
            return
        self._heard_at = self._loop.time()
        reception.feed(data)
        self._heard.set()

    def connection_lost(self, reason: str | None) -> None:
        """From the transport: nothing more will come."""
        if reason is not None:
            self._fail(Kind.PORT_LOST, reason)

    def _disturbed(self) -> None:
        """Bytes that nobody has asked for."""
        now = self._loop.time()
        if now >= self._silent_from:
            self._disturbed_from = now
        self._silence(STALL)
        if self._queue and now - self._disturbed_from > DISTURBED_MOST:
            self._fail(Kind.PORT_BUSY, "", holder="somebody else on the line, which is never silent")

    def _fail(self, kind: Kind, reason: str, **fields: str) -> None:
        """The port is of no use any more: tell whoever waits."""
        if not self._closed and not self.lost.done():
            self.lost.set_result(PortError(kind, port=self.name, reason=reason, protocol="Modbus", **fields))
            self._stop()

    def _stop(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
        for ticket in (*self._queue, *([self._asking] if self._asking is not None else [])):
            try:
                self.check()
            except PortError as problem:
                if not ticket.outcome.done():
                    ticket.outcome.set_exception(problem)
        self._queue.clear()

    # -- for the journal ----------------------------------------------------------------------------

    def _trace(self, ticket: _Ticket, direction: str, data: bytes) -> None:
        now = time.time()
        clock = f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now * 1000) % 1000:03d}"
        words = describe(data, request=direction == "->")
        for unit in ticket.units:
            self._unit(unit).frames.append(f"{clock} {direction} {words}  {data.hex(' ')}")
