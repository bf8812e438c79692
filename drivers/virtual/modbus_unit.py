"""A unit on the bus: what every kind has in common. It hears frames, answers in its own time, keeps its settings."""

import random
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from hashlib import sha256
from typing import ClassVar

from drivers.virtual.device import Timing
from drivers.virtual.modbus_bus import Bus, Piece
from drivers.virtual.modbus_frames import BROADCAST, FIRST_UNIT, LAST_UNIT, frame, is_intact
from drivers.virtual.modbus_functions import (
    EXCEPTION,
    WRITING,
    Content,
    ExceptionCode,
    Function,
    Refusal,
    Table,
    perform,
    words,
)
from drivers.virtual.modbus_identity import Identity
from drivers.virtual.timeline import Event

UNIT_NUMBERS = range(FIRST_UNIT, LAST_UNIT + 1)
_CLEAR_LOG = 0xFF00


class UnitKind(Enum):
    """What a unit is."""

    METER = "meter"
    MODULE = "module"
    SENSOR = "sensor"
    CONTROLLER = "controller"
    RELAY = "relay"


class Renumbering(Enum):
    """When a unit answers to the number that was written to it."""

    AT_ONCE = "at once"  # the answer to the write comes from the new number already
    AFTER_ANSWER = "after the answer"
    AFTER_RESTART = "after a restart"


class Mode(Enum):
    """Which program runs in the unit."""

    APPLICATION = "application"
    BOOTLOADER = "bootloader"


class Diagnostic(IntEnum):
    """Sub-functions of function 8 (§6.8)."""

    LOOPBACK = 0
    RESTART = 1
    LISTEN_ONLY = 4
    CLEAR_COUNTERS = 10
    BUS_MESSAGES = 11
    BUS_ERRORS = 12
    EXCEPTIONS = 13
    MESSAGES = 14
    NO_RESPONSES = 15


_COUNTED = tuple(entry for entry in Diagnostic if entry >= Diagnostic.BUS_MESSAGES)


@dataclass(frozen=True, slots=True)
class Station:
    """What a unit is given when it is made."""

    number: int
    serial: int
    seed: int


@dataclass(slots=True)
class Data:
    """The four tables. What may be written to a holding register is listed; others are read-only."""

    coils: dict[int, int] = field(default_factory=dict)
    discrete_inputs: dict[int, int] = field(default_factory=dict)
    holding: dict[int, int] = field(default_factory=dict)
    inputs: dict[int, int] = field(default_factory=dict)
    writable: dict[int, Container[int]] = field(default_factory=dict)

    def table(self, table: Table) -> dict[int, int]:
        """Give one of the tables."""
        return (self.coils, self.discrete_inputs, self.holding, self.inputs)[table.value]


