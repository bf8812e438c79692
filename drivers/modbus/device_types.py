"""Device types: what kinds of devices there are, and what can be done to them, as data.

Modbus says how registers are read, never what they mean. A type says it, in TOML: how the device is recognised, its
datapoints, and where its vendor keeps what the protocol has no word for.
"""

from __future__ import annotations

import math
import re
import struct
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.errors import FieldhandError, Kind
from drivers.modbus.frames import (
    LAST_UNIT,
    MOST_FILE_REGISTERS,
    MOST_REGISTERS_WRITTEN,
    Function,
    registers_to_bytes,
)

GENERIC: Final = "generic"
"""The type of everything that answers and is not recognised."""

UNIDENTIFIED: Final = "unidentified"
"""The fingerprint of a device that does not tell what it is."""

Word = Annotated[int, Field(ge=0, le=0xFFFF)]
Name = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f](?:[^\x00-\x1f]{0,38}[^\s\x00-\x1f])?$")]
Sentence = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,200}$")]
Seconds = Annotated[float, Field(ge=0, le=120)]


class Table(StrEnum):
    """The four tables of a device."""

    COIL = "coil"
    DISCRETE_INPUT = "discrete input"
    HOLDING = "holding register"
    INPUT = "input register"

    @property
    def of_bits(self) -> bool:
        """Whether it holds bits, not registers."""
        return self in (Table.COIL, Table.DISCRETE_INPUT)

    @property
    def read_by(self) -> Function:
        """The function that reads it."""
        return _READ_BY[self]


_READ_BY: Final = {
    Table.COIL: Function.READ_COILS,
    Table.DISCRETE_INPUT: Function.READ_DISCRETE_INPUTS,
    Table.HOLDING: Function.READ_HOLDING_REGISTERS,
    Table.INPUT: Function.READ_INPUT_REGISTERS,
}


class Format(StrEnum):
    """How a value is laid in registers."""

    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    F32 = "f32"

    @property
    def registers(self) -> int:
        """How many registers it takes."""
        return 1 if self in (Format.U16, Format.S16) else 2


_LAYOUTS: Final = {Format.U16: ">H", Format.S16: ">h", Format.U32: ">I", Format.S32: ">i", Format.F32: ">f"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Match(_Part):
    """One way to recognise the device: by identification objects, by the beginning of its server id, or by a value."""

    vendor: Name | None = None
    product: Name | None = None
    revision: Name | None = None
    server_id: Annotated[str, Field(pattern="^([0-9A-Fa-f]{2} ?)+$")] | None = None
    server_text: Annotated[str, Field(pattern="^[!-~]{1,40}$")] | None = None
    """The first word of text behind the server id and its run indicator."""
    table: Literal[Table.HOLDING, Table.INPUT] | None = None
    address: Word | None = None
    value: Word | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        said = frozenset(self.model_fields_set)
        if said not in _WAYS:
            raise ValueError(
                "it takes vendor and product (and revision), server_id (and server_text), or table, address and value"
            )
        return self

    @property
    def is_marker(self) -> bool:
        """Whether a register has to be read for it."""
        return self.table is not None

    def covers(self, fingerprint: str) -> bool:
        """Whether a device that told this of itself is recognised by it."""
        if self.server_id is not None:
            begins = fingerprint.startswith(server_fingerprint(bytes.fromhex(self.server_id), ""))
            return begins and (self.server_text is None or fingerprint.endswith(f" {self.server_text}"))
        whole = identification_fingerprint(self.vendor or "", self.product or "", self.revision or "")
        return self.vendor is not None and (
            fingerprint == whole or (self.revision is None and fingerprint.startswith(whole))
        )


_WAYS: Final = (
    frozenset({"vendor", "product"}),
    frozenset({"vendor", "product", "revision"}),
    frozenset({"server_id"}),
    frozenset({"server_id", "server_text"}),
    frozenset({"table", "address", "value"}),
)


class Datapoint(_Part):
    """A value that can be read."""

    name: Name
    table: Table
    address: Word
    format: Format = Field(default=Format.U16, alias="type")
    word_order: Literal["big", "little"] = "big"
    """Of 32-bit values: which half is in the first register. Bytes within one are always high first."""
    scale: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    unit: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,12}$")] = ""

    @model_validator(mode="after")
    def _bits_are_bits(self) -> Self:
        if self.table.of_bits and self.model_fields_set & {"format", "word_order", "scale", "unit"}:
            raise ValueError(f"a {self.table} is on or off: it has no type, word_order, scale or unit")
        if self.address + self.quantity > 0x10000:
            raise ValueError("it reaches beyond address 65535")
        return self

    @property
    def quantity(self) -> int:
        """How many bits or registers it takes."""
        return 1 if self.table.of_bits else self.format.registers

    def in_words(self, values: Sequence[int]) -> str:
        """The value for people, from as many bits or registers as it takes."""
        if self.table.of_bits:
            return "on" if values[0] else "off"
        words = tuple(values) if self.word_order == "big" else tuple(reversed(values))
        (number,) = struct.unpack(_LAYOUTS[self.format], registers_to_bytes(words))
        scaled = number * self.scale
        digits = SINGLE_DIGITS if self.format is Format.F32 else DOUBLE_DIGITS
        text = f"{scaled:.{digits}g}" if math.isfinite(scaled) else "not a number"
        return f"{text} {self.unit}".rstrip()


