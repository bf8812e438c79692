"""What devices say unasked: updates of network variables that pass on the channel.

Nothing is bound to the console, so it answers none of them. Message codes: ISO/IEC 14908-1 as in LON Stack DX.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from drivers.base import Reading, Report
from drivers.lon.names import address_of
from drivers.lon.packets import ApplicationPdu, Destination, Packet, SubnetNode, TransportKind, TransportPdu

VARIABLE: Final = 0x80
"""Set in the code of a message about a network variable; below it the direction, then the 14 bits of its selector."""

SELECTOR: Final = 0x3FFF
HEAD_SIZE: Final = 2

REPEATED_WITHIN: Final = 1.0
"""Seconds in which the same message with the same transaction number is a repetition. Repetitions follow each other
within 256 ms; a busy sender needs longer than this to come to the same number again with the same value."""

CARRIED: Final = frozenset({TransportKind.ACKNOWLEDGED, TransportKind.UNACKNOWLEDGED_REPEATED})
"""Kinds of transport PDU that carry a message."""

_Sender = tuple[SubnetNode, bytes, Destination, int]


class Reports:
    """Makes reports of packets, each message once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: OrderedDict[_Sender, tuple[bytes, float]] = OrderedDict()

    def of(self, packet: Packet) -> Report | None:
        """What the packet reports; None when it reports nothing, or nothing new."""
        match packet.pdu:
            case ApplicationPdu(apdu):
                repeated = False
            case TransportPdu(kind, number, apdu) if kind in CARRIED:
                repeated = self._repeated((packet.source, packet.domain, packet.destination, number), apdu)
            case _:
                return None
        source = packet.source
        if repeated or not source.node or len(apdu) <= HEAD_SIZE or apdu[0] < VARIABLE:
            return None  # 0/0 is a device without a place, and a message without a value is a question
        selector = int.from_bytes(apdu[:HEAD_SIZE], "big") & SELECTOR
        value = apdu[HEAD_SIZE:].hex(" ").upper()
        address = address_of(packet.domain, source.subnet, source.node)
        return Report(Reading(f"nv selector {selector:04X}", value), address=address)

    def _repeated(self, sender: _Sender, apdu: bytes) -> bool:
        now = self._clock()
        while self._last and next(iter(self._last.values()))[1] <= now - REPEATED_WITHIN:
            self._last.popitem(last=False)
        repeated = self._last.get(sender, (b"", 0.0))[0] == apdu
        self._last[sender] = (apdu, now)
        self._last.move_to_end(sender)
        return repeated
