"""Loading an image, by file records or through a bootloader in holding registers, as the device's type says.

An image is opaque here: the device knows what to do with it. Files: "MODBUS Application Protocol Specification V1.1b3"
§6.14, §6.15.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from core.errors import FieldhandError, Kind
from drivers.base import Checkpoint, DriverError, Facts, Image, ImageFacts, Progress, Step, StepClass, StepEvent, Target
from drivers.modbus.dialogue import Dialogue, Identity, identify
from drivers.modbus.frames import ReadFile, Request, WriteFile, WriteRegister, WriteRegisters, registers_from_bytes
from drivers.modbus.types import Bootloader, FileLoader, Types

IMAGE_TYPE: Final = "bin"

IMAGE_MOST: Final = 16 * 1024 * 1024
"""Bytes; more than any device with 65536 registers holds, and days on a line."""

FILE_RECORDS: Final = 10_000
"""Registers of one file; what follows is in the next."""

BYTES: Final = "bytes"


def read_image(image: Image) -> ImageFacts:
    """Anything in a file called `….bin`; raises IMAGE."""
    if not image.name.lower().endswith(f".{IMAGE_TYPE}"):
        reason = f"Modbus devices take .{IMAGE_TYPE} images, which are passed on as they are"
    elif not image.data:
        reason = "it is empty"
    elif len(image.data) > IMAGE_MOST:
        reason = f"it has {len(image.data)} bytes, no Modbus device takes more than {IMAGE_MOST}"
    else:
        return ImageFacts(type=IMAGE_TYPE, opaque=True)
    raise FieldhandError(Kind.IMAGE, image=image.name, reason=reason)


class Load:
    """One load of one device. `check` is asked whether the device is the one that the record says."""

    def __init__(
        self, dialogue: Dialogue, types: Types, target: Target, image: Image, check: Callable[[Identity], None]
    ) -> None:
        self._dialogue = dialogue
        self._types = types
        self._target = target
        self._image = image
        self._check = check
        self._offset_before = self._taken_up(target)

    async def run(self) -> AsyncGenerator[StepEvent, None]:
        """Raises UNSUPPORTED and INCOMPATIBLE before anything is written, LOAD_FAILED, and what every exchange does."""
        yield Step("identify", StepClass.READ)
        identity = await identify(self._dialogue, self._types)
        expected = self._target.program_id
        if not identity.loading and self._offset_before is None:
            self._check(identity)
        elif expected and self._types.of(expected)[0] is not identity.type:  # it may have the new program already
            raise self._incompatible(f"it is of type {identity.type.name}, the record says {expected}")
        way: AsyncGenerator[StepEvent, None]
        if identity.type.bootloader is not None:
            way = self._through_bootloader(identity, identity.type.bootloader)
        elif identity.type.file_loader is not None:
            way = self._to_file(identity, identity.type.file_loader)
        else:
            action = f"load an image: their type {identity.type.name} does not say how"
            raise DriverError(Kind.UNSUPPORTED, protocol="such devices", action=action, device=self._dialogue.uid)
        async for event in way:
            yield event

    # -- by file records ----------------------------------------------------------------------------

    async def _to_file(self, identity: Identity, loader: FileLoader) -> AsyncGenerator[StepEvent, None]:
        data = self._image.data + b"\x00" * (len(self._image.data) % 2)
        if (len(data) // 2 + loader.record) // FILE_RECORDS + loader.file > 0xFFFF:
            raise self._incompatible("the image is longer than all files of the device")
        blocks = _file_blocks(data, loader)
        yield Step("write image", StepClass.IDEMPOTENT)
        sent = self._offset_before or 0
        for block, offset in blocks:
            if offset < sent:
                continue
            yield self._standing(offset)
            await self._dialogue.ask("write image", block)
            yield Progress(min(offset + len(block.data), len(self._image.data)), len(self._image.data), BYTES)
        yield Step("read image back", StepClass.READ)
        for block, offset in blocks:
            found = await self._dialogue.ask(
                "read image back", ReadFile(block.file, block.record, len(block.data) // 2)
            )
            if found != block.data:
                at = next(n for n, (a, b) in enumerate(zip(found, block.data, strict=True)) if a != b)
                raise DriverError(
                    Kind.VERIFY_FAILED,
                    step=f"byte {offset + at} of the image",
                    device=self._dialogue.uid,
                    expected=f"{block.data[at]:02X}",
                    found=f"{found[at]:02X}",
                )
            yield Progress(min(offset + len(block.data), len(self._image.data)), len(self._image.data), BYTES)
        if loader.start is not None:
            yield Step("start", StepClass.IDEMPOTENT)
            start = WriteRegister(loader.start.register_, loader.start.value)
            await self._dialogue.tell("start", start, loader.start.seconds)
        async for event in self._look_at_it(identity, loader.seconds):
            yield event

    # -- through a bootloader -----------------------------------------------------------------------

    async def _through_bootloader(self, identity: Identity, loader: Bootloader) -> AsyncGenerator[StepEvent, None]:
        data = self._image.data + b"\x00" * (len(self._image.data) % 2)
        head = 2 * loader.info_registers
        if len(data) <= head:
            raise self._incompatible(f"the image has {len(self._image.data)} bytes, its head alone has {head}")
        if not identity.loading:
            yield Step("enter bootloader", StepClass.PROBE_FIRST)
            enter = WriteRegister(loader.enter.register_, loader.enter.value)
            await self._dialogue.tell("enter bootloader", enter, loader.enter.seconds)
            yield Step("check bootloader", StepClass.READ)
            there = await identify(self._dialogue, self._types, "check bootloader")
            if not there.loading:
                raise self._failed("enter bootloader", "its program still runs")
        yield Facts(application=False)
        sent = self._offset_before or 0 if identity.loading else 0
        blocks = range(head, len(data), 2 * loader.registers)
        if sent in blocks and sent > head:
            yield Step("go on with image", StepClass.DANGEROUS)
            if await self._takes(self._block(loader, data, sent)):
                blocks = range(sent + blocks.step, len(data), blocks.step)
                head = 0
        if head:
            yield self._standing(0)
            yield Step("write head of image", StepClass.DANGEROUS)
            try:
                request = WriteRegisters(loader.info, registers_from_bytes(data[:head]))
                await self._dialogue.ask("write head of image", request, patience=loader.erase_seconds)
            except DriverError as error:
                if error.kind is not Kind.REFUSED:
                    raise
                raise self._failed(
                    "write head of image", f"the device refuses it (code {error.fields['code']})"
                ) from error
            yield Step("write image", StepClass.DANGEROUS)
        async for event in self._write(loader, data, blocks):
            yield event
        async for event in self._look_at_it(identity, loader.seconds):
            yield event

    async def _write(self, loader: Bootloader, data: bytes, blocks: range) -> AsyncGenerator[StepEvent, None]:
        """Block by block.

        When the answer to a block is lost the device has it, and refuses it the second time: that one failed is
        no reason to give up until the next one fails too. Whether it got all is for the device to say.
        """
        one_failed = False
        for offset in blocks:
            yield self._standing(offset)
            taken = await self._takes(self._block(loader, data, offset))
            if not taken and one_failed:
                raise self._failed("write image", f"the device takes nothing from byte {offset - blocks.step} on")
            one_failed = not taken
            yield Progress(min(offset + blocks.step, len(self._image.data)), len(self._image.data), BYTES)

    async def _takes(self, block: Request[Any]) -> bool:
        try:
            await self._dialogue.ask("write image", block)
        except DriverError:
            return False
        return True

    def _block(self, loader: Bootloader, data: bytes, offset: int) -> WriteRegisters:
        return WriteRegisters(loader.data, registers_from_bytes(data[offset : offset + 2 * loader.registers]))

    # -- both ---------------------------------------------------------------------------------------

    async def _look_at_it(self, before: Identity, seconds: float) -> AsyncGenerator[StepEvent, None]:
        yield Step("check device", StepClass.READ)
        await asyncio.sleep(seconds)
        now = await identify(self._dialogue, self._types, "check device")
        if now.loading:
            raise self._failed("check device", "it stays in its bootloader: the image is not whole, or not made for it")
        if now.type is not before.type:
            raise self._failed("check device", f"it is of type {now.type.name} now, not {before.type.name}")
        note = f"{len(self._image.data)} bytes, now {now.fingerprint}"
        yield Facts(application=True, program_id=now.fingerprint, note=note)

    def _standing(self, offset: int) -> Checkpoint:
        return Checkpoint({"sha256": self._image.sha256, "offset": offset})

    def _taken_up(self, target: Target) -> int | None:
        """Up to where the same image has been written; None when it has not."""
        match target.checkpoint:
            case Checkpoint({"sha256": self._image.sha256, "offset": int(offset)}) if offset >= 0:
                return offset
        return None

    def _incompatible(self, reason: str) -> DriverError:
        return DriverError(Kind.INCOMPATIBLE, step="identify", device=self._dialogue.uid, reason=reason)

    def _failed(self, step: str, reason: str) -> DriverError:
        return DriverError(Kind.LOAD_FAILED, step=step, device=self._dialogue.uid, reason=reason)


def _file_blocks(data: bytes, loader: FileLoader) -> list[tuple[WriteFile, int]]:
    """The image in pieces that stay within one file, each with its place in the image."""
    blocks: list[tuple[WriteFile, int]] = []
    offset = 0
    while offset < len(data):
        files, record = divmod(loader.record + offset // 2, FILE_RECORDS)
        registers = min(loader.registers, FILE_RECORDS - record)
        blocks.append((WriteFile(loader.file + files, record, data[offset : offset + 2 * registers]), offset))
        offset += 2 * registers
    return blocks
