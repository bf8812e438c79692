"""LON packets: the layer 2 to 4 headers of ISO/IEC 14908-1, their bytes, and the packet checksum."""

from binascii import crc_hqx
from dataclasses import dataclass
from enum import IntEnum

MINIMUM_LPDU = 6  # header, three network bytes, one of destination, one of content; with CRC 8 (lon traces)

_DOMAIN_LENGTHS = (0, 1, 3, 6)
_DOMAIN_CODES = {0: 0, 1: 1, 3: 2, 6: 3}
_NODE_FLAG = 0x80


class Pdu(IntEnum):
    """What the network header encloses."""

    TRANSPORT = 0
    SESSION = 1
    AUTHENTICATION = 2
    APPLICATION = 3


class Format(IntEnum):
    """How the destination is named. GROUP_ANSWER is format 2b: subnet/node, group and member."""

    BROADCAST = 0
    GROUP = 1
    SUBNET_NODE = 2
    NEURON_ID = 3
    GROUP_ANSWER = 4


class Kind(IntEnum):
    """The kind field of transport and session PDUs; ANSWER is an acknowledgement or a response."""

    MESSAGE = 0
    REPEATED = 1
    ANSWER = 2


_DESTINATION_LENGTHS = {
    Format.BROADCAST: 1,
    Format.GROUP: 1,
    Format.SUBNET_NODE: 2,
    Format.NEURON_ID: 7,
    Format.GROUP_ANSWER: 4,
}


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet, decoded. `destination` holds the destination bytes with the flag bit of a node removed."""

    pdu: Pdu
    format: Format
    source: tuple[int, int]
    destination: bytes
    domain: bytes = b""
    kind: int = 0
    transaction: int = 0
    authenticated: bool = False
    content: bytes = b""
    backlog: int = 0
    priority: bool = False
    alternate_path: bool = False


def decode(lpdu: bytes) -> Packet | None:
    """Read a packet without its checksum; None when it is no packet of protocol version 0."""
    if len(lpdu) < MINIMUM_LPDU or lpdu[1] >> 6:
        return None
    header, network, subnet, node = lpdu[:4]
    form = Format(network >> 2 & 3)
    if form is Format.SUBNET_NODE and not node & _NODE_FLAG:
        form = Format.GROUP_ANSWER
    domain_at = 4 + _DESTINATION_LENGTHS[form]
    content_at = domain_at + _DOMAIN_LENGTHS[network & 3]
    pdu = Pdu(network >> 4 & 3)
    if len(lpdu) <= content_at:
        return None
    kind = transaction = 0
    authenticated = False
    if pdu in (Pdu.TRANSPORT, Pdu.SESSION):
        control = lpdu[content_at]
        authenticated, kind, transaction = bool(control & 0x80), control >> 4 & 7, control & 15
        content_at += 1
    destination = bytearray(lpdu[4:domain_at])
    if form in (Format.SUBNET_NODE, Format.GROUP_ANSWER):
        destination[1] &= ~_NODE_FLAG & 0xFF
    return Packet(
        pdu=pdu,
        format=form,
        source=(subnet, node & ~_NODE_FLAG),
        destination=bytes(destination),
        domain=bytes(lpdu[domain_at : domain_at + _DOMAIN_LENGTHS[network & 3]]),
        kind=kind,
        transaction=transaction,
        authenticated=authenticated,
        content=bytes(lpdu[content_at:]),
        backlog=header & 0x3F,
        priority=bool(header & 0x80),
        alternate_path=bool(header & 0x40),
    )


def encode(packet: Packet) -> bytes:
    """Write a packet without its checksum."""
    form = Format.SUBNET_NODE if packet.format is Format.GROUP_ANSWER else packet.format
    source_flag = 0 if packet.format is Format.GROUP_ANSWER else _NODE_FLAG
    destination = bytearray(packet.destination)
    if form is Format.SUBNET_NODE:
        destination[1] |= _NODE_FLAG
    control = b""
    if packet.pdu in (Pdu.TRANSPORT, Pdu.SESSION):
        control = bytes([packet.authenticated << 7 | packet.kind << 4 | packet.transaction])
    return (
        bytes(
            [
                packet.priority << 7 | packet.alternate_path << 6 | packet.backlog,
                packet.pdu << 4 | form << 2 | _DOMAIN_CODES[len(packet.domain)],
                packet.source[0],
                packet.source[1] | source_flag,
            ]
        )
        + bytes(destination)
        + packet.domain
        + control
        + packet.content
    )


def checksum(lpdu: bytes) -> bytes:
    """Compute the two CRC bytes that follow a packet: polynomial 0x1021, start 0xFFFF, complemented."""
    return (crc_hqx(lpdu, 0xFFFF) ^ 0xFFFF).to_bytes(2, "big")
