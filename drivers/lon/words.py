"""Packets in words, for the journal: what was asked of whom, and what came back.

Codes: "LonWorks Router User's Guide" pp. 100-101, LON Stack DX lon_types.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from drivers.lon.packets import (
    ApplicationPdu,
    Broadcast,
    NeuronId,
    Packet,
    PacketError,
    SessionKind,
    SessionPdu,
    SubnetNode,
    TransportKind,
    TransportPdu,
)

NAMES: Final[Mapping[int, str]] = {
    0x51: "query status",
    0x52: "proxy",
    0x53: "clear status",
    0x54: "query transceiver",
    0x60: "expanded command",
    0x61: "query ID",
    0x62: "respond to query",
    0x63: "update domain",
    0x64: "leave domain",
    0x65: "update key",
    0x66: "update address",
    0x67: "query address",
    0x68: "query network variable configuration",
    0x69: "update group address",
    0x6A: "query domain",
    0x6B: "update network variable configuration",
    0x6C: "set node mode",
    0x6D: "read memory",
    0x6E: "write memory",
    0x6F: "recalculate checksum",
    0x71: "refresh memory",
    0x72: "query self-identification",
    0x73: "fetch network variable",
    0x7D: "device escape",
    0x7E: "router escape",
    0x7F: "service pin",
}
"""Of requests, by their first byte."""

WINK: Final = 0x70
"""Without data, or with a zero, a wink; with more it asks for a description."""

SUCCESSES: Final = range(0x20, 0x40)
"""Codes of answers that say yes; below them those that say no."""

VARIABLES: Final = 0x80
"""Codes from here on are about network variables."""


def in_words(data: bytes) -> str:
    """What a packet says, from whom and to whom; of anything else why it is no packet."""
    try:
        packet = Packet.from_bytes(data)
    except PacketError as error:
        return str(error)
    match packet.destination:
        case NeuronId(neuron_id):
            target = neuron_id.hex().upper()
        case SubnetNode(subnet, node):
            target = f"{subnet}/{node}"
        case Broadcast(subnet):
            target = f"all of subnet {subnet}" if subnet else "all"
        case other:
            target = str(other)
    domain = packet.domain.hex().upper() or "-"
    return f"{_message(packet)}, {packet.source.subnet}/{packet.source.node} to {target}, domain {domain}"


def _message(packet: Packet) -> str:
    match packet.pdu:
        case SessionPdu(SessionKind.RESPONSE, number, apdu):
            return f"response {number}: {_answer(apdu)}"
        case SessionPdu(SessionKind.REQUEST, number, apdu):
            return f"request {number}: {_request(apdu)}"
        case TransportPdu(TransportKind.ACKNOWLEDGED | TransportKind.UNACKNOWLEDGED_REPEATED as kind, number, apdu):
            return f"{_name(TransportKind, kind)} {number}: {_request(apdu)}"
        case SessionPdu(kind, number):
            return f"{_name(SessionKind, kind)} {number}"
        case TransportPdu(kind, number):
            return f"{_name(TransportKind, kind)} {number}"
        case ApplicationPdu(apdu):
            return f"message: {_request(apdu)}"
        case _:
            return "authentication"


def _request(apdu: bytes) -> str:
    if not apdu:
        return "empty"
    code = apdu[0]
    if code >= VARIABLES:
        return "network variable"
    if code == WINK:
        return "wink" if apdu[1:] in (b"", b"\0") else "install command"
    return NAMES.get(code, f"code {code:02X}")


def _answer(apdu: bytes) -> str:
    if not apdu:
        return "empty"
    code = apdu[0]
    if code in SUCCESSES:
        return "done"
    if code < SUCCESSES.start:
        return "refused"
    return "network variable" if code >= VARIABLES else f"code {code:02X}"


def _name(kinds: type[IntEnum], kind: int) -> str:
    try:
        return kinds(kind).name.lower().replace("_", " ")
    except ValueError:
        return f"kind {kind}"
