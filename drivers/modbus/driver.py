"""The Modbus driver: what can be asked of it on a line of units that cannot say who they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import ClassVar, Self

from core.errors import Kind
from drivers.base import (
    Address,
    AddressScope,
    Candidate,
    Capability,
    Driver,
    DriverError,
    Estimate,
    Found,
    Image,
    ImageFacts,
    PortError,
    Priority,
    Progress,
    SiteSettings,
    StepEvent,
    Target,
)
from drivers.modbus import asking, commissioning, configuration, device_types, estimates, loading, names
from drivers.modbus.bus import Bus
from drivers.modbus.device_types import Types
from drivers.modbus.dialogue import Dialogue, Identity, identify
from drivers.modbus.frames import FIRST_UNIT, LAST_UNIT
from drivers.modbus.port import Port, usual_urls
from drivers.serial_ports import serial_ports
from drivers.transport import open_serial


class ModbusDriver(Driver):
    """A Modbus RTU line.

    A device's UID is where it is: its unit number and the line, such as `5@ttymxc2`. Serial numbers, where a type
    knows them, are compared before and after a unit changes its number; they cannot serve as UID, because a unit is
    reached by its number and nothing else.
    """

    protocol: ClassVar[str] = "modbus"
    address_scope: ClassVar[AddressScope] = AddressScope.PORT
    polls_per_second: ClassVar[float] = 20.0
    """Half of what a line at 19200 baud carries: the other half is for jobs and persons."""
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.DISCOVER,
            Capability.PROVISION,
            Capability.DEPROVISION,
            Capability.TEST,
            Capability.WINK,
            Capability.RESET,
            Capability.LOAD,
            Capability.REPLACE,
            Capability.SNAPSHOT,
            Capability.RESTORE,
            Capability.IDENTIFY,
            Capability.POLL,
        }
    )

    def __init__(self, port: Port, bus: Bus, known: Types) -> None:
        self._port = port
        self._bus = bus
        self._types = known

    # -- what can be said without a port -------------------------------------------------------------

    @classmethod
    def parse_uid(cls, text: str) -> str:
        """Unit and line: `5@ttymxc2`, also with the path of the line in front of its name."""
        return names.uid_of(*names.parse_uid(text))

    @classmethod
    def addresses(cls, site: SiteSettings) -> Iterator[Address]:
        """Units 1 to 246: 247 is where many devices wait that come from the factory."""
        return (names.address_of(unit) for unit in range(FIRST_UNIT, LAST_UNIT))

    @classmethod
    def check_url(cls, url: str) -> str:
        """`modbus:///dev/ttymxc2` with baud, parity, stop, echo, timeout, late, units and line where they differ."""
        return str(Port.parse(url))

    @classmethod
    def candidates(cls) -> tuple[Candidate, ...]:
        """The serial ports."""
        return serial_ports()

    @classmethod
    def urls(cls, path: str) -> tuple[tuple[str, str], ...]:
        """The line settings that are met most."""
        return usual_urls(path)

    @classmethod
    def check_point(cls, text: str) -> str:
        """The name of a datapoint, as its device's type writes it."""
        return names.parse_point(text)

    @classmethod
    def estimate(cls, capability: Capability, url: str, image: ImageFacts | None = None, size: int = 0) -> Estimate:
        """From the number of exchanges and characters, at the speed of the line."""
        return estimates.estimate(capability, Port.parse(url).line, size)

    @classmethod
    def read_image(cls, image: Image) -> ImageFacts:
        """A `.bin` file, which is passed on as it is."""
        return loading.read_image(image)

    @classmethod
    def read_type(cls, text: str) -> str:
        """A device type in TOML; the ones that come with the driver are examples."""
        return device_types.parse(text).name

    @classmethod
    def types(cls) -> Mapping[str, str]:
        """The generic type and some examples."""
        return device_types.shipped()

    @classmethod
    def by_hand(cls, program_id: str | None, site: SiteSettings) -> tuple[str, ...]:
        """What the description of its type says; nothing for a device that was never asked what it is."""
        return Types(site.types).of(program_id)[0].by_hand if program_id else ()

    # -- the port ------------------------------------------------------------------------------------

    @classmethod
    async def open(cls, url: str, site: SiteSettings) -> Self:
        """Open the port. That it takes the settings is all it can prove: nobody has to answer on a Modbus line."""
        port = Port.parse(url)
        known = await asyncio.to_thread(Types, site.types)
        bus = Bus(port.line)
        bus.start(await open_serial(port.path, port.line.baud, bus, parity=port.line.parity, stop=port.line.stop))
        return cls(port, bus, known)

    def proof(self) -> str:
        """Nobody has to answer on a Modbus line."""
        return "the port takes the settings of the line; a search tells which units answer"

    async def close(self) -> None:
        """Let go of the port; whatever is under way ends."""
        await self._bus.close()

    async def wait_lost(self) -> PortError:
        """Return when the port is gone."""
        return (await asyncio.shield(self._bus.lost)).again()

    def frames(self, uid: str) -> list[str]:
        """The last frames to and from a unit, one line each with time, direction, bytes and meaning."""
        return self._bus.frames(names.parse_uid(uid)[0])

    # -- finding devices ---------------------------------------------------------------------------

    async def discover(self, *, priority: Priority = Priority.JOB) -> AsyncGenerator[Found | Progress, None]:
        """Ask one unit after the other, with the line settings of the port: a line has but one.

        It takes the reply timeout for every unit that is silent: at 0.2 s, 50 seconds for a line without devices.
        """
        units = [unit for each in self._port.units for unit in each]
        for done, unit in enumerate(units, 1):
            found = await self._look_at(self._at(unit, priority))
            if found is not None:
                yield found
            yield Progress(done, len(units), "units")

    async def _look_at(self, dialogue: Dialogue) -> Found | None:
        try:
            await dialogue.look("look", tries=1)
        except DriverError as error:
            if error.kind is Kind.NO_REPLY:
                return None  # anything else is a sign of life: it is asked once more who it is
        try:
            return _found(dialogue, await identify(dialogue))
        except DriverError as error:
            if error.kind is Kind.NO_REPLY:
                return None  # it was noise
            text = f"two devices at unit {dialogue.unit}? {error}" if error.kind is Kind.BAD_FRAME else str(error)
            return Found(dialogue.uid, state=None, address=names.address_of(dialogue.unit), documentation=text)

    async def identify(self, uid: str) -> Found:
        """Who answers at that unit; raises NO_REPLY."""
        dialogue = self._dialogue(uid, Priority.INTERACTIVE)
        return _found(dialogue, await identify(dialogue))

    # -- operations --------------------------------------------------------------------------------

    def provision(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Prove who it is and that its first datapoint can be read.

        A device that still has the number it came with, and keeps it in a register, gets its unit first. Raises
        WRONG_PROGRAM, NO_APPLICATION, IN_USE when its new unit is taken, NEEDS_HAND, WRONG_DEVICE, VERIFY_FAILED and
        what every exchange raises.
        """
        number = None if target.address is None else int(target.address.parts["unit"])
        came = self._dialogue(target.uid, priority)
        return commissioning.provision(came, number, target.program_id, target.checkpoint)

    def deprovision(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Back to what it was when it came, where its type says how; else only the record changes."""
        return commissioning.deprovision(self._dialogue(target.uid, priority), target.program_id)

    def replace(
        self, target: Target, *, uid: str, force: bool = False, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Let a new unit take the place of the device, with its unit number, where it can be given one, and settings.

        `force` takes a unit of another kind; it gets the settings only if its type is the same. Raises as
        `provision`, and IN_USE while the old device still answers at the number that the new one shall have.
        """
        old, came = self._dialogue(target.uid, priority), self._dialogue(uid, priority)
        program_id = None if force else target.program_id
        return commissioning.replace(old, came, program_id, target.snapshot, target.checkpoint)

    def snapshot(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Read what its type names as configuration."""
        return configuration.save(self._dialogue(target.uid, priority))

    def restore(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Write back what differs from what was saved. Raises INVALID, INCOMPATIBLE, VERIFY_FAILED."""
        return configuration.restore(self._dialogue(target.uid, priority), target.program_id, target.snapshot)

    def load(
        self, target: Target, *, image: Image, force: bool = False, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Give it another program, in the way its type says."""
        return loading.Load(self._dialogue(target.uid, priority), target, image, force=force).run()

    def test(
        self, target: Target, *, count: int = 1, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Ask it so many times. Raises NO_REPLY when it never answers."""
        return asking.test(self._dialogue(target.uid, priority), target.program_id, count)

    def poll(self, target: Target, *, priority: Priority = Priority.MONITORING) -> AsyncGenerator[StepEvent, None]:
        """Read the datapoints that are asked for, or its first one."""
        return asking.poll(self._dialogue(target.uid, priority), target.program_id, target.points)

    def wink(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Make it show itself, where its type says how."""
        return asking.wink(self._dialogue(target.uid, priority), target.program_id)

    def reset(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Let it start anew, where its type says how."""
        return asking.restart(self._dialogue(target.uid, priority), target.program_id)

    def _at(self, unit: int, priority: Priority) -> Dialogue:
        return Dialogue(self._bus, self._types, self._port.line_name, unit, priority)

    def _dialogue(self, uid: str, priority: Priority) -> Dialogue:
        return self._at(FIRST_UNIT, priority).at_uid(uid)


def _found(dialogue: Dialogue, identity: Identity) -> Found:
    return Found(
        dialogue.uid,
        program_id=None if identity.loading else identity.fingerprint,
        state=None,
        address=names.address_of(dialogue.unit),
        application=not identity.loading,
        documentation=identity.text,
    )
