"""A channel in memory with model devices on it, for tests that need time to jump and devices to be looked into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from drivers.base import Facts, SiteSettings, Step, StepEvent
from drivers.lon.driver import LonDriver
from drivers.lon.interface import NetworkInterface
from drivers.lon.management import failure_code, success_code
from drivers.lon.packets import NeuronId, Packet, SessionPdu, SubnetNode, TransportPdu
from drivers.lon.structures import UNUSED_DOMAIN, DomainEntry, NodeState
from drivers.transport import Transport

PROGRAM_ID = "9FFFFF0501000401"
SITE = SiteSettings(b"\x55", 1, 126)
MODEL, FIRMWARE = 36, 21


@dataclass
class ModelDevice:
    """What a device keeps, and how it answers. `refuses` holds codes of messages that it refuses."""

    uid: str
    program_id: bytes = bytes.fromhex(PROGRAM_ID)
    state: int = NodeState.UNCONFIGURED
    powered: bool = True
    domains: list[bytes] = field(default_factory=lambda: [UNUSED_DOMAIN.to_bytes()] * 2)
    addresses: list[bytes] = field(default_factory=lambda: [bytes(5)] * 3)
    variables: list[bytes] = field(default_factory=lambda: [bytes([0x3F, 0xFF - index, 0x0F]) for index in range(4)])
    values: list[bytes] = field(default_factory=lambda: [b"\x0f\xa0", b"\x00", b"\x01\x02", b""])
    aliases: list[bytes] = field(default_factory=list)
    configuration: bytearray = field(default_factory=lambda: bytearray(range(25)))
    memory: bytearray = field(default_factory=lambda: bytearray(0x10000))
    refuses: set[int] = field(default_factory=set)
    asked: list[bytes] = field(default_factory=list)
    written_while_configured: list[bytes] = field(default_factory=list)

    @property
    def configured(self) -> bool:
        return self.state & 7 in (4, 6)

    @property
    def places(self) -> list[DomainEntry]:
        return [entry for entry in map(DomainEntry.from_bytes, self.domains) if entry.in_use]

    @property
    def contents(self) -> tuple[object, ...]:
        return self.addresses[:], self.variables[:], self.aliases[:], bytes(self.configuration), bytes(self.memory)

    def read_only(self) -> bytes:
        structure = bytearray(0x2F)
        structure[:6] = bytes.fromhex(self.uid)
        structure[6] = MODEL
        structure[0x0A] = min(len(self.variables), 0x3F)
        structure[0x0D:0x15] = self.program_id
        structure[0x15] = 0x40 | self.state & 7
        structure[0x16] = len(self.addresses) << 4
        structure[0x24] = len(self.aliases)
        return bytes(structure)

    def answer(self, apdu: bytes) -> bytes | None:
        """What it says to a request; None: nothing."""
        self.asked.append(apdu)
        code, data = apdu[0], apdu[1:]
        if code in self.refuses:
            return bytes([failure_code(code)])
        try:
            said = self._do(code, data)
        except (IndexError, KeyError):
            return bytes([failure_code(code)])
        if self.configured and code in (0x66, 0x6B):
            self.written_while_configured.append(apdu)
        return None if said is None else bytes([success_code(code)]) + said

    def _do(self, code: int, data: bytes) -> bytes | None:
        return self._read(code, data) if code in (0x51, 0x67, 0x68, 0x6A, 0x6D, 0x73) else self._write(code, data)

    def _read(self, code: int, data: bytes) -> bytes:
        match code:
            case 0x51:
                return bytes(10) + bytes([0x14, self.state, FIRMWARE, 0, MODEL])
            case 0x67:
                return self.addresses[data[0]]
            case 0x68:
                return (self.variables + self.aliases)[_index(data)[0]]
            case 0x6A:
                return self.domains[data[0]]
            case 0x6D:
                return bytes(self._area(data)[int.from_bytes(data[1:3], "big") :][: data[3]])
            case _:
                return data + self.values[_index(data)[0]]

    def _write(self, code: int, data: bytes) -> bytes | None:
        match code:
            case 0x63:
                self.domains[data[0]] = data[1:]
            case 0x64:
                self.domains[data[0]] = UNUSED_DOMAIN.to_bytes()
            case 0x66:
                self.addresses[data[0]] = data[1:]
            case 0x6B:
                index, rest = _index(data)
                if index < len(self.variables):
                    self.variables[index] = rest
                else:
                    before = self.aliases[index - len(self.variables)]
                    self.aliases[index - len(self.variables)] = rest.ljust(len(before), b"\xff")
            case 0x6C if data[0] == 3:
                self.state = data[1]
            case 0x6C:
                self.state = {0: 0x0C, 1: 0x04}[data[0]]
                return None
            case 0x6E:
                offset = int.from_bytes(data[1:3], "big")
                self._area(data)[offset : offset + data[3]] = data[5:]
            case 0x6F:
                pass
            case _:
                raise KeyError(code)
        return b""

    def _area(self, data: bytes) -> bytearray:
        return {0: self.memory, 1: bytearray(self.read_only()), 2: self.configuration}[data[0]]


def _index(data: bytes) -> tuple[int, bytes]:
    return (int.from_bytes(data[1:3], "big"), data[3:]) if data[0] == 0xFF else (data[0], data[1:])


class ModelChannel(NetworkInterface):
    """An interface with model devices behind it. Nothing gets lost; only devices without power are silent."""

    baud = 0

    def __init__(self, *devices: ModelDevice) -> None:
        super().__init__()
        self.devices = devices

    def data_received(self, data: bytes) -> None: ...

    async def start(self, transport: Transport) -> None: ...

    async def send(self, packet: bytes, *, priority: bool = False) -> bool:
        self.check()
        await asyncio.sleep(0.001)
        sent = Packet.from_bytes(packet)
        for device in self.devices:
            if device.powered and isinstance(sent.pdu, SessionPdu | TransportPdu):
                self._deliver(device, sent, sent.pdu)
        return True

    def _deliver(self, device: ModelDevice, sent: Packet, pdu: SessionPdu | TransportPdu) -> None:
        place = next((p for p in device.places if device.configured and p.domain == sent.domain), None)
        me = SubnetNode(0, 0) if place is None else SubnetNode(place.subnet, place.node)
        by_uid = isinstance(sent.destination, NeuronId) and sent.destination.neuron_id.hex().upper() == device.uid
        if not by_uid and (place is None or sent.destination != me):
            return
        said = device.answer(pdu.apdu)
        answer: SessionPdu | TransportPdu
        if isinstance(pdu, TransportPdu):
            answer = TransportPdu(2, pdu.number)
        elif said is None:
            return
        else:
            answer = SessionPdu(2, pdu.number, said)
        self.hear(Packet(me, sent.source, answer, sent.domain), after=0.01)

    def hear(self, packet: Packet, after: float = 0.0) -> None:
        assert self.listener is not None
        asyncio.get_running_loop().call_later(after, self.listener.packet_received, packet.to_bytes())


@asynccontextmanager
async def working(*devices: ModelDevice) -> AsyncIterator[LonDriver]:
    """A driver with these devices on its channel."""
    driver = LonDriver(ModelChannel(*devices), SITE)
    try:
        yield driver
    finally:
        await driver.close()


async def events_of(steps: AsyncGenerator[StepEvent, None]) -> list[StepEvent]:
    return [event async for event in steps]


def step_names(events: list[StepEvent]) -> list[str]:
    return [event.name for event in events if isinstance(event, Step)]


def facts_of(events: list[StepEvent]) -> Facts:
    facts = events[-1]
    assert isinstance(facts, Facts)
    return facts
