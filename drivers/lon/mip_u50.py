"""The serial link of MIP/U50 interfaces (U60 FT, U10 FT Rev C): code packets, messages, acknowledgements.

A code packet is four bytes beginning with 7E; one of them announces that a message follows. Each side
sends one transfer at a time and waits for its acknowledgement. Sources: "LonTalk Stack Developer's Guide"
pp. 40-46, and the vendor's own driver (izot/lon-driver U50Link.c, U50Defs.h) where it says more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Final, Self

from core.errors import Kind
from drivers.base import PortError
from drivers.lon import interface
from drivers.lon.interface import Command, Expectations, NetworkInterface, T
from drivers.transport import Transport

BAUD: Final = 115_200
"""USB CDC ignores it, but it is set (U50Defs.h SMPBAUD)."""

ACK_WAIT: Final = 0.1
"""Seconds for an ACK at 115200 bit/s (U50Defs.h ACK_TIMEOUT), scaled up at lower rates; the adaptive wait is never
shorter."""

ACK_WAIT_LIMIT: Final = 0.5
"""What LON Stack DX waits for every ACK: a busy gateway may be late, a late ACK is cheaper than a resent message."""

ACK_WAIT_STARTING: Final = 1.0
"""During start-up a command may make the interface reset before it acknowledges (LON Stack DX)."""

SENDINGS: Final = 2
"""A transfer without ACK is sent again once, under the same sequence number (U50Link.c smpWriteService)."""

SILENT_PHASES: Final = 5
"""Then a ping is tried this often; when no one is acknowledged either, the interface is dead (U50Link.c)."""

FAILED_SENDINGS: Final = 5
"""A message that arrives broken this often will not arrive at all; the LON retry is left to try again."""

FRAME_WAIT: Final = 0.1
"""Seconds from the first byte of a code packet or message to its last (U50Defs.h READ_TIMEOUT)."""

REJECT_LIMIT: Final = 10.0
"""Seconds of CpMsgReject after which the interface is reset (U50Link.c SMP_MSECS_REJECT)."""

REJECT_PAUSE: Final = 0.01
"""Seconds before a rejected message is offered again: about the time a packet needs to leave for the channel."""

KEEP_ALIVE: Final = 5.0
"""Seconds of silence after which the interface is pinged (U50Link.c SMP_MSECS_KA)."""

RESYNC_WAIT: Final = 0.7
"""Seconds for the CpNull that always answers CpNiResync (LON Stack DX NI_NULL_WAIT_TIME)."""

RESYNC_TRIES: Final = 4
"""So an interface that is just resetting (up to 0.8 s, LON Stack DX NI_RESET_WAIT_TIME) is waited for."""

ANSWER_WAIT: Final = 0.35
ANSWER_TRIES: Final = 4
"""For the answers of the interface itself to status and Neuron ID (LON Stack DX)."""

START_UPS: Final = 5
"""A change of layer mode makes it reset and costs one; more resets than this in a row are a fault."""

ESCAPE: Final = 0x7E
EXTENDED_LENGTH: Final = 0xFF
MAX_MESSAGE: Final = 1281
"""NI command and data of the longest message there is (U50Defs.h MAXLONMSG)."""

BROKEN_LENGTH_VERSION: Final = 0xA0
"""Interfaces up to this version cannot take a message whose length byte is 7E (U50Link.c SMIP_VERSION_FENCE)."""


class CodePacketType(IntEnum):
    """What a code packet says."""

    NULL = 0
    """Nothing but, perhaps, an ACK."""
    FAIL = 1
    """Your last transfer was broken: send it again. Never carries an ACK."""
    MESSAGE = 2
    """A message follows at once."""
    MESSAGE_REQUEST = 3
    MESSAGE_ACK = 4
    MESSAGE_REJECT = 5
    """No buffer: keep offering the same message."""
    SHORT_COMMAND = 6
    """An NI command without data."""
    RESYNC = 7
    """Reset both sequence numbers; always answered by NULL."""


@dataclass(frozen=True, slots=True)
class CodePacket:
    """Four bytes: 7E, sequence/ACK/type, parameter, checksum. Never escaped."""

    kind: int
    parameter: int = 0
    sequence: int = 0
    ack: bool = False

    def to_bytes(self) -> bytes:
        """The packet on the wire."""
        head = bytes([ESCAPE, self.sequence << 5 | self.ack << 4 | self.kind, self.parameter])
        return head + bytes([checksum(head)])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The opposite; ValueError when it is none."""
        if len(data) != 4 or data[0] != ESCAPE or data[1] == ESCAPE or sum(data) & 0xFF:
            raise ValueError(f"no code packet: {data.hex(' ')}")
        return cls(kind=data[1] & 0x0F, parameter=data[2], sequence=data[1] >> 5, ack=bool(data[1] & 0x10))

    @property
    def announces_message(self) -> bool:
        """Whether a message follows. Other parameters than 1 were once planned, and are acknowledged and dropped."""
        return self.kind == CodePacketType.MESSAGE and self.parameter == 1