SINGLE_DIGITS: Final = 7
DOUBLE_DIGITS: Final = 12
"""What of a number is its own, and not the doing of binary fractions."""


class Value(_Part):
    """A value of a holding register."""

    register_: Word = Field(alias="register")
    value: Word


class Write(Value):
    """A value that makes the device do something, the seconds that takes, and what has to be written before it."""

    seconds: Seconds = 0.0
    unlock: Value | None = None


class UnitRegister(_Part):
    """Where the device keeps its unit number. `factory` is the number it comes with.

    `takes_effect` says from when on the device answers at its new number, and `seconds` how long that takes.
    """

    register_: Word = Field(alias="register")
    factory: Annotated[int, Field(ge=1, le=LAST_UNIT)]
    unlock: Value | None = None
    takes_effect: Literal["at once", "when saved", "when restarted"] = "at once"
    seconds: Seconds = 0.5

    def write(self, unit: int) -> Write:
        """What gives it this number."""
        return Write(register=self.register_, value=unit, seconds=self.seconds, unlock=self.unlock)


class Wink(_Part):
    """What makes it show itself: a coil that is switched, or a register that gets `value`, so many times.

    `back`: it gets its old value each time, after so many seconds.
    """

    table: Literal[Table.COIL, Table.HOLDING]
    address: Word
    value: Word = 1
    times: Annotated[int, Field(ge=1, le=50)] = 3
    seconds: Annotated[float, Field(gt=0, le=5)] = 0.5
    back: bool = True


class Block(_Part):
    """Coils or holding registers in a row."""

    table: Literal[Table.COIL, Table.HOLDING] = Table.HOLDING
    address: Word
    quantity: Annotated[int, Field(ge=1, le=MOST_REGISTERS_WRITTEN)] = 1

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.address + self.quantity > 0x10000:
            raise ValueError("it reaches beyond address 65535")
        return self


class Serial(_Part):
    """Where its serial number is."""

    table: Literal[Table.HOLDING, Table.INPUT] = Table.HOLDING
    address: Word
    registers: Annotated[int, Field(ge=1, le=16)] = 2


class FileLoader(_Part):
    """An image is written to files, `registers` at once, and read back; a record is one register.

    Where the device wants to know them, its length in bytes and its CRC-32 go to two registers each, high word first,
    before `begin`. `verify` makes it look at what it has got, after which `verified` holds; `start` makes it use it.
    """

    file: Annotated[int, Field(ge=1, le=0xFFFF)] = 1
    record: Annotated[int, Field(ge=0, le=9999)] = 0
    registers: Annotated[int, Field(ge=1, le=MOST_FILE_REGISTERS)] = 100
    length: Word | None = None
    crc32: Word | None = None
    begin: Write | None = None
    verify: Write | None = None
    verified: Value | None = None
    start: Write | None = None


class Bootloader(_Part):
    """An image is written to holding registers: its head to `info`, then the rest block by block to `data`.

    `enter` makes the device start its bootloader, which answers at the same unit with the same line settings and is
    recognised by `match`. `erase_seconds` is how long it may take to answer the head. `received` tells how many blocks
    it has got. When it has all of them it starts the new program by itself, which takes `seconds`.
    """

    enter: Write
    match: Match
    info: Word
    info_registers: Annotated[int, Field(ge=1, le=MOST_REGISTERS_WRITTEN)] = 16
    data: Word
    registers: Annotated[int, Field(ge=1, le=MOST_REGISTERS_WRITTEN)] = 68
    received: Word | None = None
    erase_seconds: Seconds = 5.0
    seconds: Seconds = 2.0


