"""A Modbus port with everything behind it: pseudo-terminal, bus, units, and maybe a second master."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.virtual.device import DEFAULT_TIMING, Timing
from drivers.virtual.modbus_bus import Bus, SecondMaster
from drivers.virtual.modbus_frames import FIRST_UNIT, LAST_UNIT, STANDARD_LINE, Line
from drivers.virtual.modbus_unit import Station, Unit, UnitKind
from drivers.virtual.modbus_units import FACTORY_NUMBER, KINDS, Module
from drivers.virtual.pseudo_terminal import PseudoTerminal
from drivers.virtual.timeline import LiveClock

HIGHEST_SERIAL = 999_999


@dataclass(frozen=True, slots=True)
class BusOptions:
    """What a Modbus port is made of. Without a kind all kinds are mixed."""

    units: int
    line: Line = STANDARD_LINE
    kind: UnitKind | None = None
    spread: bool = False
    timing: Timing = DEFAULT_TIMING


class ModbusPort:
    """A serial port whose cable can be pulled; the units stay on the bus.

    A client at another baud rate than the bus says and hears noise, unless the bus has no pace at all.
    """

    def __init__(self, number: int, directory: Path, seed: int, options: BusOptions, clock: LiveClock) -> None:
        self.name = f"modbus{number}"
        self.path = directory.absolute() / self.name
        self._clock = clock
        self._line = options.line
        chance = random.Random(f"{seed} {self.name}")
        self._noise = random.Random(chance.getrandbits(64))
        self.bus = Bus(clock.timeline, random.Random(chance.getrandbits(64)), options.line, self._write)
        self.units = list(_furnish(self.bus, options, chance))
        self.second_master = SecondMaster(self.bus, random.Random(chance.getrandbits(64)), self._numbers)
        self._terminal: PseudoTerminal | None = None

    @property
    def url(self) -> str:
        """What a driver takes, with the line's settings where they are not the standard's own."""
        differing = []
        if self._line.baud != STANDARD_LINE.baud:
            differing.append(f"baud={self._line.baud}")
        if self._line.parity is not STANDARD_LINE.parity:
            differing.append(f"parity={self._line.parity.value}")
        return f"modbus://{self.path}" + ("?" + "&".join(differing) if differing else "")

    @property
    def plugged(self) -> bool:
        """Whether the serial port exists at present."""
        return self._terminal is not None

    def plug(self) -> None:
        """Make the serial port appear."""
        loop = asyncio.get_running_loop()
        self._terminal = PseudoTerminal(loop, self.path, self._received, self._client_gone, self._line.baud)

    def unplug(self) -> None:
        """Pull the cable: the serial port hangs up and disappears, in the middle of a request if there is one."""
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None
            self.bus.cut(self.bus)

    def announce(self) -> dict[str, Any]:
        """Describe the port for whoever started the field."""
        return {"port": self.name, "path": str(self.path), "url": self.url, "units": len(self.units)}

    def truth(self) -> dict[str, Any]:
        """Tell what is really in the units, and what the bus has carried."""
        usage = self.bus.usage
        return {
            "port": self.name,
            "units": [_truth_about(unit) for unit in self.units],
            "frames": usage.frames,
            "characters": usage.characters,
            "collisions": usage.collisions,
            "second_master": self.second_master.on,
        }

    def _numbers(self) -> list[int]:
        return [unit.number for unit in self.units]

    def _received(self, data: bytes) -> None:
        self._clock.catch_up()
        self.bus.feed(self._as_heard(data))

    def _client_gone(self) -> None:
        """Let what it wrote go out: a serial port does that too."""

    def _write(self, data: bytes) -> None:
        if self._terminal is not None:
            self._terminal.write(self._as_heard(data))

    def _as_heard(self, data: bytes) -> bytes:
        """Give what one side hears of what the other one says."""
        same = self._terminal is None or not self._line.paced or self._terminal.runs_at(self._line.baud)
        return data if same else self._noise.randbytes(len(data))


def _furnish(bus: Bus, options: BusOptions, chance: random.Random) -> Iterator[Unit]:
    """Put the units on the bus: with all kinds mixed, one of each among the first five, the next five, and so on."""
    kinds: list[UnitKind] = []
    while len(kinds) < options.units:
        kinds += chance.sample(list(UnitKind), len(UnitKind)) if options.kind is None else [options.kind]
    del kinds[options.units :]
    fresh = len(kinds) - 1 - kinds[::-1].index(Module.kind) if Module.kind in kinds else None
    numbers = [number for number in range(FIRST_UNIT, LAST_UNIT + 1) if fresh is None or number != FACTORY_NUMBER]
    if options.spread:
        chance.shuffle(numbers)
    serials = chance.sample(range(1, HIGHEST_SERIAL + 1), options.units)
    for index, (kind, serial) in enumerate(zip(kinds, serials, strict=True)):
        number = FACTORY_NUMBER if index == fresh else numbers.pop(0)
        yield KINDS[kind](Station(number, serial, chance.getrandbits(64)), bus, options.timing)


def _truth_about(unit: Unit) -> dict[str, Any]:
    unit.refresh()
    identity = unit.identity()
    return {
        "unit": unit.number,
        "kind": unit.kind.value,
        "mode": unit.mode.value,
        "powered": unit.powered,
        "listen_only": unit.listen_only,
        "serial": unit.serial,
        "identity": {f"{number:02X}": value.decode("ascii") for number, value in identity.objects.items()},
        "server_id": (identity.server_id + identity.additional).hex().upper(),
        "winks": unit.winks,
        "coils": {f"{address:04X}": value for address, value in sorted(unit.data.coils.items())},
        "image_sha256": unit.image_sha256,
        "registers": {f"{address:04X}": unit.data.holding[address] for address in sorted(unit.stored)},
        "stored": {f"{address:04X}": unit.stored[address] for address in sorted(unit.stored)},
    }