@dataclass(frozen=True, slots=True)
class Message:
    """An NI command with data. On the wire: length, command, data, checksum; every 7E in it twice."""

    command: int
    data: bytes = b""

    def to_bytes(self) -> bytes:
        """The message on the wire, escaped."""
        length = 1 + len(self.data)
        head = bytes([length]) if length < EXTENDED_LENGTH else bytes([EXTENDED_LENGTH, length >> 8, length & 0xFF])
        body = head + bytes([self.command]) + self.data
        return (body + bytes([checksum(body)])).replace(b"\x7e", b"\x7e\x7e")

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The opposite; ValueError when it is none."""
        decoder = Decoder()
        decoder.expect_message()
        match decoder.feed(data):
            case [Message() as message]:
                return cls(message.command, message.data)
            case _:
                raise ValueError(f"no message: {data.hex(' ')}")


@dataclass(frozen=True, slots=True)
class BrokenMessage:
    """A message that cannot be used. `resend`: the peer does not know yet and must be told."""

    reason: str
    resend: bool


Frame = CodePacket | Message | BrokenMessage


def checksum(data: bytes) -> int:
    """What makes the sum of all bytes zero."""
    return -sum(data) & 0xFF


class Decoder:
    """Bytes to frames. Survives anything; what belongs to no frame is skipped."""

    def __init__(self) -> None:
        self._code = bytearray()  # a code packet that has begun
        self._message: bytearray | None = None  # a message that is expected or has begun, unescaped
        self._escaped = False

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return bool(self._code) or self._message is not None

    def expect_message(self) -> None:
        """A message follows, as after its code packet."""
        self._message = bytearray()
        self._escaped = False

    def abandon(self) -> bool:
        """Forget what has begun; whether it was a message."""
        was_message = self._message is not None
        self._code.clear()
        self._message = None
        self._escaped = False
        return was_message

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in any portions and return the frames they complete."""
        frames: list[Frame] = []
        for byte in data:
            self._take(byte, frames)
        return frames

    def _take(self, byte: int, frames: list[Frame]) -> None:
        if self._message is not None:
            self._take_in_message(self._message, byte, frames)
        elif self._code:
            self._take_in_code_packet(byte, frames)
        elif byte == ESCAPE:
            self._code.append(byte)

    def _take_in_code_packet(self, byte: int, frames: list[Frame]) -> None:
        if len(self._code) == 1 and byte == ESCAPE:
            return  # type 14 does not exist, so this one is the beginning
        self._code.append(byte)
        if len(self._code) < 4:
            return
        candidate = bytes(self._code)
        self._code.clear()
        try:
            packet = CodePacket.from_bytes(candidate)
        except ValueError:
            for again in candidate[1:]:  # a packet may begin inside of what was none
                self._take(again, frames)
            return
        frames.append(packet)
        if packet.announces_message:
            self.expect_message()

    def _take_in_message(self, message: bytearray, byte: int, frames: list[Frame]) -> None:
        if byte == ESCAPE and not self._escaped:
            self._escaped = True
            return
        if self._escaped and byte != ESCAPE:
            self.abandon()
            frames.append(BrokenMessage("a code packet came in the middle of it", resend=False))
            self._take(ESCAPE, frames)
            self._take(byte, frames)
            return
        self._escaped = False
        message.append(byte)
        header, length = _length_of(message)
        if length is None:
            return
        if not 1 <= length <= MAX_MESSAGE:
            self.abandon()
            frames.append(BrokenMessage(f"impossible length {length}", resend=True))
        elif len(message) == header + length + 1:
            self.abandon()
            if sum(message) & 0xFF:
                frames.append(BrokenMessage("wrong checksum", resend=True))
            else:
                frames.append(Message(message[header], bytes(message[header + 1 : -1])))


def _length_of(message: bytearray) -> tuple[int, int | None]:
    """Size of the length field, and its value once it is there."""
    if message[0] != EXTENDED_LENGTH:
        return 1, message[0]
    if len(message) < 3:
        return 3, None
    return 3, message[1] << 8 | message[2]


