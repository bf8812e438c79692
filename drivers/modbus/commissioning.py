"""Where a unit belongs: giving it its number, proving that it works there, and letting another one take its place."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from typing import Self

from core.errors import Kind
from drivers.base import Checkpoint, DriverError, Facts, NetworkState, Snapshot, Step, StepClass, StepEvent
from drivers.modbus import configuration
from drivers.modbus.device_types import DeviceType, Table, UnitRegister
from drivers.modbus.dialogue import Dialogue, Identity, check_program, check_same, identify
from drivers.modbus.frames import FIRST_UNIT, LAST_UNIT
from drivers.modbus.names import address_of


async def provision(
    came: Dialogue, number: int | None, program_id: str | None, cut_off: Checkpoint | None
) -> AsyncGenerator[StepEvent, None]:
    """Prove who the unit is that came at this number, give it the other one if it can have it, and prove that it works.

    When the number is taken its address is forgotten, so that it is given another one the next time.
    """
    yield Step("identify", StepClass.READ)
    now, identity = await _find(came, cut_off)
    check_program(now, identity, program_id)
    remark = None
    try:
        async for event in _take_unit(came, now, identity, number):
            if isinstance(event, Facts):
                now = now.at_uid(event.uid) if event.uid is not None else now
                remark = event.note
            yield event
    except DriverError as error:
        if error.kind is Kind.IN_USE and error.fields["name"] == str(number):
            yield Facts(address=address_of(came.unit))
        raise
    async for event in _prove(now, identity, remark):
        yield event


async def deprovision(dialogue: Dialogue, program_id: str | None) -> AsyncGenerator[StepEvent, None]:
    """Back to what it was when it came, where its type says how; else only the record changes.

    So it does, too, when another device has the number that it would get: two would not be heard any more.
    """
    yield Step("identify", StepClass.READ)
    identity = await identify(dialogue)
    check_program(dialogue, identity, program_id)
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
    check_same(after, identity, await identify(after, "identify after reset"), "identify after reset")
    yield Facts(
        state=NetworkState.UNPROVISIONED,
        uid=None if after == dialogue else after.uid,
        address=address_of(after.unit),
        note=f"it has its factory settings and is unit {after.unit}",
    )


async def replace(
    old: Dialogue, came: Dialogue, program_id: str | None, snapshot: Snapshot | None, cut_off: Checkpoint | None
) -> AsyncGenerator[StepEvent, None]:
    """Let the unit that came take the place of the old one, with its number and settings.

    It may be of any kind where no `program_id` is given; it gets the settings only if its type is the same.
    """
    yield Step("identify new unit", StepClass.READ)
    new, identity = await _find(came, cut_off, "identify new unit")
    check_program(new, identity, program_id)
    saved = None if snapshot is None else configuration.decode(snapshot, old.uid)
    async for event in _take_unit(came, new, identity, old.unit):
        if isinstance(event, Facts) and event.uid is not None:
            new = new.at_uid(event.uid)
        yield event
    note = f"took the place of {old.uid}"
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
    async for event in _prove(new, identity):
        yield dataclasses.replace(event, uid=new.uid, note=note) if isinstance(event, Facts) else event


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """A change of unit number that may be cut off: who, from where, to where."""

    old: int
    new: int
    fingerprint: str
    serial: str | None

    def to_checkpoint(self) -> Checkpoint:
        """As it is kept."""
        return Checkpoint(dataclasses.asdict(self))

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint | None) -> Self | None:
        """None where nothing was cut off, or something else."""
        match None if checkpoint is None else checkpoint.data:
            case {"old": int(old), "new": int(new), "fingerprint": str(fingerprint), "serial": str() | None as serial}:
                return cls(old, new, fingerprint, serial) if FIRST_UNIT <= new <= LAST_UNIT else None
        return None


async def _find(came: Dialogue, cut_off: Checkpoint | None, step: str = "identify") -> tuple[Dialogue, Identity]:
    """Where it is: at the number it came with, or already at its new one when the change was cut off."""
    moved = Move.from_checkpoint(cut_off)
    if moved is not None and moved.old == came.unit:
        there = came.at(moved.new)
        try:
            identity = await identify(there, step)
        except DriverError as error:
            if error.kind is not Kind.NO_REPLY:
                raise
        else:
            if (identity.fingerprint, identity.serial) == (moved.fingerprint, moved.serial):
                return there, identity
    return came, await identify(came, step)


async def _take_unit(
    came: Dialogue, now: Dialogue, identity: Identity, number: int | None
) -> AsyncGenerator[StepEvent, None]:
    """Give it this unit number, if it has the one it came with and can be given another; Facts say where it is.

    `came` is where it was when it began, `now` where it has been found.
    """
    register = identity.type.unit
    if register is None or number is None or number == came.unit or came.unit != register.factory:
        yield Facts(address=address_of(now.unit))
        return
    new = came.at(number)
    there_at_once = register.takes_effect == "at once"
    if now == came:
        yield Step("look at new unit", StepClass.READ)
        await _must_be_silent(new, "look at new unit")
        yield Move(came.unit, number, identity.fingerprint, identity.serial).to_checkpoint()
        yield Step("write unit", StepClass.PROBE_FIRST)
        await _write_unit(came, identity.type, register, number)
    if identity.type.save is not None and (now == came or there_at_once):
        yield Step("save unit", StepClass.IDEMPOTENT)
        at, other = (new, came) if there_at_once else (came, new)
        await at.tell("save unit", identity.type.save, also_from=other.unit)
    if identity.type.restart is not None and now == came and register.takes_effect == "when restarted":
        yield Step("restart", StepClass.PROBE_FIRST)
        await came.tell("restart", identity.type.restart, also_from=number)
    yield Step("identify at new unit", StepClass.READ)
    found = await identify(new, "identify at new unit")
    check_same(new, identity, found, "identify at new unit")
    yield Facts(uid=new.uid, address=address_of(number))
    yield Step("read unit back", StepClass.READ)
    (written,) = await new.read("read unit back", Table.HOLDING, register.register_, 1)
    if written != number:
        raise DriverError(Kind.VERIFY_FAILED, step="read unit back", device=new.uid, expected=number, found=written)
    yield Step("look at old unit", StepClass.READ)
    if not await came.is_silent("look at old unit"):
        yield Facts(note=f"another new device answers at unit {came.unit}: search for it")


async def _must_be_silent(dialogue: Dialogue, step: str) -> None:
    if not await dialogue.is_silent(step):
        reason = "a device answers there"
        raise DriverError(
            Kind.IN_USE, what="unit", name=str(dialogue.unit), reason=reason, step=step, device=dialogue.uid
        )


async def _write_unit(came: Dialogue, kind: DeviceType, register: UnitRegister, number: int) -> None:
    """Of a unit that wants a step by hand first, a refusal means that it was not done."""
    try:
        await came.tell("write unit", register.write(number), also_from=number)
    except DriverError as error:
        if error.kind is not Kind.REFUSED or not kind.by_hand:
            raise
        reason = "; ".join(kind.by_hand)
        raise DriverError(Kind.NEEDS_HAND, step="write unit", device=came.uid, reason=reason) from error


async def _prove(dialogue: Dialogue, identity: Identity, remark: str | None = None) -> AsyncGenerator[StepEvent, None]:
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
        address=address_of(dialogue.unit),
    )


def _only_the_record(dialogue: Dialogue, why: str) -> Facts:
    note = f"only the record: {why}"
    return Facts(state=NetworkState.UNPROVISIONED, address=address_of(dialogue.unit), note=note)
