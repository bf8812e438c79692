"""Configuration: what of a device's registers is kept, compared, and written back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from itertools import groupby
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import Kind
from drivers.base import DriverError, Facts, Snapshot, Step, StepClass, StepEvent
from drivers.modbus.device_types import Block, DeviceType, Table, Word
from drivers.modbus.dialogue import Dialogue, Identity, check_program, identify
from drivers.modbus.frames import Request, WriteCoil, WriteCoils, WriteRegister, WriteRegisters

VERSION: Final = 1
"""Of the document."""

SAVE: Final = "save configuration"
"""The step of reading it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SavedBlock(_Part):
    """Coils or holding registers in a row, and what was in them."""

    table: Table
    address: Word
    values: Annotated[tuple[Word, ...], Field(min_length=1)]


class Saved(_Part):
    """The configuration of a device, as it is kept."""

    type: str
    program_id: str
    blocks: tuple[SavedBlock, ...]

    def in_words(self) -> str:
        """How much it is."""
        return f"{sum(len(block.values) for block in self.blocks)} values saved"


async def read(dialogue: Dialogue, identity: Identity) -> Snapshot:
    """Read what the device's type names as its configuration."""
    blocks = [
        SavedBlock(
            table=block.table,
            address=block.address,
            values=await dialogue.read(SAVE, block.table, block.address, block.quantity),
        )
        for block in identity.type.configuration
    ]
    saved = Saved(type=identity.type.name, program_id=identity.fingerprint, blocks=tuple(blocks))
    return Snapshot(VERSION, saved.model_dump(mode="json"))


def decode(snapshot: Snapshot | None, uid: str) -> Saved:
    """What was saved; raises INVALID when there is nothing that can be read."""
    if snapshot is None:
        reason = "none has been saved"
    elif snapshot.version != VERSION:
        reason = f"it has form {snapshot.version}, this program knows {VERSION}"
    else:
        try:
            return Saved.model_validate(dict(snapshot.document))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            reason = f"it is damaged: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    raise DriverError(Kind.INVALID, what="configuration", value=uid, reason=reason)


def check(saved: Saved, kind: DeviceType, uid: str) -> None:
    """Raise INCOMPATIBLE unless it is all among what may be written to devices of the type."""
    allowed = {(block.table, address) for block in kind.configuration for address in _addresses(block)}
    asked = {(block.table, block.address + n) for block in saved.blocks for n in range(len(block.values))}
    if saved.type != kind.name:
        reason = f"the configuration is of type {saved.type}, the device of type {kind.name}"
    elif not asked <= allowed:
        table, address = min(asked - allowed)
        reason = f"{table} {address} was saved, but type {kind.name} does not name it as configuration any more"
    else:
        return
    raise DriverError(Kind.INCOMPATIBLE, device=uid, step="compare", reason=reason)


async def write(
    dialogue: Dialogue, kind: DeviceType, saved: Saved, written: list[int]
) -> AsyncGenerator[StepEvent, None]:
    """Write what differs and read it back; `written` gets the number of values that differed. Raises VERIFY_FAILED."""
    for block in saved.blocks:
        what = f"{block.table} {block.address}"
        yield Step(f"compare {what}", StepClass.READ)
        present = await dialogue.read(f"compare {what}", block.table, block.address, len(block.values))
        requests = list(_differences(block, present))
        if not requests:
            continue
        yield Step(f"write {what}", StepClass.IDEMPOTENT)
        for request in requests:
            await dialogue.ask(f"write {what}", request)
        yield Step(f"read back {what}", StepClass.READ)
        found = await dialogue.read(f"read back {what}", block.table, block.address, len(block.values))
        for number, (expected, value) in enumerate(zip(block.values, found, strict=True)):
            if value != expected:
                raise DriverError(
                    Kind.VERIFY_FAILED,
                    device=dialogue.uid,
                    step=f"{block.table} {block.address + number}",
                    expected=int(expected),
                    found=int(value),
                )
        written.append(sum(a != b for a, b in zip(block.values, present, strict=True)))
    if written and kind.save is not None:
        yield Step("save", StepClass.IDEMPOTENT)
        await dialogue.write("save", kind.save)


async def save(dialogue: Dialogue) -> AsyncGenerator[StepEvent, None]:
    """Read it, and say how much it is; raises UNSUPPORTED where the type names none."""
    yield Step("identify", StepClass.READ)
    identity = await identify(dialogue)
    if not identity.type.configuration:
        raise dialogue.cannot(identity.type, "save: it names no configuration registers")
    yield Step(SAVE, StepClass.READ)
    snapshot = await read(dialogue, identity)
    yield snapshot
    yield Facts(program_id=identity.fingerprint, note=decode(snapshot, dialogue.uid).in_words())


async def restore(
    dialogue: Dialogue, program_id: str | None, snapshot: Snapshot | None
) -> AsyncGenerator[StepEvent, None]:
    """Write back what differs from what was saved. Raises INVALID, INCOMPATIBLE, VERIFY_FAILED."""
    saved = decode(snapshot, dialogue.uid)
    yield Step("identify", StepClass.READ)
    identity = await identify(dialogue)
    check_program(dialogue, identity, program_id)
    check(saved, identity.type, dialogue.uid)
    written: list[int] = []
    async for event in write(dialogue, identity.type, saved, written):
        yield event
    yield Facts(note=f"{sum(written)} values restored" if written else "nothing differed")


def _differences(block: SavedBlock, present: tuple[int, ...]) -> Iterator[Request[Any]]:
    """The fewest writes that touch nothing which is right already: it may be a register that wears out."""
    pairs = enumerate(zip(block.values, present, strict=True))
    for differs, run in groupby(pairs, key=lambda pair: pair[1][0] != pair[1][1]):
        if not differs:
            continue
        numbers = [number for number, _ in run]
        address, values = block.address + numbers[0], block.values[numbers[0] : numbers[-1] + 1]
        if block.table is Table.COIL:
            bits = tuple(bool(value) for value in values)
            yield WriteCoils(address, bits) if len(bits) > 1 else WriteCoil(address, bits[0])
        else:
            yield WriteRegisters(address, values) if len(values) > 1 else WriteRegister(address, values[0])


def _addresses(block: Block) -> range:
    return range(block.address, block.address + block.quantity)
