"""The simulated TP/FT-10 channel: one packet at a time, exact packet times, collisions, faults on demand."""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from drivers.virtual import packets
from drivers.virtual.packets import Format, Packet
from drivers.virtual.timeline import Timeline

# 78.125 kbit/s make 102.4 us a byte; 180 packets/s of 15 bytes (LonTalk Stack Developer's Guide p. 35, LPT-11
# User's Guide table 7.2) leave about 4 ms a packet for preamble, gaps and random slots.
FT10_PACKET_OVERHEAD = 0.004
FT10_BYTE_TIME = 0.0001024
CHECKSUM_LENGTH = 2
SLOTS_PER_BACKLOG = 16  # the base window of predictive p-persistent CSMA

Address = tuple[bytes, int, int]


@dataclass(frozen=True, slots=True)
class Rate:
    """How long a packet takes."""

    packet_overhead: float
    byte_time: float

    def packet_time(self, lpdu: bytes) -> float:
        """Tell the time a packet occupies the channel, its checksum included."""
        if not self.packet_overhead and not self.byte_time:
            return 0.0
        return self.packet_overhead + self.byte_time * (len(lpdu) + CHECKSUM_LENGTH)


UNPACED = "unlimited"
RATES = {"ft10": Rate(FT10_PACKET_OVERHEAD, FT10_BYTE_TIME), UNPACED: Rate(0.0, 0.0)}


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities per packet that something goes wrong with it on the channel."""

    loss: float = 0.0
    corrupt: float = 0.0
    duplicate: float = 0.0


class Contention:
    """The crowd that answers one broadcast: its members draw from this many slots."""

    __slots__ = ("slots",)

    def __init__(self, backlog: int) -> None:
        self.slots = max(1, backlog) * SLOTS_PER_BACKLOG


class Listener(Protocol):
    """A station that hears everything: the network interface."""

    def hear(self, lpdu: bytes, intact: bool) -> None:
        """Take a packet off the channel."""


class Station(Protocol):
    """A station that hears what is addressed to it: a device."""

    neuron_id: bytes

    def receive(self, packet: Packet, contention: Contention | None) -> None:
        """Take a packet addressed to this station, maybe along with others."""


@dataclass(slots=True)
class _Transmission:
    lpdu: bytes
    sender: object
    contention: Contention | None = None
    sent: Callable[[], None] | None = None
    repeat: bool = False
    collided: bool = False


@dataclass(slots=True)
class Usage:
    """What the channel has carried so far."""

    busy_s: float = 0.0
    packets: int = 0


@dataclass
class Channel:
    """Carries packets between one network interface and its devices."""

    timeline: Timeline
    random: random.Random
    rate: Rate
    faults: Faults = Faults()
    usage: Usage = field(default_factory=Usage)
    listener: Listener | None = None
    _waiting: deque[_Transmission] = field(default_factory=deque)
    _in_use: bool = False
    _stations: dict[bytes, Station] = field(default_factory=dict)
    _by_address: dict[Address, dict[bytes, Station]] = field(default_factory=dict)

    def attach(self, station: Station) -> None:
        """Put a device on the channel."""
        self._stations[station.neuron_id] = station

    def readdress(self, station: Station, old: frozenset[Address], new: frozenset[Address]) -> None:
        """Note that a device answers to other logical addresses now."""
        for address in old - new:
            self._by_address[address].pop(station.neuron_id, None)
        for address in new - old:
            self._by_address.setdefault(address, {})[station.neuron_id] = station

    def send(
        self,
        lpdu: bytes,
        sender: object,
        contention: Contention | None = None,
        sent: Callable[[], None] | None = None,
    ) -> None:
        """Queue a packet for the channel; `sent` is called when it is through."""
        self._waiting.append(_Transmission(lpdu, sender, contention, sent))
        self._grant()

    def _grant(self) -> None:
        """Let the next packet start now, when all who want to send at this instant have said so."""
        if not self._in_use and self._waiting:
            self._in_use = True
            self.timeline.at_end_of_instant(self._start)

    def _start(self) -> None:
        contention = self._waiting[0].contention
        if contention is not None:
            self._draw_slots(contention)
        transmission = self._waiting.popleft()
        duration = self.rate.packet_time(transmission.lpdu)
        self.timeline.after(duration, self._end, transmission, duration)

    def _draw_slots(self, contention: Contention) -> None:
        """Order the waiting answers to one broadcast by the slots they draw; equal slots collide."""
        crowd = [waiting for waiting in self._waiting if waiting.contention is contention]
        others = [waiting for waiting in self._waiting if waiting.contention is not contention]
        by_slot: dict[int, list[_Transmission]] = {}
        for transmission in crowd:
            transmission.contention = None
            by_slot.setdefault(self.random.randrange(contention.slots), []).append(transmission)
        ordered = [_merge(by_slot[slot]) for slot in sorted(by_slot)]
        self._waiting = deque(ordered + others)

    def _end(self, transmission: _Transmission, duration: float) -> None:
        self.usage.busy_s += duration
        self.usage.packets += 1
        self._in_use = False
        if transmission.sent is not None:
            transmission.sent()
        if not transmission.repeat and self._happens(self.faults.duplicate):
            self._waiting.appendleft(_Transmission(transmission.lpdu, transmission.sender, repeat=True))
        if not transmission.collided and not self._happens(self.faults.loss):
            self._deliver(transmission, intact=not self._happens(self.faults.corrupt))
        self._grant()

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability

    def _deliver(self, transmission: _Transmission, intact: bool) -> None:
        if self.listener is not None and self.listener is not transmission.sender:
            self.listener.hear(transmission.lpdu, intact)
        packet = packets.decode(transmission.lpdu) if intact else None
        if packet is None:
            return
        crowded = packet.format in (Format.BROADCAST, Format.GROUP)
        contention = Contention(packet.backlog) if crowded else None
        for station in self._addressed(packet):
            if station is not transmission.sender:
                station.receive(packet, contention)

    def _addressed(self, packet: Packet) -> list[Station]:
        if packet.format is Format.NEURON_ID:
            station = self._stations.get(packet.destination[1:])
            return [] if station is None else [station]
        if packet.format in (Format.SUBNET_NODE, Format.GROUP_ANSWER):
            address = (packet.domain, packet.destination[0], packet.destination[1])
            return list(self._by_address.get(address, {}).values())
        return list(self._stations.values())


def _merge(same_slot: list[_Transmission]) -> _Transmission:
    """Make one lost transmission of all that began in the same slot; it lasts as long as the longest."""
    if len(same_slot) == 1:
        return same_slot[0]
    longest = max(same_slot, key=lambda transmission: len(transmission.lpdu))
    return _Transmission(longest.lpdu, longest.sender, repeat=True, collided=True)