ACK: Final = CodePacket(CodePacketType.NULL, ack=True)
FAIL: Final = CodePacket(CodePacketType.FAIL)
RESYNC: Final = CodePacket(CodePacketType.RESYNC)
PING: Final = Message(Command.LOCAL_REQUEST, interface.PING)
READ_NEURON_ID: Final = Message(Command.LOCAL_REQUEST, interface.READ_NEURON_ID)


class Outcome(Enum):
    """How a transfer to the interface ended."""

    ACKNOWLEDGED = "acknowledged"
    BROKEN = "broken"
    REJECTED = "rejected"
    SILENCE = "silence"
    RESET = "reset"
    """The interface has reset in the middle: what it had is gone."""


class _HasReset(Exception):
    """The interface has reset during its start-up."""


class MipU50(NetworkInterface):
    """A MIP/U50 interface on a transport."""

    def __init__(self, baud: int = BAUD) -> None:
        super().__init__()
        self.baud = baud
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder()
        self._frame_timer: asyncio.TimerHandle | None = None
        self._expectations = Expectations()
        # sending
        self._line = asyncio.Lock()  # one transfer at a time, first come first served
        self._sequence = 0
        self._outstanding: asyncio.Future[Outcome] | None = None
        self._shortest_ack_wait = ACK_WAIT * max(1.0, BAUD / baud)
        self._ack_wait = self._shortest_ack_wait
        # receiving
        self._last_received: int | None = None
        self._drop_message = False
        self._last_heard = self._loop.time()
        # start-up
        self._ready = asyncio.Event()
        self._reset_seen = asyncio.Event()
        self._starting = False
        self._restart: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None

    # -- what the layers above use ---------------------------------------------------------------

    async def start(self, transport: Transport) -> None:
        """Prove that it is an interface: resync, status, layer 2, Neuron ID, flush cancel.

        Raises NOT_AN_INTERFACE with the step that went wrong. A reset message is not waited for at
        first: one that comes begins the start-up again, whenever it comes.
        """
        self.transport = transport
        await self._start_up()
        self._ready.set()
        self._keeper = self._loop.create_task(self._keep_alive(), name=f"keep alive {self.name}")

    async def send(self, packet: bytes, *, priority: bool = False) -> bool:
        """Hand over a packet; waits while the interface has no buffer or starts again after a reset."""
        await self._ready.wait()
        self.check()
        command = Command.SEND_PRIORITY if priority else Command.SEND
        if len(packet) + 2 == ESCAPE and self.version <= BROKEN_LENGTH_VERSION:
            packet += b"\x00"
        return await self._transfer(Message(command, packet))

    def fail(self, reason: str) -> None:
        """The interface is gone: nobody waits for it any longer."""
        super().fail(reason)
        self._wake_all()

    async def close(self) -> None:
        """Let go of the port."""
        self._closed = True
        self._wake_all()
        tasks = [task for task in (self._keeper, self._restart) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await super().close()

    def _wake_all(self) -> None:
        self._stop_frame_timer()
        self._ready.set()
        self._reset_seen.set()
        self._settle(Outcome.SILENCE)

    # -- start-up (golden: the tool's own side of the link) ----------------------------------------

    async def _start_up(self) -> None:
        self._starting = True
        try:
            for _ in range(START_UPS):
                self._reset_seen.clear()
                try:
                    await self._start_up_once()
                except _HasReset:
                    continue
                return
            raise self._no_interface("it resets again and again")
        finally:
            self._starting = False

    async def _start_up_once(self) -> None:
        await self._resync()
        status = await self._ask(_short(Command.STATUS), _status)
        if status is None:
            raise self._no_interface("no answer to the status command")
        self.version = status[1] if len(status) > 1 else 0
        in_layer_2 = len(status) > 2 and status[2] == 1
        if await self._ask(_short(Command.LAYER_2), _layer_2) is None and not in_layer_2:
            raise self._no_interface("it does not change to layer 2")
        neuron_id = await self._ask(READ_NEURON_ID, _neuron_id)
        if neuron_id is None:
            raise self._no_interface("it does not tell its Neuron ID")
        self.neuron_id = neuron_id
        async with self._line:
            await self._deliver(_short(Command.FLUSH_CANCEL), ACK_WAIT_STARTING)
        if self._reset_seen.is_set():
            raise _HasReset

    async def _resync(self) -> None:
        for _ in range(RESYNC_TRIES):
            with self._expectations.expect(_null) as answer:
                self._write(RESYNC.to_bytes())
                await asyncio.wait({answer}, timeout=RESYNC_WAIT)
                self.check()
                if answer.done():
                    self._sequence = 0
                    self._last_received = None
                    self._reset_seen.clear()  # a reset before this one is what it answers
                    return
        raise self._no_interface("no answer to resync")

    async def _ask(self, question: Message | CodePacket, recognise: Callable[[int, bytes], T | None]) -> T | None:
        """A local command whose completion is its answer.

        The ACK alone does not count: a second command would overwrite the first inside the interface
        (U50Link.c, "MIP Local Command Handling").
        """
        for _ in range(ANSWER_TRIES):
            with self._expectations.expect(recognise) as answer:
                async with self._line:
                    await self._deliver(question, ACK_WAIT_STARTING)
                reset = self._loop.create_task(self._reset_seen.wait())
                waiting: set[asyncio.Future[Any]] = {answer, reset}
                try:
                    await asyncio.wait(waiting, timeout=ANSWER_WAIT, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    reset.cancel()
                self.check()
                if self._reset_seen.is_set():
                    raise _HasReset
                if answer.done():
                    return answer.result()
        return None

    def _no_interface(self, reason: str) -> PortError:
        return PortError(Kind.NOT_AN_INTERFACE, port=self.name, protocol=interface.PROTOCOL, reason=reason)

    async def _start_again(self) -> None:
        async with self._line:
            pass  # the transfer that the reset cut off has ended
        try:
            await self._start_up()
        except PortError as error:
            self.fail(f"it does not come back after a reset: {error.fields.get('reason')}")
        self._ready.set()

    # -- sending ---------------------------------------------------------------------------------

    async def _transfer(self, frame: Message | CodePacket) -> bool:
        """One transfer; whether the interface has it. Finds out when the interface is dead."""
        async with self._line:
            self.check()
            outcome = await self._deliver(frame)
            self.check()
            if outcome is not Outcome.SILENCE:
                return outcome is Outcome.ACKNOWLEDGED
            for _ in range(SILENT_PHASES):
                outcome = await self._deliver(PING)
                self.check()
                if outcome is not Outcome.SILENCE:
                    return False  # alive, but the message is given up
            self.fail("it has stopped answering")
        self.check()
        return False

    async def _deliver(self, frame: Message | CodePacket, ack_wait: float | None = None) -> Outcome:
        """Send until it is acknowledged or there is no use in it. The line must be held."""
        silent = broken = 0
        rejected_since: float | None = None
        while True:
            outcome = await self._send_once(frame, ack_wait or self._ack_wait, first=silent == 0)
            if outcome is Outcome.SILENCE:
                silent += 1
                if silent >= SENDINGS:
                    self._next_sequence()
                    return outcome
                self._ack_wait = min(2 * self._ack_wait, max(ACK_WAIT_LIMIT, self._shortest_ack_wait))
            elif outcome is Outcome.BROKEN:
                broken += 1
                if broken >= FAILED_SENDINGS:
                    return outcome
            elif outcome is Outcome.REJECTED:
                silent = 0
                now = self._loop.time()
                rejected_since = now if rejected_since is None else rejected_since
                if now - rejected_since >= REJECT_LIMIT:
                    self._write(_short(Command.RESET).to_bytes())
                    self._has_reset()
                    return Outcome.RESET
                await asyncio.sleep(REJECT_PAUSE)
            else:
                return outcome
            if self._closed or self.lost.done():
                return Outcome.SILENCE

    async def _send_once(self, frame: Message | CodePacket, ack_wait: float, *, first: bool) -> Outcome:
        outstanding: asyncio.Future[Outcome] = self._loop.create_future()
        self._outstanding = outstanding
        sent_at = self._loop.time()
        try:
            if isinstance(frame, Message):
                head = CodePacket(CodePacketType.MESSAGE, parameter=1, sequence=self._sequence)
                self._write(head.to_bytes() + frame.to_bytes())
            else:
                self._write(frame.to_bytes())
            await asyncio.wait({outstanding}, timeout=ack_wait)
            if not outstanding.done():
                return Outcome.SILENCE
            if outstanding.result() is Outcome.ACKNOWLEDGED and first:
                measured = self._ack_wait * 7 / 8 + (self._loop.time() - sent_at) / 2
                self._ack_wait = min(
                    max(measured, self._shortest_ack_wait), max(ACK_WAIT_LIMIT, self._shortest_ack_wait)
                )
            return outstanding.result()
        finally:
            self._outstanding = None

    def _settle(self, outcome: Outcome) -> None:
        if self._outstanding is None or self._outstanding.done():
            return  # an ACK that nobody waits for, for instance of a transfer that was sent twice
        self._outstanding.set_result(outcome)
        if outcome in (Outcome.ACKNOWLEDGED, Outcome.BROKEN):
            self._next_sequence()

    def _next_sequence(self) -> None:
        """Each transfer that ends moves it, short commands included: 0 after resync, then 1..7 for ever."""
        self._sequence = self._sequence % 7 + 1

    def _write(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    async def _keep_alive(self) -> None:
        while not self.lost.done():
            idle = self._loop.time() - self._last_heard
            if idle < KEEP_ALIVE:
                await asyncio.sleep(KEEP_ALIVE - idle)
                continue
            await self._ready.wait()
            if self.lost.done():
                return
            await self._transfer(PING)

    # -- receiving ---------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes from the transport."""
        for frame in self._decoder.feed(data):
            self._stop_frame_timer()
            self._last_heard = self._loop.time()
            if isinstance(frame, CodePacket):
                self._code_packet(frame)
            elif isinstance(frame, Message):
                self._message(frame)
            else:
                self._broken(resend=frame.resend)
        if not self._decoder.inside:
            self._stop_frame_timer()
        elif self._frame_timer is None:
            self._frame_timer = self._loop.call_later(FRAME_WAIT, self._frame_is_late)

    def _code_packet(self, packet: CodePacket) -> None:
        duplicate = False
        if packet.kind in (CodePacketType.MESSAGE, CodePacketType.SHORT_COMMAND):
            duplicate = packet.sequence != 0 and packet.sequence == self._last_received
            self._last_received = packet.sequence
        if packet.ack and packet.kind not in (CodePacketType.FAIL, CodePacketType.MESSAGE_REJECT):
            self._settle(Outcome.ACKNOWLEDGED)
        match packet.kind:
            case CodePacketType.NULL:
                self._expectations.offer(CodePacketType.NULL, b"")
            case CodePacketType.FAIL:
                self._settle(Outcome.BROKEN)
            case CodePacketType.MESSAGE_REJECT:
                self._settle(Outcome.REJECTED)
            case CodePacketType.MESSAGE:
                self._drop_message = duplicate
                if not packet.announces_message:
                    self._write(ACK.to_bytes())
            case CodePacketType.SHORT_COMMAND:
                self._write(ACK.to_bytes())
                if not duplicate:
                    self._received(packet.parameter, b"")

    def _message(self, message: Message) -> None:
        self._write(ACK.to_bytes())  # a duplicate too: its ACK was lost
        if not self._drop_message:
            self._received(message.command, message.data)

    def _broken(self, *, resend: bool) -> None:
        self._last_received = None  # so that what is sent again is not taken for a duplicate
        if resend:
            self._write(FAIL.to_bytes())

    def _received(self, command: int, data: bytes) -> None:
        if command == Command.RESET:
            self._has_reset()
        elif self._expectations.offer(command, data):
            self._settle(Outcome.ACKNOWLEDGED)  # the answer is there, so the question was
        elif command != Command.LOCAL_ANSWER:
            self.deliver(command, data)

    def _has_reset(self) -> None:
        self._reset_seen.set()
        self._sequence = 0
        self._last_received = None
        self._settle(Outcome.RESET)
        if self._starting or not self._ready.is_set() or self.lost.done() or self._closed:
            return
        self._ready.clear()
        self._restart = self._loop.create_task(self._start_again(), name=f"restart {self.name}")

    def _frame_is_late(self) -> None:
        self._frame_timer = None
        if self._decoder.abandon():
            self._broken(resend=True)

    def _stop_frame_timer(self) -> None:
        if self._frame_timer is not None:
            self._frame_timer.cancel()
            self._frame_timer = None


def _short(command: Command) -> CodePacket:
    """An NI command without data, always under sequence number 0 (U50Link.c smpDlCpNow)."""
    return CodePacket(CodePacketType.SHORT_COMMAND, parameter=command)


def _null(command: int, data: bytes) -> bool | None:
    return True if command == CodePacketType.NULL and not data else None


def _status(command: int, data: bytes) -> bytes | None:
    return data if command == Command.STATUS and data else None


def _layer_2(command: int, _data: bytes) -> bool | None:
    return True if command == Command.LAYER_2 else None


def _neuron_id(command: int, data: bytes) -> bytes | None:
    return interface.neuron_id_of(data) if command == Command.LOCAL_ANSWER else None