class DeviceType(_Part):
    """One kind of device."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]
    description: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,200}$")] = ""
    match: tuple[Match, ...] = ()
    datapoint: tuple[Datapoint, ...] = ()
    """The first one proves, when the device is provisioned, that it works."""
    serial: Serial | None = None
    unit: UnitRegister | None = None
    wink: Wink | None = None
    configuration: tuple[Block, ...] = ()
    """What may be saved and written back."""
    save: Write | None = None
    """What makes it keep its unit number and configuration, where it does not by itself."""
    factory_reset: Write | None = None
    restart: Write | None = None
    by_hand: tuple[Sentence, ...] = ()
    """What a person does to a new unit before it lets itself be given a number, one thing after the other."""
    file_loader: FileLoader | None = None
    bootloader: Bootloader | None = None

    @field_validator("datapoint")
    @classmethod
    def _names_differ(cls, points: tuple[Datapoint, ...]) -> tuple[Datapoint, ...]:
        names = [point.name for point in points]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"there are two called {name!r}")
        return points

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if not self.match and self.name != GENERIC:
            raise ValueError(f"match is missing: only the type {GENERIC!r} takes every device")
        if self.file_loader is not None and self.bootloader is not None:
            raise ValueError("it takes file_loader or bootloader, not both")
        if self.unit is not None:
            effect = self.unit.takes_effect
            if (effect == "when saved" and self.save is None) or (effect == "when restarted" and self.restart is None):
                raise ValueError(f"its unit takes effect {effect}, but it does not say how that is done")
            for block in self.configuration:
                if block.table is Table.HOLDING and 0 <= self.unit.register_ - block.address < block.quantity:
                    raise ValueError("configuration contains the unit register, which is not for restoring")
        return self

    @property
    def markers(self) -> Iterator[Match]:
        """The rules for which a register has to be read."""
        return (rule for rule in self.match if rule.is_marker)

    def covers(self, fingerprint: str) -> bool:
        """Whether a device with this fingerprint is of this type."""
        return fingerprint == self.fingerprint or any(rule.covers(fingerprint) for rule in self.match)

    def loading(self, fingerprint: str) -> bool:
        """Whether a device with this fingerprint is of this type, and in its bootloader."""
        if self.bootloader is None:
            return False
        return fingerprint == self.loading_fingerprint or self.bootloader.match.covers(fingerprint)

    @property
    def fingerprint(self) -> str:
        """Of a device that is recognised by a register."""
        return f"type {self.name}"

    @property
    def loading_fingerprint(self) -> str:
        """Of a bootloader that is recognised by a register."""
        return f"bootloader {self.name}"

    def point(self, name: str) -> Datapoint | None:
        """The datapoint of that name."""
        return next((point for point in self.datapoint if point.name == name), None)


def identification_fingerprint(vendor: str, product: str, revision: str) -> str:
    """What a device tells of itself by identification objects, in one line."""
    return f"{vendor}/{product}/{revision}"


def server_fingerprint(server_id: bytes, word: str) -> str:
    """What it tells of itself by its server id, and the first word of the text behind it."""
    return f"id {server_id.hex().upper()} {word}".rstrip()


def parse(text: str) -> DeviceType:
    """The device type that a text describes; raises INVALID with the place and the reason."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # beside its own errors: a number of thousands of digits
        raise _invalid("", str(error) or "it is nested too deeply") from error
    name = str(document.get("name", ""))
    try:
        return DeviceType.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = " ".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"])
        reason = re.sub("^Value error, ", "", first["msg"])
        raise _invalid(name, f"{place}: {reason}" if place else reason) from None


def _invalid(name: str, reason: str) -> FieldhandError:
    return FieldhandError(Kind.INVALID, what="device type", value=name, reason=reason)


@cache
def shipped() -> Mapping[str, str]:
    """The types that come with the driver, by name, as texts."""
    folder = files("drivers.modbus") / "types"
    texts = sorted(entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {parse(text).name: text for text in texts}


class Types:
    """The types of a site: its own first, then those that come with the driver, generic last."""

    def __init__(self, added: Mapping[str, str]) -> None:
        own = [parse(text) for text in added.values()]
        names = {each.name for each in own}
        every = [*own, *(parse(text) for name, text in shipped().items() if name not in names)]
        self.generic = next(each for each in every if each.name == GENERIC)
        self.known = tuple(each for each in every if each is not self.generic)

    def of(self, fingerprint: str) -> tuple[DeviceType, bool]:
        """The type of a device with this fingerprint, and whether it is in its bootloader."""
        for each in self.known:
            if each.loading(fingerprint):
                return each, True
        return next((each for each in self.known if each.covers(fingerprint)), self.generic), False
