"""Packets of the channel: LPDU, NPDU, and the transport, session and application PDUs inside.

Everything a layer-2 interface hands up or takes down, both ways. Layouts: ISO/IEC 14908-1 as implemented by
LON Stack DX (lcs_link.c, lcs_network.c, lcs_tsa.c). Multi-byte numbers are big-endian.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Self

DOMAIN_LENGTHS: Final = (0, 1, 3, 6)
"""By domain length code."""

MAX_BACKLOG: Final = 63
HIGH_BIT: Final = 0x80
MIN_NPDU: Final = 4


class PacketError(ValueError):
    """These bytes are no packet that we understand."""


class PduType(IntEnum):
    """Bits 5-4 of the NPDU header."""

    TRANSPORT = 0
    SESSION = 1
    AUTHENTICATION = 2
    APPLICATION = 3


class AddressFormat(IntEnum):
    """Bits 3-2 of the NPDU header."""

    BROADCAST = 0
    GROUP = 1
    SUBNET_NODE = 2
    NEURON_ID = 3


class TransportKind(IntEnum):
    """Bits 6-4 of a transport PDU (LON Stack DX lcs_tsa.c PDUMsgType)."""

    ACKNOWLEDGED = 0
    UNACKNOWLEDGED_REPEATED = 1
    ACKNOWLEDGEMENT = 2
    REMINDER = 4
    REMINDER_MESSAGE = 5


class SessionKind(IntEnum):
    """Bits 6-4 of a session PDU."""

    REQUEST = 0
    RESPONSE = 2
    REMINDER = 4
    REMINDER_MESSAGE = 5


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Everybody in the domain, or in one subnet of it."""

    subnet: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """The members of a group."""

    group: int


@dataclass(frozen=True, slots=True)
class SubnetNode:
    """One device by its logical address."""

    subnet: int
    node: int


@dataclass(frozen=True, slots=True)
class GroupAnswer:
    """One device, in answer to a message to a group of which the sender is `member` (format 2b)."""

    subnet: int
    node: int
    group: int
    member: int


@dataclass(frozen=True, slots=True)
class NeuronId:
    """One device by its Neuron ID. `subnet` is a hint for routers, 0 passes all of them."""

    neuron_id: bytes
    subnet: int = 0


Destination = Broadcast | Group | SubnetNode | GroupAnswer | NeuronId


@dataclass(frozen=True, slots=True)
class TransportPdu:
    """Acknowledged service and acknowledgements."""

    kind: int
    number: int
    apdu: bytes = b""
    authenticate: bool = False


@dataclass(frozen=True, slots=True)
class SessionPdu:
    """Requests and responses."""

    kind: int
    number: int
    apdu: bytes = b""
    authenticate: bool = False


@dataclass(frozen=True, slots=True)
class AuthenticationPdu:
    """Challenge and reply; carried, never answered."""

    body: bytes


@dataclass(frozen=True, slots=True)
class ApplicationPdu:
    """A message without any service: unacknowledged."""

    apdu: bytes


Pdu = TransportPdu | SessionPdu | AuthenticationPdu | ApplicationPdu


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet: who, to whom, in which domain, what.

    `backlog` says how many packets this one will provoke; senders widen their random wait by it.
    """

    source: SubnetNode
    destination: Destination
    pdu: Pdu
    domain: bytes = b""
    backlog: int = 0
    priority: bool = False
    alternate_path: bool = field(default=False, kw_only=True)

    def to_bytes(self) -> bytes:
        """LPDU header and NPDU, without CRC, as an interface takes it."""
        if len(self.domain) not in DOMAIN_LENGTHS:
            raise PacketError(f"a domain has 0, 1, 3 or 6 bytes, not {len(self.domain)}")
        header = self.priority << 7 | self.alternate_path << 6 | min(self.backlog, MAX_BACKLOG)
        kind, body = _pdu_to_bytes(self.pdu)
        address_format, destination, marker = _destination_to_bytes(self.destination)
        first = kind << 4 | address_format << 2 | DOMAIN_LENGTHS.index(len(self.domain))
        source = bytes([self.source.subnet, self.source.node | marker])
        return bytes([header, first]) + source + destination + self.domain + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The opposite; PacketError for anything else, also for later protocol versions."""
        if len(data) < 1 + MIN_NPDU:
            raise PacketError(f"too short: {data.hex(' ')}")
        header, first, subnet, node = data[:4]
        if first >> 6:
            raise PacketError(f"protocol version {first >> 6}")
        destination, rest = _destination_from_bytes(AddressFormat(first >> 2 & 3), bool(node & HIGH_BIT), data[4:])
        size = DOMAIN_LENGTHS[first & 3]
        if len(rest) < size:
            raise PacketError(f"cut off in the domain: {data.hex(' ')}")
        return cls(
            source=SubnetNode(subnet, node & 0x7F),
            destination=destination,
            pdu=_pdu_from_bytes(PduType(first >> 4 & 3), rest[size:]),
            domain=rest[:size],
            backlog=header & MAX_BACKLOG,
            priority=bool(header & 0x80),
            alternate_path=bool(header & 0x40),
        )


