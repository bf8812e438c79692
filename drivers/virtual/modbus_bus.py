"""The simulated RS-485 bus: characters in real time, frames that silence ends, collisions, faults on demand."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from drivers.virtual.modbus_frames import FIRST_UNIT, LAST_UNIT, LONGEST_FRAME, Line, frame
from drivers.virtual.timeline import Event, Timeline

LARGEST_BACKLOG = 4096  # what a serial port's driver buffers; more is lost here, where a real write would wait
LONGEST_NOISE = 6
SECOND_MASTER_PATIENCE = 0.050  # it speaks after so much silence: usually nobody is about to answer
SECOND_MASTER_INTERVAL = (0.1, 0.4)
SECOND_MASTER_ANSWER_TIME = 0.012
_SHARE_OF_OURS = 0.5
_READ_ONE_REGISTER = bytes([3, 0, 0, 0, 1])
_PAUSE_IN_SILENCES = 2  # clearly a new frame

# One thing after the other that goes out as an answer: how long to wait first, and the bytes.
Piece = tuple[float, bytes]


@dataclass(frozen=True, slots=True)
class BusFaults:
    """Probabilities per frame that something goes wrong with it.

    Any frame may be dropped or corrupted by a bit; an answer may also come late, with noise before it, or twice.
    """

    drop: float = 0.0
    corrupt: float = 0.0
    late: float = 0.0
    garbage: float = 0.0
    duplicate: float = 0.0
    late_ms: float = 400.0


@dataclass(slots=True)
class BusUsage:
    """What the bus has carried so far."""

    characters: int = 0
    frames: int = 0
    collisions: int = 0


class Station(Protocol):
    """Something on the bus that listens."""

    def hear(self, data: bytes) -> None:
        """Take what was on the line between two silences, whole or not."""


@dataclass(slots=True, eq=False)
class _Transmission:
    sender: object
    rest: list[int]  # reversed, so that the next character is at its end
    done: Callable[[], None] | None


@dataclass(eq=False)
class Bus:
    """Carries characters between the host and the units; none of them looks whether it is free before it speaks.

    A pseudo-terminal delivers what the host writes at once, so its characters are given their time from when they
    arrive. A silence of less than t3.5 does not end a frame; the stricter t1.5 within a frame is not enforced, as
    no scheduler keeps it and few devices check it. A request that starts within t3.5 of the frame before is part
    of that frame, so nobody understands it.
    """

    timeline: Timeline
    random: random.Random
    line: Line
    to_host: Callable[[bytes], None]
    faults: BusFaults = BusFaults()
    usage: BusUsage = field(default_factory=BusUsage)
    stations: list[Station] = field(default_factory=list)
    _speaking: list[_Transmission] = field(default_factory=list)
    _host: _Transmission | None = None
    _heard: bytearray = field(default_factory=bytearray)
    _heard_from: set[object] = field(default_factory=set)
    _collided: bool = False
    _silence: Event | None = None
    _quiet_since: float = 0.0

    @property
    def quiet_for(self) -> float:
        """Seconds since the last character; nothing while somebody speaks."""
        return 0.0 if self._speaking else self.timeline.now - self._quiet_since

    def feed(self, data: bytes) -> None:
        """Take bytes the host writes; they follow those it is still sending."""
        if not data:
            return
        if self._host is None:
            self._host = self._begin(_Transmission(self, list(reversed(data[:LARGEST_BACKLOG])), None))
        else:
            room = LARGEST_BACKLOG - len(self._host.rest)
            self._host.rest[:0] = reversed(data[: max(room, 0)])

    def send(self, sender: object, data: bytes, done: Callable[[], None] | None = None) -> None:
        """Speak now, whoever else does; `done` is called when the last character is out."""
        self._begin(_Transmission(sender, list(reversed(data)), done))

    def cut(self, sender: object) -> None:
        """Let a sender fall silent in the middle of a frame."""
        for transmission in self._speaking:
            if transmission.sender is sender:
                transmission.rest.clear()
                transmission.done = None

    def spoil(self, answer: bytes) -> list[Piece]:
        """Tell what becomes of a unit's answer: what goes out instead of it, and when."""
        if self._happens(self.faults.drop):
            return []
        pause = _PAUSE_IN_SILENCES * self.line.silence
        wait = self.faults.late_ms / 1000 if self._happens(self.faults.late) else 0.0
        if self._happens(self.faults.corrupt):
            answer = self._corrupted(answer)
        pieces = [(wait, answer)]
        if self._happens(self.faults.garbage):
            noise = self.random.randbytes(self.random.randint(1, LONGEST_NOISE))
            pieces = [(wait, noise), (self.random.choice((0.0, pause)), answer)]
        if self._happens(self.faults.duplicate):
            pieces.append((pause, answer))
        return pieces

    def _begin(self, transmission: _Transmission) -> _Transmission:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
        self._speaking.append(transmission)
        self._collided = self._collided or len(self._speaking) > 1
        self.timeline.after(self.line.character_time, self._character, transmission)
        return transmission

    def _character(self, transmission: _Transmission) -> None:
        if transmission.rest:
            byte = transmission.rest.pop()
            if len(self._speaking) > 1:
                byte = self.random.randrange(256)
            self._put_on_the_line(byte, transmission.sender)
        if transmission.rest:
            self.timeline.after(self.line.character_time, self._character, transmission)
        else:
            self._end(transmission)

    def _put_on_the_line(self, byte: int, sender: object) -> None:
        self.usage.characters += 1
        if len(self._heard) <= LONGEST_FRAME:
            self._heard.append(byte)
        self._heard_from.add(sender)
        # Without echo the host's receiver is off while it speaks.
        if self.line.echo or self._host is None:
            self.to_host(bytes([byte]))

    def _end(self, transmission: _Transmission) -> None:
        self._speaking.remove(transmission)
        if transmission is self._host:
            self._host = None
        if not self._speaking:
            self._quiet_since = self.timeline.now
            self._silence = self.timeline.after(self.line.silence, self._frame_is_over)
        if transmission.done is not None:
            transmission.done()

    def _frame_is_over(self) -> None:
        self._silence = None
        data, senders = bytes(self._heard), self._heard_from
        self.usage.frames += 1
        self.usage.collisions += self._collided
        self._heard, self._heard_from, self._collided = bytearray(), set(), False
        if not data or self._happens(self.faults.drop):
            return
        if self._happens(self.faults.corrupt):
            data = self._corrupted(data)
        for station in self.stations:
            if station not in senders:
                station.hear(data)

    def _corrupted(self, data: bytes) -> bytes:
        spoiled = bytearray(data)
        spoiled[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        return bytes(spoiled)

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability


class SecondMaster:
    """Another program's master on the same pair of wires.

    It reads registers in turn from units of ours, which answer, and from units that it answers for itself.
    """

    def __init__(self, bus: Bus, chance: random.Random, units: Callable[[], list[int]]) -> None:
        self._bus = bus
        self._random = chance
        self._units = units
        self._on = False
        self._event: Event | None = None

    @property
    def on(self) -> bool:
        """Whether it is at work."""
        return self._on

    @on.setter
    def on(self, on: bool) -> None:
        self._on = on
        if self._event is not None:
            self._event.cancel()
        if on:
            self._rest()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        if self._event is not None:
            self._event.cancel()
        self._event = self._bus.timeline.after(seconds, then)

    def _rest(self) -> None:
        self._wait(self._random.uniform(*SECOND_MASTER_INTERVAL), self._ask)

    def _ask(self) -> None:
        if self._bus.quiet_for < SECOND_MASTER_PATIENCE:
            self._wait(SECOND_MASTER_PATIENCE, self._ask)
            return
        known = self._units()
        foreign = [number for number in range(FIRST_UNIT, LAST_UNIT + 1) if number not in known]
        ours = known and (not foreign or self._random.random() < _SHARE_OF_OURS)
        number = self._random.choice(known if ours else foreign)
        self._bus.send(self, frame(number, _READ_ONE_REGISTER), None if ours else lambda: self._asked(number))
        if ours:
            self._rest()

    def _asked(self, number: int) -> None:
        if self._on:
            self._wait(SECOND_MASTER_ANSWER_TIME, lambda: self._answer(number))

    def _answer(self, number: int) -> None:
        """Speak for the foreign unit that was asked."""
        self._bus.send(self, frame(number, b"\x03\x02" + self._random.randbytes(2)))
        self._rest()
