"""Questions to one unit, in the words of `drivers.base`, and who it is."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import unicodedata
from dataclasses import dataclass
from typing import Final, TypeVar

from core.errors import Kind
from drivers.base import DriverError, Priority
from drivers.modbus.bus import TRIES, Bus
from drivers.modbus.device_types import (
    UNIDENTIFIED,
    DeviceType,
    Match,
    Serial,
    Table,
    Types,
    Write,
    identification_fingerprint,
    server_fingerprint,
)
from drivers.modbus.frames import (
    Code,
    Function,
    ReadBits,
    ReadIdentification,
    ReadRegisters,
    Refusal,
    ReportServerId,
    Request,
    WriteRegister,
    registers_to_bytes,
)
from drivers.modbus.names import parse_uid, uid_of

PROBE: Final = ReadRegisters(Function.READ_HOLDING_REGISTERS, 0, 1)
"""What hardly any device has no answer to: a value, or an exception, which is as much a sign of life."""

PROBE_TRIES: Final = 2
"""At a unit where nobody should be, or with a function that a device may not know and not even refuse."""

IDENTIFICATION_PARTS: Final = 8
"""Responses in which the three basic objects may come; one is enough, three is what a careful device needs."""

OBJECT_LENGTH: Final = 40
"""Characters of an identification object that are made use of."""

BUSY: Final = str(Refusal(0, Code.BUSY))
"""A refusal for the moment, which says nothing of what a device knows."""

VENDOR, PRODUCT, REVISION = range(3)
"""The basic identification objects ("MODBUS Application Protocol Specification V1.1b3" §6.21)."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Dialogue:
    """What is said to one unit of a line. `types` are the kinds of devices that it may be."""

    bus: Bus
    types: Types
    line_name: str
    unit: int
    priority: Priority

    @property
    def uid(self) -> str:
        """The UID of who answers there."""
        return uid_of(self.unit, self.line_name)

    def at(self, unit: int) -> Dialogue:
        """The same with another unit."""
        return dataclasses.replace(self, unit=unit)

    def at_uid(self, uid: str) -> Dialogue:
        """The same with the unit of a UID of this line; raises INVALID for one of another line."""
        unit, line = parse_uid(uid)
        if line != self.line_name:
            reason = f"it is on line {line}, this port is line {self.line_name}"
            raise DriverError(Kind.INVALID, what="device", value=uid, reason=reason)
        return self.at(unit)

    async def ask(
        self,
        step: str,
        request: Request[R],
        *,
        tries: int = TRIES,
        patience: float = 0.0,
        also_from: int | None = None,
    ) -> R:
        """Raises NO_REPLY, BAD_FRAME, REFUSED; see `Bus.exchange`."""
        return await self.bus.exchange(
            self.unit,
            request,
            step=step,
            device=self.uid,
            priority=self.priority,
            tries=tries,
            patience=patience,
            also_from=also_from,
        )

    async def timed(self, step: str, request: Request[R]) -> tuple[R | Refusal, float]:
        """Ask once, and say how many seconds the answer took, even if it is a refusal."""
        return await self.bus.timed(self.unit, request, step=step, device=self.uid, priority=self.priority)

    async def ask_if_known(self, step: str, request: Request[R]) -> R | None:
        """None where the unit does not know the function, and says so or does not."""
        try:
            return await self.ask(step, request, tries=PROBE_TRIES)
        except DriverError as error:
            if error.kind not in (Kind.REFUSED, Kind.NO_REPLY) or error.fields.get("code") == BUSY:
                raise
            return None

    async def read(self, step: str, table: Table, address: int, quantity: int) -> tuple[int, ...]:
        """Bits or registers in a row."""
        if table.of_bits:
            return await self.ask(step, ReadBits(table.read_by, address, quantity))
        return await self.ask(step, ReadRegisters(table.read_by, address, quantity))

    async def write(self, step: str, write: Write) -> None:
        """Write a value that makes the device do something, which it answers when that is done."""
        await self._unlock(step, write)
        await self.ask(step, WriteRegister(write.register_, write.value), patience=write.seconds)

    async def tell(self, step: str, write: Write, *, also_from: int | None = None) -> None:
        """Write what the device may do at once instead of answering: what came of it has to be looked at."""
        await self._unlock(step, write)
        try:
            await self.ask(step, WriteRegister(write.register_, write.value), tries=1, also_from=also_from)
        except DriverError as error:
            if error.kind not in (Kind.NO_REPLY, Kind.BAD_FRAME):
                raise
        await asyncio.sleep(write.seconds)

    async def _unlock(self, step: str, write: Write) -> None:
        if write.unlock is not None:
            await self.ask(step, WriteRegister(write.unlock.register_, write.unlock.value))

    async def is_silent(self, step: str) -> bool:
        """Whether nobody answers there. An unreadable answer is one: two units that speak at once."""
        try:
            await self.ask(step, PROBE, tries=PROBE_TRIES)
        except DriverError as error:
            return error.kind is Kind.NO_REPLY
        return False

    def cannot(self, kind: DeviceType, action: str) -> DriverError:
        """UNSUPPORTED: its type does not say how."""
        return DriverError(Kind.UNSUPPORTED, protocol=f"type {kind.name}", action=action, device=self.uid)

    async def look(self, step: str, *, tries: int = TRIES) -> None:
        """Whether it is there at all; raises NO_REPLY."""
        try:
            await self.ask(step, PROBE, tries=tries)
        except DriverError as error:
            if error.kind is not Kind.REFUSED:
                raise


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device is: what it tells of itself, the type that follows from it, and what no other unit has.

    `loading`: it is in its bootloader. `text` is for people.
    """

    fingerprint: str
    type: DeviceType
    loading: bool
    text: str
    serial: str | None


async def identify(dialogue: Dialogue, step: str = "identify") -> Identity:
    """By its identification objects, else its server id, else what is in registers. Raises NO_REPLY, BAD_FRAME.

    A device that knows none of it is of the generic type.
    """
    types = dialogue.types
    await dialogue.look(step)
    fingerprint, text = await _told(dialogue, step)
    kind, loading = types.of(fingerprint)
    if kind is types.generic:
        marked = await _marked(dialogue, step)
        if marked is not None:
            kind, loading = marked
            fingerprint = kind.loading_fingerprint if loading else kind.fingerprint
    serial = None if loading or kind.serial is None else await _serial(dialogue, kind.serial, step)
    text = text or kind.description
    return Identity(fingerprint, kind, loading, f"{text} {serial}" if serial else text, serial)


async def _told(dialogue: Dialogue, step: str) -> tuple[str, str]:
    objects = await _objects(dialogue, step)
    if VENDOR in objects and PRODUCT in objects:
        texts = [clean(objects.get(number, b""))[:OBJECT_LENGTH] for number in (VENDOR, PRODUCT, REVISION)]
        return identification_fingerprint(*texts), " ".join(text for text in texts if text)
    server = await dialogue.ask_if_known(step, ReportServerId())
    if server:
        server_id = _server_id(server)
        text = clean(re.sub(rb"[^ -~]", b" ", server[len(server_id) :]))[:OBJECT_LENGTH]
        return server_fingerprint(server_id, text.partition(" ")[0]), text
    return UNIDENTIFIED, ""


async def _objects(dialogue: Dialogue, step: str) -> dict[int, bytes]:
    """The basic identification objects, in as many parts as they come."""
    objects: dict[int, bytes] = {}
    wanted = 0
    for _ in range(IDENTIFICATION_PARTS):
        part = await dialogue.ask_if_known(step, ReadIdentification(object_id=wanted))
        if part is None:
            break
        objects.update(part.objects)
        if not part.more or part.next_object <= wanted:
            break
        wanted = part.next_object
    return objects


def _server_id(data: bytes) -> bytes:
    """The id in front of the run indicator (00 or FF), whose place every vendor chooses for himself."""
    match = re.match(rb"(?s).[^\x00\xff]*", data[:OBJECT_LENGTH])
    return match[0] if match else b""


async def _marked(dialogue: Dialogue, step: str) -> tuple[DeviceType, bool] | None:
    """The type that is recognised by a register, and whether that is one of its bootloader."""
    for kind in dialogue.types.known:
        if kind.bootloader is not None and await _has(dialogue, kind.bootloader.match, step):
            return kind, True
        for rule in kind.markers:
            if await _has(dialogue, rule, step):
                return kind, False
    return None


async def _has(dialogue: Dialogue, rule: Match, step: str) -> bool:
    if rule.table is None or rule.address is None:
        return False
    values = await dialogue.ask_if_known(step, ReadRegisters(rule.table.read_by, rule.address, 1))
    return values == (rule.value,)


async def _serial(dialogue: Dialogue, where: Serial, step: str) -> str:
    values = await dialogue.read(step, where.table, where.address, where.registers)
    return registers_to_bytes(values).hex().upper()


def clean(text: bytes) -> str:
    """A device's own text, without anything that a terminal would act on."""
    characters = text.split(b"\x00", 1)[0].decode("latin-1")
    return " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in characters).split())


async def type_of(dialogue: Dialogue, program_id: str | None) -> DeviceType:
    """The type that the record says; only a device that was never asked is asked for it."""
    if program_id:
        return dialogue.types.of(program_id)[0]
    return (await identify(dialogue)).type


def check_program(dialogue: Dialogue, identity: Identity, expected: str | None) -> None:
    """Raise NO_APPLICATION for a device in its bootloader, WRONG_PROGRAM unless it is what is expected, if anything."""
    if identity.loading:
        raise DriverError(Kind.NO_APPLICATION, step="identify", device=dialogue.uid)
    if expected and identity.fingerprint != expected:
        raise DriverError(
            Kind.WRONG_PROGRAM, step="identify", device=dialogue.uid, expected=expected, found=identity.fingerprint
        )


def check_same(dialogue: Dialogue, before: Identity, now: Identity, step: str) -> None:
    """Raise WRONG_DEVICE unless it is the very device, by all that is known of it."""
    expected, found = (f"{each.fingerprint} {each.serial or ''}".rstrip() for each in (before, now))
    if expected != found:
        raise DriverError(Kind.WRONG_DEVICE, step=step, device=dialogue.uid, expected=expected, found=found)
