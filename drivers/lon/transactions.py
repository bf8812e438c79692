"""Exchanges with devices: numbers, retries, and the window that keeps the channel full.

Many exchanges are open at once, each to another device; a person's go before a job's, a job's before
monitoring. Layer 2 leaves all of this to the host. The rules are those of ISO/IEC 14908-1 as implemented by
LON Stack DX (lcs_tcs.c, lcs_tsa.c).
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Any, Final, TypeVar

from core.errors import Kind
from drivers.base import DriverError, PortError, Priority
from drivers.lon.interface import NetworkInterface
from drivers.lon.packets import (
    ApplicationPdu,
    Destination,
    Packet,
    PacketError,
    SessionKind,
    SessionPdu,
    SubnetNode,
    TransportKind,
    TransportPdu,
)
from drivers.lon.words import in_words

TRIES: Final = 7
"""Sendings of one exchange. With 5 % loss and 1 % corruption both ways one sending fails in 12 % of all cases, and
0.12^7 < 1e-6."""

NUMBERS: Final = range(1, 16)
"""Transaction numbers; 0 is only for the first message after a reset (LON Stack DX lcs_tcs.c)."""

NUMBER_MEMORY: Final = 25.0
"""Seconds in which a number is not used twice in a row for one destination: its receive record there lives for up to
24.576 s."""

REST: Final = 0.06
"""Seconds a number rests after a clean exchange: a doubled answer comes within a few packets of the first one."""

STRAY_AFTER_RETRY: Final = 1.0
"""Seconds after the last sending in which a further answer to an exchange that was sent more than once may come."""

STRAY_AFTER_FAILURE: Final = 1.5
"""The same where no answer has come at all, so that all of them may be on the way."""

WAIT_FIRST: Final = {False: 0.3, True: 0.5}
"""Seconds for the first answers, reads and writes, before any has been measured: a full queue in the interface
(8 packets of 6 ms) and the device; for writes the time its non-volatile memory takes, tens to hundreds of ms."""

WAIT_LEAST: Final = {False: 0.096, True: 0.2}
"""96 ms (index 5 of the timer table) is the least on FT-10; a write may meet a slower device than those measured."""

EXCHANGE_TIME: Final = 0.012
"""Seconds of channel time of an average exchange on TP/FT-10; each that is open may be in front of this one."""

WAIT_MOST: Final = 1.5
"""Seconds; the longest wait for an answer."""

DOUBLINGS: Final = 2
"""How often the wait is doubled on retry: enough to get out of a congestion, and a dead device is known in two or three
seconds."""

SENDINGS_IN_WINDOW: Final = 2
"""An exchange without answer after so many sendings hardly uses the channel: it leaves its place to another, so that
dead devices do not keep the living ones waiting."""

WINDOW_FIRST: Final = 8
WINDOW_LEAST: Final = 3
WINDOW_MOST: Final = 12
"""Open exchanges. Channel and device time of one exchange are about 12 and 20 ms, so four fill the channel; the rest
covers those that wait for a retry. More only make the queue in the interface longer, and there are but 15 numbers."""

RESERVE: Final = 2
"""Exchanges that a person may have open beyond the window."""

BACK_OFF_ABOVE: Final = 0.35
"""Share of sendings without answer at which the window shrinks. Noise alone stays far below; an overrun queue does
not."""

BACK_OFF_AFTER: Final = 16
"""Sendings looked at before the window is judged again."""

FRAMES_KEPT: Final = 24
DEVICES_KEPT: Final = 512
"""Of the trace for the journal: the last packets of a device, and of how many devices."""

NEURON_ID_SPACE: Final = (0, 0)


class Service(Enum):
    """How a message is carried."""

    REQUEST = "request"
    """Answered by a response."""
    ACKNOWLEDGED = "acknowledged"
    """Answered by an acknowledgement without content."""


@dataclass(frozen=True, slots=True)
class Place:
    """A destination in a domain."""

    destination: Destination
    domain: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, how often it had been sent for and how long it took (seconds, from the last sending)."""

    apdu: bytes
    source: SubnetNode
    tries: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question to one device.

    `step` names it in errors. `device` is whom it goes to, under whatever address: one open exchange each.
    `writes` allows the device the time to program its memory.
    """

    step: str
    device: str
    place: Place
    apdu: bytes
    service: Service = Service.REQUEST
    writes: bool = False
    tries: int = TRIES


AnswerSpace = tuple[bytes, tuple[int, int]]
"""Within it, answers differ by nothing but the number: domain, and the address from which they come. Unconfigured
devices answer from 0/0, so all exchanges by Neuron ID in one domain share a space."""


def answers_to(request: int, response: int) -> bool:
    """Whether this response code can answer this request code, as success or failure (LON Stack DX lon_types.h)."""
    if 0x60 <= request <= 0x7F:
        low = request & 0x1F
        return response in (0x20 | low, low)
    if 0x50 <= request <= 0x5F:
        low = request & 0x0F
        return response in (0x30 | low, 0x10 | low)
    if request >= 0x80:
        return response >= 0x80
    return True


class Numbers:
    """The transaction numbers of one answer space: least recently used first, none while its stray answers may come."""

    def __init__(self, clock: Callable[[], float], shuffle: Callable[[list[int]], None] = random.shuffle) -> None:
        self._clock = clock
        numbers = list(NUMBERS)
        shuffle(numbers)  # a restarted program must not repeat the last number of the one before
        self._free: deque[int] = deque(numbers)
        self._resting: list[tuple[float, int]] = []
        self._last: OrderedDict[Destination, tuple[int, float]] = OrderedDict()

    def take(self, destination: Destination) -> int | None:
        """A number for a new exchange with it, or None if there is none now."""
        now = self._clock()
        self._forget(now)
        while self._resting and self._resting[0][0] <= now:
            self._free.append(heapq.heappop(self._resting)[1])
        avoid = self._last.get(destination, (0, 0.0))[0]
        for number in self._free:
            if number != avoid:
                self._free.remove(number)
                return number
        return None

    def give_back(self, number: int, destination: Destination, stray_until: float) -> None:
        """The exchange is over; answers to it may still come until then."""
        heapq.heappush(self._resting, (stray_until, number))
        self._last[destination] = (number, self._clock())
        self._last.move_to_end(destination)

    def next_free(self) -> float | None:
        """When a resting number becomes free; None when none rests."""
        return self._resting[0][0] if self._resting else None

    def _forget(self, now: float) -> None:
        while self._last:
            destination, (_, used) = next(iter(self._last.items()))
            if now - used < NUMBER_MEMORY:
                return
            del self._last[destination]


class Patience:
    """How long to wait for an answer: from measured times (RFC 6298), for reads or for writes."""

    def __init__(self, *, writes: bool) -> None:
        self._least = WAIT_LEAST[writes]
        self._first = WAIT_FIRST[writes]
        self._mean: float | None = None
        self._deviation = 0.0

    def measured(self, seconds: float) -> None:
        """An answer to an exchange that was sent once; of others nobody knows which sending it answers."""
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
            return
        self._deviation += (abs(seconds - self._mean) - self._deviation) / 4
        self._mean += (seconds - self._mean) / 8

    def seconds(self, retry: int, open_exchanges: int) -> float:
        """For the sending after so many retries, while so many exchanges share the channel."""
        once = self._first if self._mean is None else self._mean + 4 * self._deviation
        return min(
            max(once, self._least + open_exchanges * EXCHANGE_TIME) * float(1 << min(retry, DOUBLINGS)), WAIT_MOST
        )


class Window:
    """How many exchanges may be open: one more for each that many went well, fewer when most get lost."""

    def __init__(self) -> None:
        self.size = WINDOW_FIRST
        self.loss = 0.0
        self._sent = 0
        self._lost = 0
        self._credit = 0

    def answered(self) -> None:
        """A sending was answered."""
        self._credit += 1
        if self._credit >= self.size:
            self._credit = 0
            self.size = min(self.size + 1, WINDOW_MOST)
        self._count(lost=0)

    def unanswered(self, *, dead: bool) -> None:
        """A sending was not answered. A device that never answers says nothing about the channel."""
        if not dead:
            self._count(lost=1)

    def _count(self, lost: int) -> None:
        self._sent += 1
        self._lost += lost
        self.loss += (lost - self.loss) / 32
        if self._sent >= BACK_OFF_AFTER:
            if self._lost > BACK_OFF_ABOVE * self._sent:
                self.size = max(self.size * 3 // 4, WINDOW_LEAST)
            self._sent = self._lost = self._credit = 0


@dataclass(slots=True)
class _Entry:
    """An open exchange that answers are matched against."""

    service: Service
    code: int
    answer: asyncio.Future[tuple[bytes, SubnetNode]]
    device: str = ""
    sender: SubnetNode | None = None
    """Whose answer it must be, where the address tells."""
    collect: Callable[[bytes, SubnetNode], None] | None = None


@dataclass(order=True, slots=True)
class _Ticket:
    """A place in the queue for the window."""

    priority: int
    order: int
    exchange: Exchange = field(compare=False)
    granted: asyncio.Future[int] = field(compare=False)


T = TypeVar("T")


class Transactions:
    """All exchanges over one interface. `source` is the console's own place in the domain."""

    def __init__(self, interface: NetworkInterface, source: SubnetNode) -> None:
        self._interface = interface
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._spaces: dict[AnswerSpace, Numbers] = {}
        self._entries: dict[tuple[AnswerSpace, int], _Entry] = {}
        self._queue: list[_Ticket] = []
        self._order = count()
        self._open_devices: set[str] = set()
        self._in_window = 0
        self._wake: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[Any]] = set()
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._patience = {writes: Patience(writes=writes) for writes in (False, True)}
        self._frames: OrderedDict[str, deque[str]] = OrderedDict()
        self.window = Window()
        self.reception_failures = 0
        self.on_message: Callable[[Packet], None] = lambda _packet: None
        """Gets the messages that answer nothing: service pins, updates of network variables and the like."""
        interface.listener = self

    # -- what the layers above use ---------------------------------------------------------------

    async def exchange(self, exchange: Exchange, priority: Priority) -> Answer:
        """Ask, and ask again until there is an answer.

        Raises NO_REPLY, or PortError when the interface is lost. An exchange that waits for its turn is
        withdrawn when the caller is cancelled; one that has begun is finished all the same.
        """
        number = await self._turn(exchange, priority)
        return await self._shielded(self._run(exchange, number), exchange.step)

    async def tell(self, place: Place, apdu: bytes) -> None:
        """Send a message that nobody answers."""
        await self._interface.send(self._packet(place, ApplicationPdu(apdu), backlog=0))

    async def ask_all(
        self, place: Place, apdu: bytes, *, backlog: int, quiet: float, limit: float
    ) -> list[tuple[bytes, SubnetNode]]:
        """Ask everybody at once and collect the answers until nothing comes for `quiet` seconds, `limit` at most."""
        return await self._shielded(self._ask_all(place, apdu, backlog, quiet, limit), "with all")

    def frames(self, device: str) -> list[str]:
        """The last packets from and to a device, one line each, oldest first."""
        return list(self._frames.get(device, ()))

    async def close(self) -> None:
        """End everything that is under way: whoever waits gets PORT_LOST or is cancelled."""
        if not self._closed.done():
            self._closed.set_result(None)
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._wake is not None:
            self._wake.cancel()

    # -- turns -----------------------------------------------------------------------------------

    async def _shielded(self, work: Coroutine[Any, Any, T], name: str) -> T:
        task = self._loop.create_task(work, name=f"exchange {name}")
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():  # closed under the caller's feet, who has not been cancelled
                self._interface.check()
            raise

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its caller has it, or has gone away

    async def _turn(self, exchange: Exchange, priority: Priority) -> int:
        """Wait for a place in the window; returns the transaction number that comes with it."""
        self._check()
        ticket = _Ticket(priority, next(self._order), exchange, self._loop.create_future())
        heapq.heappush(self._queue, ticket)
        self._let_in()
        waiting: set[asyncio.Future[Any]] = {ticket.granted, self._interface.lost, self._closed}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            self._check()
            return ticket.granted.result()
        except BaseException:
            if ticket in self._queue:
                self._queue.remove(ticket)
                heapq.heapify(self._queue)
            elif ticket.granted.done():
                self._in_window -= 1
                self._leave(exchange, ticket.granted.result(), self._loop.time())
            raise

    def _check(self) -> None:
        """Raise if the interface is gone, or nothing more goes to it: it is closed a moment after this end of it."""
        self._interface.check()
        if self._closed.done():
            raise PortError(Kind.PORT_LOST, port=self._interface.name, reason="it has been closed")

    def _let_in(self) -> None:
        """Give window places to those in the queue, in order, each with a number."""
        waiting: list[_Ticket] = []
        earliest: float | None = None
        while self._queue:
            ticket = heapq.heappop(self._queue)
            reserve = RESERVE if ticket.priority == Priority.INTERACTIVE else 0
            if self._in_window >= self.window.size + reserve:
                waiting.append(ticket)
                break
            if ticket.exchange.device in self._open_devices:
                waiting.append(ticket)
                continue
            numbers = self._numbers(_space(ticket.exchange.place))
            number = numbers.take(ticket.exchange.place.destination)
            if number is None:
                waiting.append(ticket)
                soonest = numbers.next_free()
                if soonest is not None:
                    earliest = soonest if earliest is None else min(earliest, soonest)
                continue
            self._open_devices.add(ticket.exchange.device)
            self._in_window += 1
            ticket.granted.set_result(number)
        for ticket in waiting:
            heapq.heappush(self._queue, ticket)
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if earliest is not None:
            self._wake = self._loop.call_at(earliest, self._let_in)

    def _leave(self, exchange: Exchange, number: int, stray_until: float) -> None:
        self._open_devices.discard(exchange.device)
        self._numbers(_space(exchange.place)).give_back(number, exchange.place.destination, stray_until)
        self._let_in()

    def _numbers(self, space: AnswerSpace) -> Numbers:
        if space not in self._spaces:
            self._spaces[space] = Numbers(self._loop.time)
        return self._spaces[space]

    # -- one exchange ------------------------------------------------------------------------------

    async def _run(self, exchange: Exchange, number: int) -> Answer:
        space = _space(exchange.place)
        pdu: TransportPdu | SessionPdu
        if exchange.service is Service.REQUEST:
            pdu = SessionPdu(SessionKind.REQUEST, number, exchange.apdu)
        else:
            pdu = TransportPdu(TransportKind.ACKNOWLEDGED, number, exchange.apdu)
        packet = self._packet(exchange.place, pdu, backlog=1)
        stray_until = self._loop.time() + STRAY_AFTER_FAILURE
        holds_place = True
        sender = exchange.place.destination if isinstance(exchange.place.destination, SubnetNode) else None
        try:
            entry = _Entry(exchange.service, exchange.apdu[0], self._loop.create_future(), exchange.device, sender)
            with self._registered(space, number, entry):
                for retry in range(exchange.tries):
                    if holds_place and retry >= SENDINGS_IN_WINDOW:
                        holds_place = False
                        self._in_window -= 1
                        self._let_in()
                    self._trace(exchange.device, "->", packet)
                    taken = await self._interface.send(packet)
                    sent_at = self._loop.time()
                    stray_until = sent_at + STRAY_AFTER_FAILURE
                    if taken and not entry.answer.done():
                        await self._answer_or_loss(
                            entry, self._patience[exchange.writes].seconds(retry, self._in_window)
                        )
                    if not entry.answer.done():
                        continue
                    apdu, source = entry.answer.result()
                    seconds = self._loop.time() - sent_at
                    if retry == 0:
                        self._patience[exchange.writes].measured(seconds)
                    self._judge(retry)
                    stray_until = self._loop.time() + REST if retry == 0 else sent_at + STRAY_AFTER_RETRY
                    return Answer(apdu, source, retry + 1, seconds)
            self.window.unanswered(dead=True)
            raise DriverError(Kind.NO_REPLY, step=exchange.step, device=exchange.device, attempts=exchange.tries)
        finally:
            self._in_window -= holds_place
            self._leave(exchange, number, stray_until)

    def _judge(self, retries: int) -> None:
        for _ in range(retries):
            self.window.unanswered(dead=False)
        self.window.answered()

    async def _answer_or_loss(self, entry: _Entry, seconds: float) -> None:
        waiting: set[asyncio.Future[Any]] = {entry.answer, self._interface.lost}
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not entry.answer.done():
            self._interface.check()

    async def _ask_all(
        self, place: Place, apdu: bytes, backlog: int, quiet: float, limit: float
    ) -> list[tuple[bytes, SubnetNode]]:
        space = _space(place)
        number = await self._number_for_all(space, place)
        answers: list[tuple[bytes, SubnetNode]] = []
        last = self._loop.time()

        def collect(answer: bytes, source: SubnetNode) -> None:
            nonlocal last
            last = self._loop.time()
            answers.append((answer, source))

        try:
            entry = _Entry(Service.REQUEST, apdu[0], self._loop.create_future(), collect=collect)
            with self._registered(space, number, entry):
                pdu = SessionPdu(SessionKind.REQUEST, number, apdu)
                await self._interface.send(self._packet(place, pdu, backlog=backlog))
                started = last = self._loop.time()
                while (now := self._loop.time()) < min(last + quiet, started + limit):
                    await asyncio.wait({self._interface.lost}, timeout=min(last + quiet, started + limit) - now)
                    self._interface.check()
        finally:
            self._numbers(space).give_back(number, place.destination, self._loop.time() + STRAY_AFTER_RETRY)
        return answers

    async def _number_for_all(self, space: AnswerSpace, place: Place) -> int:
        numbers = self._numbers(space)
        while (number := numbers.take(place.destination)) is None:
            await asyncio.wait({self._interface.lost}, timeout=REST)
            self._interface.check()
        return number

    @contextmanager
    def _registered(self, space: AnswerSpace, number: int, entry: _Entry) -> Iterator[None]:
        """Registered before anything is sent, gone whatever happens."""
        self._entries[space, number] = entry
        try:
            yield
        finally:
            del self._entries[space, number]
            entry.answer.cancel()

    def _packet(self, place: Place, pdu: TransportPdu | SessionPdu | ApplicationPdu, *, backlog: int) -> bytes:
        return Packet(self._source, place.destination, pdu, place.domain, backlog).to_bytes()

    # -- what comes in -------------------------------------------------------------------------------

    def packet_received(self, data: bytes) -> None:
        """From the interface: a packet of the channel, whoever it is for."""
        try:
            packet = Packet.from_bytes(data)
        except PacketError:
            return  # other protocol versions share the channel; nothing of ours is in them
        match packet.pdu:
            case SessionPdu(kind=SessionKind.RESPONSE, number=number, apdu=apdu) if apdu:
                self._answered(packet, Service.REQUEST, number, apdu, data)
            case TransportPdu(kind=TransportKind.ACKNOWLEDGEMENT, number=number):
                self._answered(packet, Service.ACKNOWLEDGED, number, b"", data)
            case (
                ApplicationPdu() | TransportPdu(kind=TransportKind.ACKNOWLEDGED | TransportKind.UNACKNOWLEDGED_REPEATED)
            ):
                self.on_message(packet)

    def reception_failed(self) -> None:
        """From the interface: noise or a collision."""
        self.reception_failures += 1

    def _answered(self, packet: Packet, service: Service, number: int, apdu: bytes, data: bytes) -> None:
        if packet.destination != self._source:
            return
        source = packet.source
        for space in ((packet.domain, (source.subnet, source.node)), (packet.domain, NEURON_ID_SPACE)):
            entry = self._entries.get((space, number))
            if entry is None or entry.service is not service:
                continue
            if entry.sender is not None and entry.sender != source:
                continue
            if service is Service.REQUEST and not answers_to(entry.code, apdu[0]):
                continue
            if entry.collect is not None:
                entry.collect(apdu, source)
            elif not entry.answer.done():
                self._trace(entry.device, "<-", data)
                entry.answer.set_result((apdu, source))
            return

    def _trace(self, device: str, direction: str, data: bytes) -> None:
        lines = self._frames.setdefault(device, deque(maxlen=FRAMES_KEPT))
        self._frames.move_to_end(device)
        if len(self._frames) > DEVICES_KEPT:
            self._frames.popitem(last=False)
        now = time.time()
        clock = time.strftime("%H:%M:%S", time.localtime(now))
        lines.append(f"{clock}.{int(now * 1000) % 1000:03d} {direction} {in_words(data)}  {data.hex(' ')}")


def _space(place: Place) -> AnswerSpace:
    match place.destination:
        case SubnetNode(subnet, node) if place.domain:
            return place.domain, (subnet, node)
        case _:
            return place.domain, NEURON_ID_SPACE