def crc(data: bytes) -> bytes:
    """The two bytes behind header and NPDU: polynomial 1021, start FFFF, complemented (CRC-16/GENIBUS).

    The interface makes and checks it; only who plays an interface needs it.
    """
    value = 0xFFFF
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return (value ^ 0xFFFF).to_bytes(2, "big")


def _destination_to_bytes(destination: Destination) -> tuple[AddressFormat, bytes, int]:
    """Format, bytes, and the bit that goes into the source node."""
    match destination:
        case Broadcast(subnet):
            return AddressFormat.BROADCAST, bytes([subnet]), HIGH_BIT
        case Group(group):
            return AddressFormat.GROUP, bytes([group]), HIGH_BIT
        case SubnetNode(subnet, node):
            return AddressFormat.SUBNET_NODE, bytes([subnet, node | HIGH_BIT]), HIGH_BIT
        case GroupAnswer(subnet, node, group, member):
            return AddressFormat.SUBNET_NODE, bytes([subnet, node | HIGH_BIT, group, member]), 0
        case NeuronId(neuron_id, subnet):
            return AddressFormat.NEURON_ID, bytes([subnet]) + neuron_id, HIGH_BIT


def _destination_from_bytes(address_format: AddressFormat, plain: bool, data: bytes) -> tuple[Destination, bytes]:
    size = {
        AddressFormat.BROADCAST: 1,
        AddressFormat.GROUP: 1,
        AddressFormat.SUBNET_NODE: 2 if plain else 4,
        AddressFormat.NEURON_ID: 7,
    }[address_format]
    if len(data) < size:
        raise PacketError(f"cut off in the destination: {data.hex(' ')}")
    part, rest = data[:size], data[size:]
    match address_format:
        case AddressFormat.BROADCAST:
            return Broadcast(part[0]), rest
        case AddressFormat.GROUP:
            return Group(part[0]), rest
        case AddressFormat.NEURON_ID:
            return NeuronId(part[1:], part[0]), rest
        case AddressFormat.SUBNET_NODE if plain:
            return SubnetNode(part[0], part[1] & 0x7F), rest
        case AddressFormat.SUBNET_NODE:
            return GroupAnswer(part[0], part[1] & 0x7F, part[2], part[3]), rest


def _pdu_to_bytes(pdu: Pdu) -> tuple[PduType, bytes]:
    match pdu:
        case TransportPdu(kind, number, apdu, authenticate):
            return PduType.TRANSPORT, bytes([authenticate << 7 | kind << 4 | number]) + apdu
        case SessionPdu(kind, number, apdu, authenticate):
            return PduType.SESSION, bytes([authenticate << 7 | kind << 4 | number]) + apdu
        case AuthenticationPdu(body):
            return PduType.AUTHENTICATION, body
        case ApplicationPdu(apdu):
            return PduType.APPLICATION, apdu


def _pdu_from_bytes(kind: PduType, data: bytes) -> Pdu:
    if not data:
        raise PacketError("no PDU")
    match kind:
        case PduType.APPLICATION:
            return ApplicationPdu(data)
        case PduType.AUTHENTICATION:
            return AuthenticationPdu(data)
        case PduType.TRANSPORT:
            return TransportPdu(data[0] >> 4 & 7, data[0] & 0x0F, data[1:], bool(data[0] & 0x80))
        case PduType.SESSION:
            return SessionPdu(data[0] >> 4 & 7, data[0] & 0x0F, data[1:], bool(data[0] & 0x80))
