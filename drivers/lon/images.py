"""Image files: APB (binary) and NDL (Intel HEX text) read into one form, everything else opaque.

Neither format is published. Both were measured on public samples (izot/smartserver-iot, resources/lon): every byte of
five APB and five NDL files is accounted for by what is read here. Multi-byte numbers are big-endian.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from drivers.base import Image, ImageFacts
from drivers.lon.structures import PROGRAM_ID_OFFSET, PROGRAM_ID_SIZE, STATE_OFFSET, NodeState

TYPES: Final = ("apb", "ndl", "nx", "nxi")
OPAQUE_TYPES: Final = ("nx", "nxi")
"""There is no public description of these. One that is an APB or NDL inside is taken as that."""

MAX_SIZE: Final = 16 << 20
"""Bytes of a file; the largest known image has less than a megabyte."""

WRITE_SIZE: Final = 32
"""Bytes of one memory write. The default application buffer of a Neuron chip takes 66 bytes with header and address,
and this is the size of the records in all known images."""

WORD: Final = 16
"""Bytes that application memory is counted in (memory mode 7)."""

VARIABLE_SIZE: Final = 3
"""Bytes of a network variable configuration entry."""

READ_ONLY: Final = 0xF000
"""Where the read-only structure lies in the FT 5000 and 6000 families."""

COMPATIBILITY: Final = READ_ONLY + 8
"""The first address that an image fills: below are the Neuron ID, the model and the checksum of the device itself."""

PROGRAM_TABLE_SIZE: Final = 32
"""Bytes of the first memory record: from COMPATIBILITY on, with the program ID and the state."""

FLAGS_OFFSET: Final = 0x0A
"""In the read-only structure."""

FLAGS: Final = READ_ONLY + FLAGS_OFFSET
"""Written in the first record, and once more when all the rest is there."""

PROTECTED: Final = 0x80
"""In the flags: the program can be neither read nor written over."""

VARIABLES_MASK: Final = 0x3F
"""In the flags: the number of network variables."""

COMMUNICATION: Final[Mapping[int, range]] = {0x20: range(0xF036, 0xF046), 0x24: range(0xF037, 0xF047)}
"""Where the parameters of the transceiver lie, by model: FT 5000, FT 6050. A load over the network must leave them
alone: a device with those of another channel can never be reached again."""

STATE: Final = READ_ONLY + STATE_OFFSET
STATE_MASK: Final = 7
APPLICATIONLESS: Final = NodeState.APPLICATIONLESS.value
"""The only state that an image may write: a device is told its own by a message, when everything is verified."""


class ImageError(ValueError):
    """The file is damaged, or is not what its name says. The text says where and why."""


class RecordKind(IntEnum):
    """Where a record goes."""

    MEMORY = 0
    """Absolute addresses."""
    WORDS = 7
    """Application memory, counted in words."""
    VARIABLE = 0x6B
    """The configuration entry of the network variable with that index."""


@dataclass(frozen=True, slots=True)
class Record:
    """One write: at most WRITE_SIZE bytes of memory, or the entry of one network variable.

    `offset` counts in the unit of the kind. Phases are divided by separators in the file. A record written `last`
    changes what an earlier one of its phase wrote, so that the program becomes valid only when all of it is there.
    """

    kind: RecordKind
    offset: int
    data: bytes
    phase: int = 0
    last: bool = False

    @property
    def start(self) -> int:
        """The offset in bytes (of a variable: its index)."""
        return self.offset * WORD if self.kind is RecordKind.WORDS else self.offset

    @property
    def end(self) -> int:
        """Behind its last byte."""
        return self.start + (1 if self.kind is RecordKind.VARIABLE else len(self.data))


@dataclass(frozen=True, slots=True)
class ApplicationImage:
    """A program for a Neuron chip, as the writes that load it, in their order.

    `model` and `firmware` (its major number) are those of the devices it is made for; `build` are the two bytes behind.
    `flags` are those of the finished device: protected or not, and how many network variables it has.
    """

    model: int
    firmware: int
    build: bytes
    program_id: bytes
    flags: int
    records: tuple[Record, ...]

    @property
    def size(self) -> int:
        """Bytes that are written."""
        return sum(len(record.data) for record in self.records)


def facts_of(image: Image) -> ImageFacts:
    """What the image says of itself; raises ImageError."""
    kind = type_of(image.name)
    content = read(image)
    if content is None:
        return ImageFacts(kind, opaque=True)
    return ImageFacts(kind, content.program_id.hex().upper(), content.model, content.firmware)


def read(image: Image) -> ApplicationImage | None:
    """The program in an image file, None where it is opaque; raises ImageError.

    Name and content must agree: a file under the wrong name has been mixed up somewhere, and then nobody knows with
    what else.
    """
    kind = type_of(image.name)
    data = image.data
    if not data:
        raise ImageError("the file is empty")
    if len(data) > MAX_SIZE:
        raise ImageError(f"it has {len(data)} bytes, more than the {MAX_SIZE} that any image has")
    is_apb, is_ndl = data.startswith(APB_MAGIC), data[: len(NDL_BEGINNING)].upper() == NDL_BEGINNING
    if is_apb and kind != "ndl":
        return parse_apb(data)
    if is_ndl and kind != "apb":
        return parse_ndl(data)
    if kind in OPAQUE_TYPES:
        return None
    if is_apb or is_ndl:
        found = "an APB" if is_apb else "an NDL"
        raise ImageError(f"offset 0: its name ends in .{kind} but it is {found} inside: give it its right name")
    expected = APB_MAGIC if kind == "apb" else NDL_BEGINNING
    raise ImageError(f"offset 0: it does not begin with {expected.decode()}, as every {kind.upper()} does")


def type_of(name: str) -> str:
    """The kind of file by its name; raises ImageError for one that no LON device takes."""
    kind = name.rpartition(".")[2].lower() if "." in name else ""
    if kind not in TYPES:
        raise ImageError(f"LON devices take .{', .'.join(TYPES[:-1])} and .{TYPES[-1]}")
    return kind


# -- APB: a header, then binary records -------------------------------------------------------------

APB_MAGIC: Final = b"APPIMAGE"
APB_VERSION: Final = b"\x00\x01"
APB_MODELS: Final = (10, 28)
"""Offsets of the model in the header; the first one may also be FF for any."""
APB_FIRMWARE: Final = (11, 21, 29)
"""Offsets of the firmware number in the header, the same in all three."""
APB_BUILD: Final = slice(30, 32)
APB_ANY_MODEL: Final = 0xFF
APB_HEADER_LEAST: Final = 0x20
APB_HEADER_MOST: Final = 0x40
"""Known headers have 0x20 and 0x27 bytes; the first record shows where they end."""
APB_FIRST_RECORD: Final = COMPATIBILITY.to_bytes(2, "big") + bytes([PROGRAM_TABLE_SIZE, 0])
APB_RECORD_HEAD: Final = 5
"""Address, length, kind, checksum."""


class ApbKind(IntEnum):
    """Kinds of APB records."""

    MEMORY = 0x00
    VARIABLES = 0x02
    SEPARATOR = 0x05
    WORDS = 0x40
    WORDS_LAST = 0xC0


_APB_KINDS: Final = frozenset(map(int, ApbKind))


@dataclass(frozen=True, slots=True)
class _Placed:
    """A record and where in the file it stands."""

    record: Record
    where: str


def parse_apb(data: bytes) -> ApplicationImage:
    """A binary image; raises ImageError."""
    if not data.startswith(APB_MAGIC):
        raise ImageError(f"offset 0: it does not begin with {APB_MAGIC.decode()}")
    if data[len(APB_MAGIC) : len(APB_MAGIC) + len(APB_VERSION)] != APB_VERSION:
        raise ImageError(f"offset {len(APB_MAGIC)}: it is of another version than 1")
    first = data.find(APB_FIRST_RECORD, APB_HEADER_LEAST, APB_HEADER_MOST + len(APB_FIRST_RECORD))
    if first < 0:
        raise ImageError(f"offset {APB_HEADER_LEAST}: no record for address {COMPATIBILITY:04X} behind the header")
    model, firmware = data[APB_MODELS[1]], data[APB_FIRMWARE[-1]]
    if data[APB_MODELS[0]] not in (model, APB_ANY_MODEL):
        raise ImageError(f"offset {APB_MODELS[0]}: the two models in the header differ")
    for offset in APB_FIRMWARE:
        if data[offset] != firmware:
            raise ImageError(f"offset {offset}: the firmware numbers in the header differ")
    image = _assemble(model, firmware, data[APB_BUILD], _apb_records(data, first))
    variables = sum(record.kind is RecordKind.VARIABLE for record in image.records)
    if variables < (expected := image.flags & VARIABLES_MASK):
        # nothing else marks the end of such a file
        raise ImageError(f"it is cut off: it configures {variables} of its {expected} network variables")
    return image


def _apb_records(data: bytes, offset: int) -> Iterator[_Placed]:
    phase = 0
    while offset < len(data):
        where = f"offset {offset}"
        if len(data) - offset < APB_RECORD_HEAD:
            raise ImageError(f"{where}: {len(data) - offset} bytes are no record: it is cut off, or has garbage behind")
        address = int.from_bytes(data[offset : offset + 2], "big")
        length, kind, checksum = data[offset + 2 : offset + APB_RECORD_HEAD]
        content = data[offset + APB_RECORD_HEAD : offset + APB_RECORD_HEAD + length]
        if len(content) < length:
            raise ImageError(f"{where}: the record has {length} bytes, but only {len(content)} are left: it is cut off")
        found = 0
        for byte in data[offset : offset + APB_RECORD_HEAD - 1] + content:
            found ^= byte
        if found != checksum:
            raise ImageError(f"{where}: the checksum of the record is {found:02X}, it says {checksum:02X}")
        if kind not in _APB_KINDS:
            raise ImageError(f"{where}: records of kind {kind:02X} are not known")
        if kind == ApbKind.SEPARATOR:
            if address or length:
                raise ImageError(f"{where}: a separator has neither address nor data")
            phase += 1
        else:
            for record in _apb_writes(ApbKind(kind), address, content, phase, where):
                yield _Placed(record, where)
        offset += APB_RECORD_HEAD + length


def _apb_writes(kind: ApbKind, address: int, content: bytes, phase: int, where: str) -> Iterator[Record]:
    if not content:
        raise ImageError(f"{where}: the record holds nothing")
    if kind == ApbKind.VARIABLES:
        if len(content) % VARIABLE_SIZE:
            raise ImageError(f"{where}: {len(content)} bytes are no whole entries of network variables")
        for index in range(len(content) // VARIABLE_SIZE):
            entry = content[index * VARIABLE_SIZE : (index + 1) * VARIABLE_SIZE]
            yield Record(RecordKind.VARIABLE, address + index, entry, phase)
        return
    into = RecordKind.MEMORY if kind == ApbKind.MEMORY else RecordKind.WORDS
    yield from _in_writes(Record(into, address, content, phase, last=kind == ApbKind.WORDS_LAST))


# -- NDL: Intel HEX text --------------------------------------------------------------------------------

NDL_BEGINNING: Final = f":04{COMPATIBILITY:04X}00".encode()
"""The first line: four bytes that are no memory but say what the image is made for."""
NDL_COMPATIBILITY_SIZE: Final = 4
"""Model, firmware, and two bytes of its build."""
NDL_EXTENDED_SIZE: Final = 2
NDL_LINE_LEAST: Final = 5
"""Bytes of a line without data: length, address, type, checksum."""
NDL_MEMORY: Final = 0x10000
"""Extended addresses from here on are application memory."""
NDL_WORDS_END: Final = 0x10000 * WORD


class NdlType(IntEnum):
    """Types of NDL lines."""

    DATA = 0x00
    END_OF_SECTION = 0x01
    EXTENDED_ADDRESS = 0x04
    DATA_LAST = 0xFF


_NDL_TYPES: Final = frozenset(map(int, NdlType))


class NdlSection(IntEnum):
    """The sections of a file, in their order."""

    APPLICATION = 0
    COMMUNICATION = 1
    FINAL_STATE = 2


def parse_ndl(data: bytes) -> ApplicationImage:
    """A text image; raises ImageError.

    Its communication parameters are for a programmer with the device in its socket and are left out, as APB does. Its
    final state is left out too: a device is told its state by a message, when everything is verified.
    """
    sections = _ndl_sections(data)
    first, application = sections[NdlSection.APPLICATION][:1], sections[NdlSection.APPLICATION][1:]
    if not first or first[0].address != COMPATIBILITY or len(first[0].content) != NDL_COMPATIBILITY_SIZE:
        raise ImageError(f"line 1: it does not begin with {NDL_BEGINNING.decode()}")
    communication = [
        range(line.address, line.address + len(line.content)) for line in sections[NdlSection.COMMUNICATION]
    ]
    if not communication:
        raise ImageError("it has no communication parameters, so nobody knows where not to write")
    final = [line for line in sections[NdlSection.FINAL_STATE] if (line.address, len(line.content)) != (STATE, 1)]
    written = [
        part for one in _ndl_writes([*application, _NDL_SEPARATOR, *final]) for part in _without(one, communication)
    ]
    model, firmware = first[0].content[:2]
    return _assemble(model, firmware, first[0].content[2:], written)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of an NDL; of data lines the whole address."""

    where: str
    kind: NdlType
    address: int
    content: bytes


