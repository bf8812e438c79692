"""One serial port with everything behind it: pseudo-terminal, link, network interface, channel, devices."""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.virtual.building import Building, Furnishing
from drivers.virtual.channel import RATES, Channel
from drivers.virtual.device import DEFAULT_TIMING, Device, Timing
from drivers.virtual.interface import Family, Link, NetworkInterface
from drivers.virtual.mip_u50 import MipU50
from drivers.virtual.mip_u61 import MipU61
from drivers.virtual.modbus_port import BusOptions
from drivers.virtual.node import DeviceKind
from drivers.virtual.pseudo_terminal import PseudoTerminal
from drivers.virtual.timeline import LiveClock
from drivers.virtual.traffic import UpdateTraffic

_LINKS: dict[Family, type[MipU50] | type[MipU61]] = {Family.U50: MipU50, Family.U61: MipU61}


@dataclass(frozen=True, slots=True)
class Options:
    """What the field is made of."""

    directory: Path
    lon: tuple[int, ...] = ()
    seed: int = 1
    rate: str = "ft10"
    timing: Timing = DEFAULT_TIMING
    family: Family = Family.U50
    kind: DeviceKind = DeviceKind.PLAIN
    mixed: bool = False
    updates: float = 0.0
    modbus: tuple[BusOptions, ...] = ()


class Port:
    """A serial port whose cable can be pulled; the devices stay where they are."""

    def __init__(self, number: int, options: Options, building: Building, clock: LiveClock) -> None:
        self.name = f"lon{number}"
        self.path = options.directory.absolute() / self.name
        self._clock = clock
        self._options = options
        self._seeds = random.Random(f"{options.seed} {self.name}")
        self.channel = Channel(clock.timeline, random.Random(self._seeds.getrandbits(64)), RATES[options.rate])
        self.devices = [self._device(stands) for stands in building.furnish(options.lon[number])]
        self.traffic = UpdateTraffic(clock.timeline, random.Random(self._seeds.getrandbits(64)), self.devices)
        self.traffic.rate = options.updates
        interface = NetworkInterface(self.channel, building.interface_id(), options.family)
        self._link: Link = _LINKS[options.family](clock.timeline, self._write, interface)
        interface.connect(self._link)
        self._terminal: PseudoTerminal | None = None

    @property
    def plugged(self) -> bool:
        """Whether the serial port exists at present."""
        return self._terminal is not None

    def announce(self) -> dict[str, Any]:
        """Describe the port for whoever started the field."""
        return {
            "port": self.name,
            "path": str(self.path),
            "url": f"lon://{self.path}",
            "devices": len(self.devices),
        }

    def plug(self) -> None:
        """Make the serial port appear, its interface just powered up."""
        self._terminal = PseudoTerminal(asyncio.get_running_loop(), self.path, self._received, self._client_gone)

    def unplug(self) -> None:
        """Pull the cable: the serial port hangs up and disappears."""
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None
            self._link.restart()

    def _device(self, stands: Furnishing) -> Device:
        device = Device(
            stands.node,
            self.channel,
            self._clock.timeline,
            self._options.timing,
            temperament=stands.temperament,
            seed=self._seeds.getrandbits(64),
        )
        if not stands.powered:
            device.power_off()
        return device

    def _received(self, data: bytes) -> None:
        self._clock.catch_up()
        self._link.feed(data)

    def _client_gone(self) -> None:
        self._clock.catch_up()
        self._link.restart()

    def _write(self, data: bytes) -> None:
        if self._terminal is not None:
            self._terminal.write(data)
