"""The serial link of MIP/U61 interfaces (U10 FT Rev A/B, U20 PL, U60 TP-1250, U70 PL).

Bare frames: no code packets, no checksum, no acknowledgement. What gets lost is left to the LON retry.
Source: the vendor's own driver, izot/lon-driver U61Link.c and U61Defs.h.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from core.errors import Kind
from drivers.base import PortError
from drivers.lon import interface
from drivers.lon.interface import Command, Expectations, NetworkInterface, T
from drivers.transport import Transport

BAUD: Final = 460_800
"""lonifd.c sets B460800; the driver's header mentions 921600."""

FRAME_WAIT: Final = 1.0
"""Seconds after which a frame that has begun is abandoned (U61Link.c)."""

ANSWER_WAIT: Final = 0.35
ANSWER_TRIES: Final = 4
"""For the Neuron ID at opening, as over U50 (LON Stack DX); a reset for a change of mode falls into the first tries."""

MODE_WAIT: Final = 0.8
"""Seconds for a reset after the mode command: an interface that is in this mode already says nothing."""

KEEP_ALIVE: Final = 5.0
"""Seconds of silence after which the interface is pinged, as over U50."""

SILENT_PINGS: Final = 5
"""Unanswered in a row they mean that the interface is dead."""

ESCAPE: Final = 0x7E
FRAME_START: Final = 0x00
EXTENDED_LENGTH: Final = 0xFF
MAX_FRAME: Final = 1281
LAYER_2: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class Frame:
    """An NI command with data: 7E 00, length, command, data."""

    command: int
    data: bytes = b""

    def to_bytes(self, *, escape_length: bool = False) -> bytes:
        """The frame on the wire. Downlink the plain length byte is not escaped (a quirk of the firmware)."""
        length = 1 + len(self.data)
        if length < EXTENDED_LENGTH:
            head, body = bytes([length]), bytes([self.command]) + self.data
            if escape_length:
                head = _escape(head)
        else:
            head, body = bytes([EXTENDED_LENGTH]), length.to_bytes(2, "big") + bytes([self.command]) + self.data
        return bytes([ESCAPE, FRAME_START]) + head + _escape(body)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """An uplink frame; ValueError when it is none."""
        match Decoder().feed(data):
            case [Frame() as frame]:
                return cls(frame.command, frame.data)
            case _:
                raise ValueError(f"no frame: {data.hex(' ')}")


def _escape(data: bytes) -> bytes:
    return data.replace(b"\x7e", b"\x7e\x7e")


class Decoder:
    """Uplink bytes to frames. Survives anything; what belongs to no frame is skipped."""

    def __init__(self) -> None:
        self._frame: bytearray | None = None  # from the length on, unescaped
        self._escaped = False

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and is not complete."""
        return self._frame is not None

    def abandon(self) -> None:
        """Forget what has begun."""
        self._frame = None
        self._escaped = False

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes in any portions and return the frames they complete."""
        frames: list[Frame] = []
        for byte in data:
            self._take(byte, frames)
        return frames

    def _take(self, byte: int, frames: list[Frame]) -> None:
        if byte == ESCAPE and not self._escaped:
            self._escaped = True
            return
        if self._escaped:
            self._escaped = False
            if byte != ESCAPE:
                self._frame = bytearray() if byte == FRAME_START else None
                return
        if self._frame is None:
            return
        self._frame.append(byte)
        header = 1 if self._frame[0] != EXTENDED_LENGTH else 3
        if len(self._frame) < header:
            return
        length = self._frame[0] if header == 1 else self._frame[1] << 8 | self._frame[2]
        if not 1 <= length <= MAX_FRAME:
            self._frame = None
        elif len(self._frame) == header + length:
            frames.append(Frame(self._frame[header], bytes(self._frame[header + 1 :])))
            self._frame = None