_NDL_SEPARATOR: Final = _Line("", NdlType.DATA, 0, b"")


def _ndl_sections(data: bytes) -> list[list[_Line]]:
    """The lines of each section, without those that only say where it ends or where the following ones belong."""
    sections: list[list[_Line]] = [[]]
    base = 0
    for line in _ndl_lines(data):
        if len(sections) > len(NdlSection):
            raise ImageError(f"{line.where}: there is something behind the end of the last section")
        if line.kind is NdlType.END_OF_SECTION:
            if line.address or line.content:
                raise ImageError(f"{line.where}: the end of a section has neither address nor data")
            sections.append([])
            base = 0
        elif line.kind is NdlType.EXTENDED_ADDRESS:
            if len(line.content) != NDL_EXTENDED_SIZE:
                raise ImageError(f"{line.where}: an extended address has 2 bytes, not {len(line.content)}")
            base = int.from_bytes(line.content, "big") * NDL_MEMORY
        else:
            sections[-1].append(replace(line, address=line.address + base) if line.content else line)
    if len(sections) <= len(NdlSection):
        raise ImageError(f"it is cut off: it ends in section {len(sections)} of {len(NdlSection)}")
    return sections


def _ndl_writes(lines: Iterable[_Line]) -> Iterator[_Placed]:
    phase = 0
    for line in lines:
        if line.content:
            record = _ndl_record(line, phase)
            yield from (_Placed(part, line.where) for part in _in_writes(record))
        elif line.address or line.kind is not NdlType.DATA:
            raise ImageError(f"{line.where}: the record holds nothing")
        else:
            phase += 1


