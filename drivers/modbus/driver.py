"""The Modbus driver: what provisioning and the other actions mean on a line of units that cannot say who they are."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import secrets
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Final, Self

from core.errors import FieldhandError, Kind
from drivers.base import (
    Address,
    AddressScope,
    Candidate,
    Capability,
    Checkpoint,
    Driver,
    DriverError,
    Estimate,
    Facts,
    Found,
    Image,
    ImageFacts,
    NetworkState,
    PortError,
    Priority,
    Progress,
    Reading,
    SiteSettings,
    Step,
    StepClass,
    StepEvent,
    Target,
)
from drivers.modbus import configuration, device_types, estimates, loading
from drivers.modbus.bus import Bus
from drivers.modbus.device_types import Datapoint, DeviceType, Table, Types, Wink
from drivers.modbus.dialogue import PROBE, Dialogue, Identity, identify, uid_of
from drivers.modbus.frames import (
    FIRST_UNIT,
    LAST_UNIT,
    MOST_BITS,
    MOST_REGISTERS,
    Loopback,
    ReadBits,
    ReadRegisters,
    Refusal,
    Request,
    WriteCoil,
    WriteRegister,
)
from drivers.modbus.port import LINE_NAME, Port, usual_urls
from drivers.serial_ports import serial_ports
from drivers.transport import open_serial

POINT_NAME_MOST: Final = 40
"""Characters of a datapoint's name."""


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
        unit, line = _split(text)
        return uid_of(unit, line)

    @classmethod
    def addresses(cls, site: SiteSettings) -> Iterator[Address]:
        """Units 1 to 246: 247 is where many devices wait that come from the factory."""
        return (_address(unit) for unit in range(FIRST_UNIT, LAST_UNIT))

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
        name = " ".join(text.split())
        if not name or len(name) > POINT_NAME_MOST or not name.isprintable():
            reason = f"it is a name of 1 to {POINT_NAME_MOST} characters from the description of the device's type"
            raise FieldhandError(Kind.INVALID, what="datapoint", value=text, reason=reason)
        return name

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
        lost = await asyncio.shield(self._bus.lost)
        return PortError(lost.kind, **lost.fields)

    def frames(self, uid: str) -> list[str]:
        """The last frames to and from a unit, one line each with time, direction, bytes and meaning."""
        return self._bus.frames(_split(uid)[0])

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
                return None
        try:
            return _found(dialogue, await identify(dialogue, self._types))
        except DriverError as error:
            if error.kind is Kind.NO_REPLY:
                return None  # it was noise
            text = f"two devices at unit {dialogue.unit}? {error}" if error.kind is Kind.BAD_FRAME else str(error)
            return Found(dialogue.uid, state=None, address=_address(dialogue.unit), documentation=text)

    async def identify(self, uid: str) -> Found:
        """Who answers at that unit; raises NO_REPLY."""
        dialogue = self._dialogue(uid, Priority.INTERACTIVE)
        return _found(dialogue, await identify(dialogue, self._types))

    # -- operations --------------------------------------------------------------------------------

    async def provision(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Prove who it is and that its first datapoint can be read.

        A device that still has the number it came with, and keeps it in a register, gets its unit first. Raises
        WRONG_PROGRAM, NO_APPLICATION, IN_USE when its new unit is taken, WRONG_DEVICE, VERIFY_FAILED and what every
        exchange raises.
        """
        yield Step("identify", StepClass.READ)
        dialogue, identity = await self._find(target, priority)
        _check_program(identity, dialogue, target.program_id)
        number = None if target.address is None else int(target.address.parts["unit"])
        came, remark = self._dialogue(target.uid, priority), None
        try:
            async for event in self._take_unit(came, dialogue, identity, number):
                if isinstance(event, Facts):
                    dialogue = self._dialogue(event.uid or dialogue.uid, priority)
                    remark = event.note
                yield event
        except DriverError as error:
            if error.kind is Kind.IN_USE and error.fields["name"] == str(number):
                yield Facts(address=_address(came.unit))  # so that it is given another one the next time
            raise
        async for event in self._prove(dialogue, identity, remark):
            yield event

    async def deprovision(
        self, target: Target, *, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Back to what it was when it came, where its type says how; else only the record changes.

        So it does, too, when another device has the number that it would get: two would not be heard any more.
        """
        dialogue = self._dialogue(target.uid, priority)
        yield Step("identify", StepClass.READ)
        identity = await identify(dialogue, self._types)
        _check_program(identity, dialogue, target.program_id)
        kind = identity.type
        if kind.factory_reset is None:
            yield _only_the_record(dialogue, f"type {kind.name} names no way to undo anything")
            return
        after = dialogue.at(kind.unit.factory) if kind.unit is not None else dialogue
        if after != dialogue:
            yield Step("look at factory unit", StepClass.READ)
            if not await after.is_silent("look at factory unit"):
                yield _only_the_record(dialogue, f"another device is at unit {after.unit}, where it would go")
                return
        yield Step("factory reset", StepClass.PROBE_FIRST)
        await dialogue.tell("factory reset", kind.factory_reset, also_from=None if after == dialogue else after.unit)
        yield Step("identify after reset", StepClass.READ)
        _check_same(identity, await identify(after, self._types, "identify after reset"), after, "identify after reset")
        yield Facts(
            state=NetworkState.UNPROVISIONED,
            uid=None if after == dialogue else after.uid,
            address=_address(after.unit),
            note=f"it has its factory settings and is unit {after.unit}",
        )

    async def test(
        self, target: Target, *, count: int = 1, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Read its first datapoint, then let it send so many numbers back. Raises NO_REPLY when it never answers.

        A device that does not know the loopback is asked for the datapoint each time.
        """
        dialogue = self._dialogue(target.uid, priority)
        kind = await self._type(target, dialogue)
        first: Request[Any] = _request(kind.datapoint[0]) if kind.datapoint else PROBE
        yield Step("first datapoint", StepClass.READ)
        if kind.datapoint:
            await dialogue.ask("first datapoint", first)
        else:
            await dialogue.look("first datapoint")
        yield Step("loopback", StepClass.READ)
        milliseconds: list[float] = []
        loops, problem = True, DriverError(Kind.NO_REPLY, step="loopback", device=dialogue.uid, attempts=count)
        for done in range(1, count + 1):
            try:
                seconds = await self._loopback(dialogue) if loops else None
                loops = seconds is not None
                if seconds is None:
                    _, seconds = await self._timed(dialogue, first)
                milliseconds.append(1000 * seconds)
            except DriverError as error:
                problem = error
            yield Progress(done, count, "tries")
        if not milliseconds:
            raise problem
        mean = sum(milliseconds) / len(milliseconds)
        yield Facts(marginal="", note=f"{len(milliseconds)} of {count} answered, {mean:.0f} ms mean")

    async def _loopback(self, dialogue: Dialogue) -> float | None:
        """The seconds it took to send a number back; None when it does not know how."""
        answer, seconds = await self._timed(dialogue, Loopback(secrets.randbelow(0x10000)))
        return None if isinstance(answer, Refusal) else seconds

    async def _timed(self, dialogue: Dialogue, request: Request[Any]) -> tuple[Any, float]:
        return await self._bus.timed(
            dialogue.unit, request, step="loopback", device=dialogue.uid, priority=dialogue.priority
        )

    async def wink(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Switch what its type names for it, some times, and put it back."""
        dialogue = self._dialogue(target.uid, priority)
        kind = await self._type(target, dialogue)
        if kind.wink is None:
            raise _cannot(dialogue, kind, "wink: it names no coil or register for it")
        yield Step("wink", StepClass.IDEMPOTENT)
        await _wink(dialogue, kind.wink)
        yield Facts(note="it winked")

    async def reset(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Let it start anew, where its type says how."""
        dialogue = self._dialogue(target.uid, priority)
        kind = await self._type(target, dialogue)
        if kind.restart is None:
            raise _cannot(dialogue, kind, "reset: it names no register for it")
        yield Step("identify", StepClass.READ)
        before = await identify(dialogue, self._types)
        yield Step("restart", StepClass.IDEMPOTENT)
        await dialogue.tell("restart", kind.restart)
        yield Step("wait for it", StepClass.READ)
        _check_same(before, await identify(dialogue, self._types, "wait for it"), dialogue, "wait for it")
        yield Facts(note="it was told to start anew, and answers")

    async def snapshot(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Read what its type names as configuration."""
        dialogue = self._dialogue(target.uid, priority)
        yield Step("identify", StepClass.READ)
        identity = await identify(dialogue, self._types)
        if not identity.type.configuration:
            raise _cannot(dialogue, identity.type, "save: it names no configuration registers")
        yield Step("save configuration", StepClass.READ)
        saved = await configuration.read(dialogue, identity)
        yield saved
        note = configuration.decode(saved, dialogue.uid).in_words()
        yield Facts(program_id=identity.fingerprint, note=note)

    async def restore(self, target: Target, *, priority: Priority = Priority.JOB) -> AsyncGenerator[StepEvent, None]:
        """Write back what differs from what was saved. Raises INVALID, INCOMPATIBLE, VERIFY_FAILED."""
        dialogue = self._dialogue(target.uid, priority)
        saved = configuration.decode(target.snapshot, target.uid)
        yield Step("identify", StepClass.READ)
        identity = await identify(dialogue, self._types)
        _check_program(identity, dialogue, target.program_id)
        configuration.check(saved, identity.type, dialogue.uid)
        written: list[int] = []
        async for event in configuration.write(dialogue, identity.type, saved, written):
            yield event
        yield Facts(note=f"{sum(written)} values restored" if written else "nothing differed")

    async def replace(
        self, target: Target, *, uid: str, force: bool = False, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Let a new unit take the place of the device, with its unit number, where it can be given one, and settings.

        `force` takes a unit of another kind; it gets the settings only if its type is the same. Raises as
        `provision`, and IN_USE while the old device still answers at the number that the new one shall have.
        """
        old = self._dialogue(target.uid, priority)
        asked = dataclasses.replace(target, uid=self.parse_uid(uid), address=_address(old.unit))
        yield Step("identify new unit", StepClass.READ)
        new, identity = await self._find(asked, priority, "identify new unit")
        _check_program(identity, new, None if force else target.program_id)
        saved = None if target.snapshot is None else configuration.decode(target.snapshot, target.uid)
        async for event in self._take_unit(self._dialogue(uid, priority), new, identity, old.unit):
            if isinstance(event, Facts) and event.uid is not None:
                new = self._dialogue(event.uid, priority)
            yield event
        note = f"took the place of {target.uid}"
        if saved is None:
            note += "; no configuration had been saved"
        elif saved.type != identity.type.name:
            note += f"; it is of type {identity.type.name}, so the configuration of {saved.type} was left out"
        else:
            configuration.check(saved, identity.type, new.uid)
            written: list[int] = []
            async for event in configuration.write(new, identity.type, saved, written):
                yield event
            note += f"; {sum(written)} values restored"
        async for event in self._prove(new, identity):
            yield dataclasses.replace(event, uid=new.uid, note=note) if isinstance(event, Facts) else event

    async def load(
        self, target: Target, *, image: Image, force: bool = False, priority: Priority = Priority.JOB
    ) -> AsyncGenerator[StepEvent, None]:
        """Give it another program, in the way its type says."""
        dialogue = self._dialogue(target.uid, priority)

        def check(identity: Identity) -> None:
            _check_program(identity, dialogue, None if force else target.program_id)

        async for event in loading.Load(dialogue, self._types, target, image, check).run():
            yield event

    async def poll(
        self, target: Target, *, priority: Priority = Priority.MONITORING
    ) -> AsyncGenerator[StepEvent, None]:
        """Read the datapoints that are asked for, or its first one; those that stand side by side in one exchange."""
        dialogue = self._dialogue(target.uid, priority)
        kind = await self._type(target, dialogue)
        wanted = [_point(kind, name) for name in target.points] if target.points else list(kind.datapoint[:1])
        yield Step("poll", StepClass.READ)
        if not wanted:
            await dialogue.look("poll")
        for together in _side_by_side(wanted):
            first = together[0]
            quantity = max(point.address + point.quantity for point in together) - first.address
            values = await dialogue.read("poll", first.table, first.address, quantity)
            for point in together:
                at = point.address - first.address
                yield Reading(point.name, point.in_words(values[at : at + point.quantity]))
        yield Facts(application=True, marginal="")

    # -- parts of them -----------------------------------------------------------------------------

    def _at(self, unit: int, priority: Priority) -> Dialogue:
        return Dialogue(self._bus, self._port.line_name, unit, priority)

    def _dialogue(self, uid: str, priority: Priority) -> Dialogue:
        unit, line = _split(uid)
        if line != self._port.line_name:
            reason = f"it is on line {line}, this port is line {self._port.line_name}"
            raise DriverError(Kind.INVALID, what="device", value=uid, reason=reason)
        return self._at(unit, priority)

    async def _type(self, target: Target, dialogue: Dialogue) -> DeviceType:
        """The type that the record says; only a device that was never asked is asked for it."""
        if target.program_id:
            return self._types.of(target.program_id)[0]
        return (await identify(dialogue, self._types)).type

    async def _find(self, target: Target, priority: Priority, step: str = "identify") -> tuple[Dialogue, Identity]:
        """Where it is: at its unit, or already at its new one when the change was cut off."""
        dialogue = self._dialogue(target.uid, priority)
        moved = _Move.from_checkpoint(target.checkpoint)
        if moved is not None and moved.old == dialogue.unit:
            there = dialogue.at(moved.new)
            try:
                identity = await identify(there, self._types, step)
            except DriverError as error:
                if error.kind is not Kind.NO_REPLY:
                    raise
            else:
                if (identity.fingerprint, identity.serial) == (moved.fingerprint, moved.serial):
                    return there, identity
        return dialogue, await identify(dialogue, self._types, step)

    async def _take_unit(
        self, came: Dialogue, now: Dialogue, identity: Identity, number: int | None
    ) -> AsyncGenerator[StepEvent, None]:
        """Give it this unit number, if it has the one it came with and can be given another; Facts say where it is.

        `came` is where it was when it began, `now` where it has been found.
        """
        register = identity.type.unit
        if register is None or number is None or number == came.unit or came.unit != register.factory:
            yield Facts(address=_address(now.unit))
            return
        new = came.at(number)
        there_at_once = register.takes_effect == "at once"
        if now == came:
            yield Step("look at new unit", StepClass.READ)
            await _must_be_silent(new, "look at new unit", "a device answers there")
            yield _Move(came.unit, number, identity.fingerprint, identity.serial).to_checkpoint()
            yield Step("write unit", StepClass.PROBE_FIRST)
            await came.tell("write unit", register.write(number), also_from=number)
        if identity.type.save is not None and (now == came or there_at_once):
            yield Step("save unit", StepClass.IDEMPOTENT)
            at, other = (new, came) if there_at_once else (came, new)
            await at.tell("save unit", identity.type.save, also_from=other.unit)
        if identity.type.restart is not None and now == came and register.takes_effect == "when restarted":
            yield Step("restart", StepClass.PROBE_FIRST)
            await came.tell("restart", identity.type.restart, also_from=number)
        yield Step("identify at new unit", StepClass.READ)
        found = await identify(new, self._types, "identify at new unit")
        _check_same(identity, found, new, "identify at new unit")
        yield Facts(uid=new.uid, address=_address(number))
        yield Step("read unit back", StepClass.READ)
        (written,) = await new.read("read unit back", Table.HOLDING, register.register_, 1)
        if written != number:
            raise DriverError(Kind.VERIFY_FAILED, step="read unit back", device=new.uid, expected=number, found=written)
        yield Step("look at old unit", StepClass.READ)
        if not await came.is_silent("look at old unit"):
            yield Facts(note=f"another new device answers at unit {came.unit}: search for it")

    async def _prove(
        self, dialogue: Dialogue, identity: Identity, remark: str | None = None
    ) -> AsyncGenerator[StepEvent, None]:
        """Read the first datapoint: the device does what it is there for."""
        note = f"it answers; nothing was read: type {identity.type.name} names no datapoints"
        if identity.type.datapoint:
            point = identity.type.datapoint[0]
            yield Step("first datapoint", StepClass.READ)
            values = await dialogue.read("first datapoint", point.table, point.address, point.quantity)
            note = f"{point.name} {point.in_words(values)}"
        yield Facts(
            state=NetworkState.PROVISIONED,
            application=True,
            program_id=identity.fingerprint,
            marginal="",
            note=note if remark is None else f"{note}; {remark}",
            address=_address(dialogue.unit),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Move:
    """A change of unit number that may be cut off: who, from where, to where."""

    old: int
    new: int
    fingerprint: str
    serial: str | None

    def to_checkpoint(self) -> Checkpoint:
        return Checkpoint(dataclasses.asdict(self))

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint | None) -> Self | None:
        match None if checkpoint is None else checkpoint.data:
            case {"old": int(old), "new": int(new), "fingerprint": str(fingerprint), "serial": str() | None as serial}:
                return cls(old, new, fingerprint, serial) if FIRST_UNIT <= new <= LAST_UNIT else None
        return None


async def _must_be_silent(dialogue: Dialogue, step: str, reason: str) -> None:
    if not await dialogue.is_silent(step):
        raise DriverError(
            Kind.IN_USE, what="unit", name=str(dialogue.unit), reason=reason, step=step, device=dialogue.uid
        )


def _check_program(identity: Identity, dialogue: Dialogue, expected: str | None) -> None:
    if identity.loading:
        raise DriverError(Kind.NO_APPLICATION, step="identify", device=dialogue.uid)
    if expected and identity.fingerprint != expected:
        raise DriverError(
            Kind.WRONG_PROGRAM, step="identify", device=dialogue.uid, expected=expected, found=identity.fingerprint
        )


def _check_same(before: Identity, now: Identity, dialogue: Dialogue, step: str) -> None:
    """The very device, by all that is known of it."""
    expected, found = (f"{each.fingerprint} {each.serial or ''}".rstrip() for each in (before, now))
    if expected != found:
        raise DriverError(Kind.WRONG_DEVICE, step=step, device=dialogue.uid, expected=expected, found=found)


async def _wink(dialogue: Dialogue, wink: Wink) -> None:
    before = (await dialogue.read("wink", wink.table, wink.address, 1))[0] if wink.back else 0
    on = not before if wink.table is Table.COIL else wink.value
    try:
        for value in ((on, before) if wink.back else (on,)) * wink.times:
            await dialogue.ask("wink", _set(wink, value))
            await asyncio.sleep(wink.seconds)
    except BaseException:
        with suppress(DriverError):  # what went wrong first is what counts
            if wink.back:
                await dialogue.ask("wink", _set(wink, before))
        raise


def _only_the_record(dialogue: Dialogue, why: str) -> Facts:
    note = f"only the record: {why}"
    return Facts(state=NetworkState.UNPROVISIONED, address=_address(dialogue.unit), note=note)


def _set(wink: Wink, value: int) -> Request[None]:
    if wink.table is Table.COIL:
        return WriteCoil(wink.address, bool(value))
    return WriteRegister(wink.address, value)


def _cannot(dialogue: Dialogue, kind: DeviceType, action: str) -> DriverError:
    return DriverError(Kind.UNSUPPORTED, protocol=f"type {kind.name}", action=action, device=dialogue.uid)


def _found(dialogue: Dialogue, identity: Identity) -> Found:
    return Found(
        dialogue.uid,
        program_id=None if identity.loading else identity.fingerprint,
        state=None,
        address=_address(dialogue.unit),
        application=not identity.loading,
        documentation=identity.text,
    )


def _request(point: Datapoint) -> Request[Any]:
    kind = ReadBits if point.table.of_bits else ReadRegisters
    return kind(point.table.read_by, point.address, point.quantity)


def _point(kind: DeviceType, name: str) -> Datapoint:
    point = kind.point(name)
    if point is None:
        known = ", ".join(each.name for each in kind.datapoint) or "none"
        reason = f"type {kind.name} has no such datapoint, only {known}"
        raise DriverError(Kind.INVALID, what="datapoint", value=name, reason=reason)
    return point


def _side_by_side(points: Iterable[Datapoint]) -> Iterator[list[Datapoint]]:
    """Datapoints that can be read in one exchange without touching an address that is none."""
    together: list[Datapoint] = []
    end = 0
    for point in sorted(points, key=lambda each: (each.table, each.address)):
        most = MOST_BITS if point.table.of_bits else MOST_REGISTERS
        if together:
            first = together[0]
            fits = point.address <= end and point.address + point.quantity - first.address <= most
            if point.table is not first.table or not fits:
                yield together
                together, end = [], 0
        together.append(point)
        end = max(end, point.address + point.quantity)
    if together:
        yield together


def _address(unit: int) -> Address:
    return Address(f"unit {unit}", {"unit": unit})


def _split(uid: str) -> tuple[int, str]:
    bare = uid.strip().removeprefix("'").strip()
    unit, at, line = (part.strip() for part in bare.partition("@"))
    name = line.rpartition("/")[2]
    reason = None
    if not at or not re.fullmatch("[0-9]{1,3}", unit):
        reason = "it is written as the unit number and the line, such as 5@ttymxc2"
    elif not FIRST_UNIT <= int(unit) <= LAST_UNIT:
        reason = f"units have the numbers {FIRST_UNIT} to {LAST_UNIT}"
    elif not LINE_NAME.fullmatch(name):
        reason = "behind the @ it takes the name of the line, such as ttymxc2"
    if reason is not None:
        raise FieldhandError(Kind.INVALID_UID, uid=uid, protocol="Modbus", reason=reason)
    return int(unit), name