class MipU61(NetworkInterface):
    """A MIP/U61 interface on a transport."""

    def __init__(self, baud: int = BAUD) -> None:
        super().__init__()
        self.baud = baud
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder()
        self._frame_timer: asyncio.TimerHandle | None = None
        self._expectations = Expectations()
        self._last_heard = self._loop.time()
        self._unanswered = 0
        self._keeper: asyncio.Task[None] | None = None

    async def start(self, transport: Transport) -> None:
        """Layer 2, then the Neuron ID as the proof; raises NOT_AN_INTERFACE."""
        self.transport = transport
        self._write(Frame(Command.LAYER_MODE_U61, LAYER_2))
        with self._expectations.expect(_mode_or_reset) as answer:
            await asyncio.wait({answer}, timeout=MODE_WAIT)
        self.check()
        question = Frame(Command.LOCAL_REQUEST, interface.READ_NEURON_ID)
        neuron_id = await self._ask(question, _neuron_id)
        if neuron_id is None:
            reason = "it does not tell its Neuron ID"
            raise PortError(Kind.NOT_AN_INTERFACE, port=self.name, protocol=interface.PROTOCOL, reason=reason)
        self.neuron_id = neuron_id
        self._write(Frame(Command.FLUSH_CANCEL))
        self._keeper = self._loop.create_task(self._keep_alive(), name=f"keep alive {self.name}")

    async def send(self, packet: bytes, *, priority: bool = False) -> bool:
        """Hand over a packet; there is no word back from this kind of interface."""
        self.check()
        self._write(Frame(Command.SEND_PRIORITY if priority else Command.SEND, packet))
        return True

    async def close(self) -> None:
        """Let go of the port."""
        self._stop_frame_timer()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await super().close()

    def data_received(self, data: bytes) -> None:
        """Bytes from the transport."""
        for frame in self._decoder.feed(data):
            self._stop_frame_timer()
            self._last_heard = self._loop.time()
            self._unanswered = 0
            self._received(frame)
        if not self._decoder.inside:
            self._stop_frame_timer()
        elif self._frame_timer is None:
            self._frame_timer = self._loop.call_later(FRAME_WAIT, self._frame_is_late)

    def _received(self, frame: Frame) -> None:
        if frame.command == Command.RESET and self._keeper is not None:
            mode = frame.data[:1]
            if mode != LAYER_2:  # it has reset by itself and forgotten its mode
                self._write(Frame(Command.LAYER_MODE_U61, LAYER_2))
            self._write(Frame(Command.FLUSH_CANCEL))
        elif not self._expectations.offer(frame.command, frame.data) and frame.command != Command.LOCAL_ANSWER:
            self.deliver(frame.command, frame.data)

    async def _ask(self, question: Frame, recognise: Callable[[int, bytes], T | None]) -> T | None:
        for _ in range(ANSWER_TRIES):
            with self._expectations.expect(recognise) as answer:
                self._write(question)
                await asyncio.wait({answer}, timeout=ANSWER_WAIT)
                self.check()
                if answer.done():
                    return answer.result()
        return None

    async def _keep_alive(self) -> None:
        while not self.lost.done():
            idle = self._loop.time() - self._last_heard
            if idle < KEEP_ALIVE:
                await asyncio.sleep(KEEP_ALIVE - idle)
                continue
            if self._unanswered >= SILENT_PINGS:
                self.fail("it has stopped answering")
                return
            self._unanswered += 1
            self._write(Frame(Command.LOCAL_REQUEST, interface.PING))
            await asyncio.sleep(ANSWER_WAIT)

    def _write(self, frame: Frame) -> None:
        if self.transport is not None:
            self.transport.write(frame.to_bytes())

    def _frame_is_late(self) -> None:
        self._frame_timer = None
        self._decoder.abandon()

    def _stop_frame_timer(self) -> None:
        if self._frame_timer is not None:
            self._frame_timer.cancel()
            self._frame_timer = None


def _mode_or_reset(command: int, _data: bytes) -> bool | None:
    return True if command in (Command.LAYER_MODE_U61, Command.RESET) else None


def _neuron_id(command: int, data: bytes) -> bytes | None:
    return interface.neuron_id_of(data) if command == Command.LOCAL_ANSWER else None