def _ndl_lines(data: bytes) -> Iterator[_Line]:
    """Every line, its checksum verified."""
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        where = f"line {number}"
        text = line.removesuffix(b"\r")
        if not text.startswith(b":"):
            raise ImageError(f"{where}: it does not begin with a colon")
        try:
            content = bytes.fromhex(text[1:].decode("ascii"))
        except ValueError:
            raise ImageError(f"{where}: it is not written in pairs of hexadecimal digits") from None
        if (
            len(content) < NDL_LINE_LEAST
            or len(content) != NDL_LINE_LEAST + content[0]
            or len(text) != 1 + 2 * len(content)
        ):
            raise ImageError(f"{where}: it is longer or shorter than it says")
        if sum(content) & 0xFF:
            raise ImageError(f"{where}: the checksum is wrong")
        kind = content[3]
        if kind not in _NDL_TYPES:
            raise ImageError(f"{where}: lines of type {kind:02X} are not known")
        yield _Line(where, NdlType(kind), int.from_bytes(content[1:3], "big"), content[4:-1])


def _ndl_record(line: _Line, phase: int) -> Record:
    """The last word of application memory may be cut short; it is filled with zeros, as in an APB."""
    last = line.kind is NdlType.DATA_LAST
    if line.address < NDL_MEMORY:
        return Record(RecordKind.MEMORY, line.address, line.content, phase, last)
    words, rest = divmod(line.address - NDL_MEMORY, WORD)
    if rest:
        raise ImageError(
            f"{line.where}: application memory is addressed in words of {WORD} bytes, {line.address:X} is between"
        )
    return Record(RecordKind.WORDS, words, line.content + bytes(-len(line.content) % WORD), phase, last)