class Unit:
    """The other end of the wire. A kind brings its data, and what happens when they are read and written."""

    kind: ClassVar[UnitKind]
    functions: frozenset[Function]
    renumbering: ClassVar[Renumbering]
    number_register: ClassVar[int]
    configuration: ClassVar[tuple[int, ...]]  # holding registers that outlive a restart once they are stored
    stores_at_once: ClassVar[bool] = True
    processing_s: ClassVar[float]

    def __init__(self, station: Station, bus: Bus, timing: Timing) -> None:
        self.timing = timing
        self.timeline = bus.timeline
        self.serial = station.serial
        self.random = random.Random(station.seed)
        self.number = station.number
        self.processing = self.processing_s if bus.line.paced else 0.0
        self.powered = True
        self.listen_only = False
        self.mode = Mode.APPLICATION
        self.winks = 0
        self.content: Content = self
        self.image = b""
        self.counters = dict.fromkeys(_COUNTED, 0)
        self.extra_time = 0.0  # what the present request takes beyond the usual
        self.data = Data()
        self.furnish()
        self.data.holding[self.number_register] = station.number
        self.data.writable[self.number_register] = UNIT_NUMBERS
        self.stored = self._settings()
        self._bus = bus
        self._afterwards: list[Callable[[], None]] = []
        self._answering = False
        self._starting = False
        self._busy_until = 0.0
        self._wink_until = 0.0
        self._next: Event | None = None
        bus.stations.append(self)

    # -- what a kind brings ------------------------------------------------------------------------------

    def identity(self) -> Identity:
        """Tell who it says it is at present."""
        raise NotImplementedError

    def furnish(self) -> None:
        """Put the initial values into the data."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Bring values that vary up to date, before any are read."""

    def check(self, values: dict[int, int]) -> None:
        """Refuse values of holding registers that the unit does not take at present."""

    def registers_written(self, values: dict[int, int]) -> None:
        """Act on holding registers that have just been written."""

    def coils_written(self, values: dict[int, int]) -> None:
        """Act on coils that have just been written."""

    def started(self) -> None:
        """Begin anew; the stored settings are in place."""

    def read_records(self, file: int, first: int, count: int) -> list[int]:
        """Give records of a file."""
        raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)

    def write_records(self, file: int, first: int, values: list[int]) -> None:
        """Set records of a file."""
        raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)

    # -- what a kind can use -----------------------------------------------------------------------------

    def store(self) -> None:
        """Make the settings outlive a restart."""
        self.stored = self._settings()

    def be_busy(self, seconds: float) -> None:
        """Refuse everything with exception 6 from now on for a while."""
        self._busy_until = self.timeline.now + seconds

    def after_answer(self, action: Callable[[], None]) -> None:
        """Do something when the present request has been answered."""
        self._afterwards.append(action)

    def restart(self) -> None:
        """Start anew, with what is stored; deaf until that is done."""
        self._fall_silent()
        if self.powered:
            self._starting = True
            self._next = self.timeline.after(self.timing.reset_s, self._start)

    def wink(self, seconds: float) -> None:
        """Show itself for a while from now on; no time ends it. Going on is not another wink."""
        if seconds and not self.winking:
            self.winks += 1
        self._wink_until = self.timeline.now + seconds

    @property
    def winking(self) -> bool:
        """Whether it shows itself at present."""
        return self.timeline.now < self._wink_until

    # -- incidents ---------------------------------------------------------------------------------------

    def power_off(self) -> None:
        """Lose power, and all that is not stored."""
        self.powered = False
        self._fall_silent()

    def power_on(self) -> None:
        """Get power back, and start."""
        if not self.powered:
            self.powered = True
            self.restart()

    @property
    def image_sha256(self) -> str:
        """Tell what program was loaded last; the digest of nothing where none ever was."""
        return sha256(self.image).hexdigest()

    # -- the bus -----------------------------------------------------------------------------------------

    def hear(self, data: bytes) -> None:
        """Take what was on the line; answer it if it is a good request for this unit."""
        if not self.powered or self._starting or self._answering:
            return
        if not is_intact(data):
            self._count(Diagnostic.BUS_ERRORS)
            return
        self._count(Diagnostic.BUS_MESSAGES)
        number, pdu = data[0], data[1:-2]
        if number not in {BROADCAST, self.number}:
            return
        self._count(Diagnostic.MESSAGES)
        self.extra_time = 0.0
        answer = self._answer_to(pdu, number == BROADCAST)
        self._answering = True
        wait = self.processing + self.extra_time
        if answer is None or number == BROADCAST:
            self._count(Diagnostic.NO_RESPONSES)
            self._next = self.timeline.after(wait, self._answered)
        else:
            self._next = self.timeline.after(wait, self._speak, self._bus.spoil(frame(self.number, answer)))

    def read(self, table: Table, first: int, count: int) -> list[int]:
        """Give consecutive values of a table."""
        self.refresh()
        cells = self.data.table(table)
        addresses = range(first, first + count)
        if not all(address in cells for address in addresses):
            raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        return [cells[address] for address in addresses]

    def write(self, table: Table, first: int, values: list[int]) -> None:
        """Set consecutive values of a table."""
        new = dict(enumerate(values, first))
        if table is Table.COILS:
            self._require_known(new, self.data.coils)
            self.data.coils.update(new)
            self.coils_written(new)
            return
        self._require_known(new, self.data.writable)
        if not all(value in self.data.writable[address] for address, value in new.items()):
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        self.check(new)
        self.data.holding.update(new)
        if self.number_register in new and self.renumbering is Renumbering.AT_ONCE:
            self._take_number()
        elif self.number_register in new and self.renumbering is Renumbering.AFTER_ANSWER:
            self.after_answer(self._take_number)
        self.registers_written(new)
        if self.stores_at_once:
            self.store()

    # -- private -----------------------------------------------------------------------------------------

    def _answer_to(self, pdu: bytes, broadcast: bool) -> bytes | None:
        """Carry out a request; give the answer, None where there is to be none."""
        if self.listen_only and (pdu[0] != Function.DIAGNOSTICS or words(pdu[1:3]) != [Diagnostic.RESTART]):
            return None
        if broadcast and pdu[0] not in WRITING:
            return None
        try:
            return self._carry_out(pdu)
        except Refusal as refusal:
            self._count(Diagnostic.EXCEPTIONS)
            return bytes([pdu[0] | EXCEPTION, refusal.code])

    def _carry_out(self, pdu: bytes) -> bytes | None:
        if pdu[0] not in self.functions:
            raise Refusal(ExceptionCode.ILLEGAL_FUNCTION)
        if self.timeline.now < self._busy_until:
            raise Refusal(ExceptionCode.BUSY)
        if pdu[0] == Function.DIAGNOSTICS:
            return self._diagnose(pdu)
        if pdu[0] == Function.ENCAPSULATED:
            return self.identity().read(pdu)
        if pdu[0] == Function.REPORT_SERVER_ID:
            if len(pdu) != 1:
                raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
            return self.identity().report_server_id()
        return perform(self.content, pdu)

    def _diagnose(self, pdu: bytes) -> bytes | None:
        if len(pdu) < 3 or words(pdu[1:3])[0] not in set(Diagnostic):
            raise Refusal(ExceptionCode.ILLEGAL_FUNCTION)
        diagnostic, data = Diagnostic(words(pdu[1:3])[0]), pdu[3:]
        if diagnostic is Diagnostic.LOOPBACK:
            return pdu
        allowed = (0, _CLEAR_LOG) if diagnostic is Diagnostic.RESTART else (0,)
        if len(data) != 2 or words(data)[0] not in allowed:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        if diagnostic is Diagnostic.RESTART:
            answer = None if self.listen_only else pdu
            self.listen_only = False
            self.after_answer(self._clear_counters)
            return answer
        if diagnostic is Diagnostic.LISTEN_ONLY:
            self.listen_only = True
            return None
        if diagnostic is Diagnostic.CLEAR_COUNTERS:
            self._clear_counters()
            return pdu
        return pdu[:3] + self.counters[diagnostic].to_bytes(2, "big")

    def _speak(self, pieces: list[Piece]) -> None:
        """Say one piece after the other."""
        if not pieces:
            self._answered()
            return
        (pause, data), *rest = pieces
        self._next = self.timeline.after(pause, self._bus.send, self, data, lambda: self._speak(rest))

    def _answered(self) -> None:
        self._answering = False
        self._next = None
        afterwards, self._afterwards = self._afterwards, []
        for action in afterwards:
            action()

    def _fall_silent(self) -> None:
        """Stop whatever it is at, in the middle of a frame if it must be."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._bus.cut(self)
        self._answering = self._starting = False
        self._busy_until = self._wink_until = 0.0
        self._afterwards.clear()

    def _start(self) -> None:
        self._starting = False
        self._next = None
        self.listen_only = False
        self._clear_counters()
        self.data.holding.update(self.stored)
        self._take_number()
        self.started()

    def _take_number(self) -> None:
        self.number = self.data.holding[self.number_register]

    def _settings(self) -> dict[int, int]:
        return {address: self.data.holding[address] for address in (self.number_register, *self.configuration)}

    def _count(self, diagnostic: Diagnostic) -> None:
        self.counters[diagnostic] = (self.counters[diagnostic] + 1) & 0xFFFF

    def _clear_counters(self) -> None:
        self.counters = dict.fromkeys(_COUNTED, 0)

    @staticmethod
    def _require_known(values: dict[int, int], known: Container[int]) -> None:
        if not all(address in known for address in values):
            raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
