"""What a network interface is to the layers above: packets down, packets up, and lost or not.

The two links (`mip_u50`, `mip_u61`) speak differently on the wire but carry the same commands of the
interface (NI commands) and the same local requests; both are here.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final, Protocol, TypeVar

from core.errors import Kind
from drivers.base import PortError
from drivers.transport import Transport

PROTOCOL: Final = "lon"


class Command(IntEnum):
    """NI commands (LON Stack DX lon_types.h; LonTalk Stack Developer's Guide pp. 45-46)."""

    SEND = 0x12
    SEND_PRIORITY = 0x13
    LOCAL_ANSWER = 0x16
    PACKET = 0x1A
    PACKET_POWER_LINE = 0x1B
    PACKET_POWER_LINE_EXTENDED = 0x1C
    LOCAL_REQUEST = 0x22
    RECEIVE_ERROR_FIRST = 0x30
    RECEIVE_ERROR_LAST = 0x35
    RESET = 0x50
    FLUSH_CANCEL = 0x60
    ACKNOWLEDGED = 0xC0
    NOT_ACKNOWLEDGED = 0xC1
    LAYER_5 = 0xD0
    LAYER_2 = 0xD1
    STATUS = 0xE0
    LAYER_MODE_U61 = 0xE5


class Listener(Protocol):
    """Who gets what the interface hears."""

    def packet_received(self, packet: bytes) -> None:
        """A packet of the channel: LPDU header and NPDU, the CRC checked and taken off by the interface."""

    def reception_failed(self) -> None:
        """The interface heard something it could not read: a collision or noise."""


class NetworkInterface(ABC):
    """An opened interface in layer 2 mode. All methods belong to one event loop.

    `lost` gets the PortError when the interface is gone; it stays open for ever when it is closed.
    """

    baud: int
    """Bits per second of its tty."""

    def __init__(self) -> None:
        self.transport: Transport | None = None
        self.neuron_id = bytes(6)
        self.version = 0
        self.listener: Listener | None = None
        self.lost: asyncio.Future[PortError] = asyncio.get_running_loop().create_future()
        self._closed = False

    @property
    def name(self) -> str:
        """The port, for error messages."""
        return self.transport.name if self.transport is not None else "?"

    @abstractmethod
    def data_received(self, data: bytes) -> None:
        """Bytes from the transport."""

    def connection_lost(self, reason: str | None) -> None:
        """From the transport: nothing more will come."""
        if reason is not None:
            self.fail(reason)

    @abstractmethod
    async def start(self, transport: Transport) -> None:
        """Prove that this is a network interface and bring it to layer 2; raises PortError."""

    @abstractmethod
    async def send(self, packet: bytes, *, priority: bool = False) -> bool:
        """Hand a packet (LPDU without CRC) to the interface; False when it did not take it.

        Returns when the interface has it, which is not yet on the channel. Raises PortError when the
        interface is lost.
        """

    def fail(self, reason: str) -> None:
        """The interface is gone: tell whoever waits for it."""
        if not self._closed and not self.lost.done():
            self.lost.set_result(PortError(Kind.PORT_LOST, port=self.name, reason=reason))

    def check(self) -> None:
        """Raise if the interface is gone or closed."""
        if self.lost.done():
            raise self.lost.result().again()
        if self._closed:
            raise PortError(Kind.PORT_LOST, port=self.name, reason="it has been closed")

    async def close(self) -> None:
        """Let go of the transport. Never fails, never hangs."""
        self._closed = True
        if self.transport is not None:
            await self.transport.close()

    def deliver(self, command: int, data: bytes) -> None:
        """Pass on what concerns the layers above; what nobody asked for is dropped."""
        if self.listener is None:
            return
        if command == Command.PACKET and len(data) >= MIN_PACKET:
            self.listener.packet_received(data[:-CRC_SIZE])
        elif command == Command.PACKET_POWER_LINE and len(data) > MIN_PACKET:
            self.listener.packet_received(data[1:-CRC_SIZE])  # one phase byte in front
        elif command == Command.PACKET_POWER_LINE_EXTENDED and len(data) > MIN_PACKET + 2:
            self.listener.packet_received(data[1 : -CRC_SIZE - 2])  # and two register bytes behind
        elif Command.RECEIVE_ERROR_FIRST <= command <= Command.RECEIVE_ERROR_LAST:
            self.listener.reception_failed()


CRC_SIZE: Final = 2
MIN_PACKET: Final = 8
"""Shorter packets, CRC included, are noise (LON Stack DX)."""


# Local requests: network management of the interface's own node, in the form of an application buffer
# (three header bytes, eleven address bytes, APDU), legal in layer 2 mode too (LonTalk Stack Developer's Guide p. 41).
_LOCAL_ADDRESS: Final = bytes(11)
_PING_TAG: Final = 15
"""The vendor's drivers use tag 15 for requests of their own; nothing above uses it."""

READ_NEURON_ID: Final = bytes([0x70, 0x00, 0x05]) + _LOCAL_ADDRESS + bytes([0x6D, 0x01, 0x00, 0x00, 0x06])
"""Read Memory, read-only-relative, offset 0, 6 bytes."""

PING: Final = bytes([0x60 | _PING_TAG, 0x08, 0x01]) + _LOCAL_ADDRESS + bytes([0x51])
"""Query Status to itself: proves that the interface still takes and answers messages."""

_APDU_OFFSET: Final = 3 + len(_LOCAL_ADDRESS)
_READ_MEMORY_OK: Final = 0x2D


def neuron_id_of(answer: bytes) -> bytes | None:
    """The Neuron ID in the data of a LOCAL_ANSWER, None when it answers something else."""
    if len(answer) >= _APDU_OFFSET + 7 and answer[_APDU_OFFSET] == _READ_MEMORY_OK:
        return answer[_APDU_OFFSET + 1 : _APDU_OFFSET + 7]
    return None


T = TypeVar("T")


class Expectations:
    """Answers of the interface that somebody waits for, registered before the question is sent."""

    def __init__(self) -> None:
        self._open: list[Callable[[int, bytes], bool]] = []

    @contextmanager
    def expect(self, recognise: Callable[[int, bytes], T | None]) -> Iterator[asyncio.Future[T]]:
        """While the context is open, the first thing that `recognise` makes something of is the result."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def offer(command: int, data: bytes) -> bool:
            found = recognise(command, data)
            if found is None or answer.done():
                return False
            answer.set_result(found)
            return True

        self._open.append(offer)
        try:
            yield answer
        finally:
            self._open.remove(offer)
            answer.cancel()

    def offer(self, command: int, data: bytes) -> bool:
        """Something has come up from the interface; whether it was waited for."""
        taken = [offer(command, data) for offer in list(self._open)]
        return True in taken