def _without(placed: _Placed, holes: Iterable[range]) -> Iterator[_Placed]:
    """What of a memory record lies outside of the holes."""
    pieces = [placed.record]
    for hole in holes if placed.record.kind is RecordKind.MEMORY else ():
        pieces = [rest for piece in pieces for rest in _cut(piece, hole)]
    return (_Placed(piece, placed.where) for piece in pieces)


def _cut(record: Record, hole: range) -> Iterator[Record]:
    if record.end <= hole.start or hole.stop <= record.start:
        yield record
        return
    if record.start < hole.start:
        yield replace(record, data=record.data[: hole.start - record.start])
    if hole.stop < record.end:
        yield replace(record, offset=hole.stop, data=record.data[hole.stop - record.start :])


# -- both ---------------------------------------------------------------------------------------------------


def _in_writes(record: Record) -> Iterator[Record]:
    """A memory record in pieces of WRITE_SIZE."""
    unit = WORD if record.kind is RecordKind.WORDS else 1
    for at in range(0, len(record.data), WRITE_SIZE):
        yield replace(record, offset=record.offset + at // unit, data=record.data[at : at + WRITE_SIZE])


def _assemble(model: int, firmware: int, build: bytes, placed: Iterable[_Placed]) -> ApplicationImage:
    """The image, when its records make sense together."""
    placed = list(placed)
    if not placed:
        raise ImageError("it holds no records")
    table = placed[0].record
    if table.kind is not RecordKind.MEMORY or table.offset != COMPATIBILITY or len(table.data) != PROGRAM_TABLE_SIZE:
        raise ImageError(
            f"{placed[0].where}: the first record is not the {PROGRAM_TABLE_SIZE} bytes at {COMPATIBILITY:04X}"
        )
    for one in placed:
        _check_place(one, COMMUNICATION.get(model, range(0)))
    _check_overlaps(placed)
    flags = [one.record.data[0] for one in placed if one.record.phase and _is_flags(one.record)]
    if not flags:
        raise ImageError(f"it is cut off: it does not write its final flags at {FLAGS:04X}")
    at = READ_ONLY + PROGRAM_ID_OFFSET - COMPATIBILITY
    program_id = table.data[at : at + PROGRAM_ID_SIZE]
    records = tuple(one.record for one in placed)
    return ApplicationImage(model, firmware, build, program_id, flags[-1], records)


def _is_flags(record: Record) -> bool:
    return record.kind is RecordKind.MEMORY and record.offset == FLAGS and len(record.data) == 1


def _check_place(placed: _Placed, communication: range) -> None:
    record = placed.record
    if record.kind is not RecordKind.MEMORY:
        if record.end > NDL_WORDS_END:
            raise ImageError(f"{placed.where}: {record.offset:X} is beyond the end of application memory")
        return
    if record.end > NDL_MEMORY:
        raise ImageError(f"{placed.where}: {len(record.data)} bytes at {record.offset:04X} run past the end of memory")
    if record.start < COMPATIBILITY and record.end > READ_ONLY:
        raise ImageError(f"{placed.where}: it writes over the Neuron ID at {READ_ONLY:04X}")
    if record.start <= STATE < record.end and record.data[STATE - record.start] & STATE_MASK != APPLICATIONLESS:
        # it would start the program before all of it is there, and power lost during the load would run half of it
        raise ImageError(f"{placed.where}: the state it writes at {STATE:04X} is not applicationless")
    if record.start < communication.stop and record.end > communication.start:
        raise ImageError(
            f"{placed.where}: it writes the communication parameters at {communication.start:04X}, after which the "
            "device could not be reached any more"
        )


def _check_overlaps(placed: Iterable[_Placed]) -> None:
    """Within a phase, a later record may change part of an earlier one; anything else that overlaps is a mistake."""
    alike: defaultdict[tuple[int, RecordKind], list[tuple[int, _Placed]]] = defaultdict(list)
    for order, one in enumerate(placed):
        alike[one.record.phase, one.record.kind].append((order, one))
    for group in alike.values():
        around: list[tuple[int, _Placed]] = []
        for order, one in sorted(group, key=lambda each: (each[1].record.start, -each[1].record.end, each[0])):
            while around and around[-1][1].record.end <= one.record.start:
                around.pop()
            if around and (around[-1][1].record.end < one.record.end or around[-1][0] > order):
                raise ImageError(f"{one.where}: it overlaps what {around[-1][1].where} writes")
            around.append((order, one))
