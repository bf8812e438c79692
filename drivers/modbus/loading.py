"""Loading an image, by file records or through a bootloader in holding registers, as the device's type says.

An image is opaque here: the device knows what to do with it. Files: "MODBUS Application Protocol Specification V1.1b3"
§6.14, §6.15.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final
from zlib import crc32

from core.errors import FieldhandError, Kind
from drivers.base import Checkpoint, DriverError, Facts, Image, ImageFacts, Progress, Step, StepClass, StepEvent, Target
from drivers.modbus.device_types import Bootloader, FileLoader, Table
from drivers.modbus.dialogue import Dialogue, Identity, check_program, identify
from drivers.modbus.frames import ReadFile, Request, WriteFile, WriteRegisters, registers_from_bytes

IMAGE_TYPE: Final = "bin"

IMAGE_MOST: Final = 16 * 1024 * 1024
"""Bytes; more than any device with 65536 registers holds, and days on a line."""

FILE_RECORDS: Final = 10_000
"""Registers of one file; what follows is in the next."""


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
    """One load of one device. `force`: also of one that is not what the record says."""

    def __init__(self, dialogue: Dialogue, target: Target, image: Image, *, force: bool) -> None:
        self._dialogue = dialogue
        self._target = target
        self._image = image
        self._force = force
        self._offset_before = self._taken_up(target)

    async def run(self) -> AsyncGenerator[StepEvent, None]:
        """Raises UNSUPPORTED and INCOMPATIBLE before anything is written, LOAD_FAILED, and what every exchange does."""
        yield Step("identify", StepClass.READ)
        identity = await identify(self._dialogue)
        expected = self._target.program_id
        if not identity.loading and self._offset_before is None:
            check_program(self._dialogue, identity, None if self._force else expected)
        elif (
            expected and self._dialogue.types.of(expected)[0] is not identity.type
        ):  # it may have the new program already
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
        data = _even(self._image.data)
        if (len(data) // 2 + loader.record) // FILE_RECORDS + loader.file > 0xFFFF:
            raise self._incompatible("the image is longer than all files of the device")
        blocks = _file_blocks(data, loader)
        left = [block for block in blocks if block[1] >= (self._offset_before or 0)]
        if self._offset_before is not None and left:
            yield Step("go on with image", StepClass.IDEMPOTENT)
            left = left if await self._takes(left[0][0]) else blocks
        if left == blocks:
            async for event in self._begin(loader):
                yield event
        yield Step("write image", StepClass.IDEMPOTENT)
        for block, offset in left:
            yield self._standing(offset)
            await self._dialogue.ask("write image", block)
            yield self._progress(offset + len(block.data))
        yield Step("read image back", StepClass.READ)
        for block, offset in blocks:
            found = await self._dialogue.ask(
                "read image back", ReadFile(block.file, block.record, len(block.data) // 2)
            )
            if found != block.data:
                at = next(n for n, (a, b) in enumerate(zip(found, block.data, strict=True)) if a != b)
                raise self._differs(f"byte {offset + at} of the image", block.data[at], found[at])
            yield self._progress(offset + len(block.data))
        async for event in self._conclude(loader):
            yield event
        async for event in self._look_at_it(identity):
            yield event

    async def _begin(self, loader: FileLoader) -> AsyncGenerator[StepEvent, None]:
        for what, register, number in (
            ("length", loader.length, len(self._image.data)),
            ("checksum", loader.crc32, crc32(self._image.data)),
        ):
            if register is not None:
                yield Step(f"write {what}", StepClass.IDEMPOTENT)
                words = registers_from_bytes(number.to_bytes(4, "big"))
                await self._dialogue.ask(f"write {what}", WriteRegisters(register, words))
        if loader.begin is not None:
            yield Step("begin", StepClass.IDEMPOTENT)
            await self._dialogue.write("begin", loader.begin)

    async def _conclude(self, loader: FileLoader) -> AsyncGenerator[StepEvent, None]:
        if loader.verify is not None:
            yield Step("verify", StepClass.IDEMPOTENT)
            await self._dialogue.write("verify", loader.verify)
        if loader.verified is not None:
            yield Step("check verdict", StepClass.READ)
            where, expected = loader.verified.register_, loader.verified.value
            (verdict,) = await self._dialogue.read("check verdict", Table.HOLDING, where, 1)
            if verdict != expected:
                raise self._failed("verify", f"the device finds the image wrong (its verdict is {verdict})")
        if loader.start is not None:
            yield Step("start", StepClass.PROBE_FIRST)
            await self._dialogue.tell("start", loader.start)

    # -- through a bootloader -----------------------------------------------------------------------

    async def _through_bootloader(self, identity: Identity, loader: Bootloader) -> AsyncGenerator[StepEvent, None]:
        data = _even(self._image.data)
        head = 2 * loader.info_registers
        if len(data) <= head:
            raise self._incompatible(f"the image has {len(self._image.data)} bytes, its head alone has {head}")
        if not identity.loading:
            yield Step("enter bootloader", StepClass.PROBE_FIRST)
            await self._dialogue.tell("enter bootloader", loader.enter)
            yield Step("check bootloader", StepClass.READ)
            there = await identify(self._dialogue, "check bootloader")
            if not there.loading:
                raise self._failed("enter bootloader", "its program still runs")
        yield Facts(application=False)
        blocks = range(head, len(data), 2 * loader.registers)
        left = blocks
        if identity.loading and self._offset_before is not None and self._offset_before in blocks:
            yield Step("go on with image", StepClass.DANGEROUS)
            left = await self._left(loader, data, blocks, self._offset_before)
        if left == blocks:
            yield self._standing(0)
            yield Step("write head of image", StepClass.DANGEROUS)
            try:
                request = WriteRegisters(loader.info, registers_from_bytes(data[:head]))
                await self._dialogue.ask("write head of image", request, patience=loader.erase_seconds)
            except DriverError as error:
                if error.kind is not Kind.REFUSED:
                    raise
                reason = f"the device refuses it (code {error.fields['code']})"
                raise self._failed("write head of image", reason) from error
            yield Step("write image", StepClass.DANGEROUS)
        async for event in self._write(loader, data, left):
            yield event
        yield Step("wait for program", StepClass.READ)
        await asyncio.sleep(loader.seconds)
        async for event in self._look_at_it(identity):
            yield event

    async def _left(self, loader: Bootloader, data: bytes, blocks: range, sent: int) -> range:
        """The blocks that are still to be sent: all of them, where the bootloader has begun anew.

        It says how many it has got, or else whether it takes the one that was about to be sent.
        """
        number = blocks.index(sent)
        if loader.received is not None:
            (received,) = await self._dialogue.read("go on with image", Table.HOLDING, loader.received, 1)
            return blocks[received:] if received in (number, number + 1) else blocks
        return blocks[number + 1 :] if await self._takes(_block(loader, data, sent)) else blocks

    async def _write(self, loader: Bootloader, data: bytes, blocks: range) -> AsyncGenerator[StepEvent, None]:
        """Block by block.

        When the answer to a block is lost the device has it, and refuses it the second time: that one failed is
        no reason to give up until the next one fails too. Whether it got all is for the device to say.
        """
        one_failed = False
        for offset in blocks:
            yield self._standing(offset)
            taken = await self._takes(_block(loader, data, offset))
            if not taken and one_failed:
                raise self._failed("write image", f"the device takes nothing from byte {offset - blocks.step} on")
            one_failed = not taken
            yield self._progress(offset + blocks.step)

    # -- both ---------------------------------------------------------------------------------------

    async def _takes(self, block: Request[Any]) -> bool:
        try:
            await self._dialogue.ask("write image", block)
        except DriverError:
            return False
        return True

    async def _look_at_it(self, before: Identity) -> AsyncGenerator[StepEvent, None]:
        yield Step("check device", StepClass.READ)
        now = await identify(self._dialogue, "check device")
        if now.loading:
            raise self._failed("check device", "it stays in its bootloader: the image is not whole, or not made for it")
        if now.type is not before.type:
            raise self._failed("check device", f"it is of type {now.type.name} now, not {before.type.name}")
        note = f"{len(self._image.data)} bytes, now {now.fingerprint}"
        yield Facts(application=True, program_id=now.fingerprint, note=note)

    def _progress(self, offset: int) -> Progress:
        return Progress(min(offset, len(self._image.data)), len(self._image.data), "bytes")

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

    def _differs(self, step: str, expected: int, found: int) -> DriverError:
        uid = self._dialogue.uid
        return DriverError(Kind.VERIFY_FAILED, step=step, device=uid, expected=f"{expected:02X}", found=f"{found:02X}")

    def _failed(self, step: str, reason: str) -> DriverError:
        return DriverError(Kind.LOAD_FAILED, step=step, device=self._dialogue.uid, reason=reason)


def _even(data: bytes) -> bytes:
    return data + b"\x00" * (len(data) % 2)


def _block(loader: Bootloader, data: bytes, offset: int) -> WriteRegisters:
    return WriteRegisters(loader.data, registers_from_bytes(data[offset : offset + 2 * loader.registers]))


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
