"""What is said on a Modbus serial line: requests, their responses, and the frame round both.

Layouts: "MODBUS Application Protocol Specification V1.1b3" §6 (functions) and §7 (exceptions); frame and CRC:
"MODBUS over Serial Line Specification and Implementation Guide V1.02" §2.5.1 and appendix B.
A request or response is the PDU: function code and data. A frame is the unit, the PDU and a CRC.
"""

from __future__ import annotations

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, ClassVar, Final, Generic, Protocol, Self, TypeVar

FIRST_UNIT: Final = 1
LAST_UNIT: Final = 247
"""0 is for everybody, and 248 to 255 are reserved."""

FRAME_MOST: Final = 256
"""Bytes of the longest frame."""

MOST_REGISTERS: Final = 125
"""Read at once."""
MOST_REGISTERS_WRITTEN: Final = 123
MOST_BITS: Final = 2000
"""Read at once."""
MOST_BITS_WRITTEN: Final = 1968
MOST_FILE_REGISTERS: Final = 122
"""Written to a file at once: what fits beside the header of one group."""

_EXCEPTION_BIT: Final = 0x80
_IDENTIFICATION: Final = 0x0E
"""Interface type of Read Device Identification."""
_FILE_REFERENCE: Final = 6
_ON: Final = 0xFF00
"""The value that switches a coil on."""
_CRC_SIZE: Final = 2
_SHORTEST: Final = 1 + 1 + _CRC_SIZE


class FrameError(ValueError):
    """The bytes are not a frame, or not the message they should be."""


class Function(IntEnum):
    """Function codes."""

    READ_COILS = 0x01
    READ_DISCRETE_INPUTS = 0x02
    READ_HOLDING_REGISTERS = 0x03
    READ_INPUT_REGISTERS = 0x04
    WRITE_COIL = 0x05
    WRITE_REGISTER = 0x06
    DIAGNOSTICS = 0x08
    WRITE_COILS = 0x0F
    WRITE_REGISTERS = 0x10
    REPORT_SERVER_ID = 0x11
    READ_FILE = 0x14
    WRITE_FILE = 0x15
    ENCAPSULATED = 0x2B


class Code(IntEnum):
    """Exception codes that have a meaning here; a device may send others."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    BUSY = 6
    MEMORY_PARITY = 8


def crc(data: bytes) -> bytes:
    """CRC-16 with polynomial 0xA001 (reflected), first value 0xFFFF, low byte first."""
    value = 0xFFFF
    for byte in data:
        value = (value >> 8) ^ _TABLE[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xA001 if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(_remainder(byte) for byte in range(256))


@dataclass(frozen=True, slots=True)
class Frame:
    """A PDU to or from a unit."""

    unit: int
    pdu: bytes

    def to_bytes(self) -> bytes:
        """With its CRC."""
        body = bytes([self.unit]) + self.pdu
        return body + crc(body)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises FrameError unless it is one whole frame with the right CRC."""
        if not _SHORTEST <= len(data) <= FRAME_MOST:
            raise FrameError(f"a frame has {_SHORTEST} to {FRAME_MOST} bytes, not {len(data)}")
        if crc(data[:-_CRC_SIZE]) != data[-_CRC_SIZE:]:
            raise FrameError("the CRC is wrong")
        return cls(data[0], data[1:-_CRC_SIZE])


def response_length(data: bytes) -> int | None:
    """How many bytes the response frame has that begins with these; None when they do not tell yet.

    Raises FrameError for a function whose responses are not known here.
    """
    if len(data) < 2:
        return None
    function = data[1]
    if function & _EXCEPTION_BIT:
        return 1 + 2 + _CRC_SIZE
    if function in _FIXED:
        return 1 + _FIXED[function] + _CRC_SIZE
    if function in _COUNTED:
        return None if len(data) < 3 else 1 + 2 + data[2] + _CRC_SIZE
    if function == Function.ENCAPSULATED:
        return _identification_length(data)
    raise FrameError(f"nothing is known of responses to function {function}")


_FIXED: Final[Mapping[int, int]] = {
    Function.WRITE_COIL: 5,
    Function.WRITE_REGISTER: 5,
    Function.DIAGNOSTICS: 5,
    Function.WRITE_COILS: 5,
    Function.WRITE_REGISTERS: 5,
}
_COUNTED: Final = frozenset(
    {
        Function.READ_COILS,
        Function.READ_DISCRETE_INPUTS,
        Function.READ_HOLDING_REGISTERS,
        Function.READ_INPUT_REGISTERS,
        Function.REPORT_SERVER_ID,
        Function.READ_FILE,
        Function.WRITE_FILE,
    }
)


def _identification_length(data: bytes) -> int | None:
    if len(data) >= 3 and data[2] != _IDENTIFICATION:
        raise FrameError(f"nothing is known of interface type {data[2]}")
    if len(data) < 8:
        return None
    position = 8
    for _ in range(data[7]):
        if len(data) < position + 2:
            return None
        position += 2 + data[position + 1]
    return position + _CRC_SIZE


# -- responses ----------------------------------------------------------------------------------


class Message(Protocol):
    """A request or a response: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_bytes(self) -> bytes:
        """The PDU."""

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a message."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An exception response: the device is there, and does not do what it was asked."""

    function: int
    code: int

    def to_bytes(self) -> bytes:
        """The PDU."""
        return bytes([self.function | _EXCEPTION_BIT, self.code])

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is an exception response."""
        if len(pdu) != 2 or not pdu[0] & _EXCEPTION_BIT:
            raise FrameError("it is no exception response")
        return cls(pdu[0] & ~_EXCEPTION_BIT, pdu[1])

    def __str__(self) -> str:
        known = {code.value: code.name.lower().replace("_", " ") for code in Code}
        return f"{self.code:02X} {known.get(self.code, 'of its own')}"


@dataclass(frozen=True, slots=True)
class Bits:
    """Coils or discrete inputs that were read, in whole bytes: the last ones may be padding."""

    function: int
    values: tuple[bool, ...]

    def to_bytes(self) -> bytes:
        """The PDU."""
        packed = _pack(self.values)
        return bytes([self.function, len(packed)]) + packed

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is a response to a read of bits."""
        function, packed = _counted(pdu, Function.READ_COILS, Function.READ_DISCRETE_INPUTS)
        return cls(function, _unpack(packed))


@dataclass(frozen=True, slots=True)
class Registers:
    """Holding or input registers that were read."""

    function: int
    values: tuple[int, ...]

    def to_bytes(self) -> bytes:
        """The PDU."""
        return bytes([self.function, 2 * len(self.values)]) + registers_to_bytes(self.values)

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is a response to a read of registers."""
        function, data = _counted(pdu, Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS)
        return cls(function, registers_from_bytes(data))


@dataclass(frozen=True, slots=True)
class Written:
    """How many coils or registers were written, and from where."""

    function: int
    address: int
    quantity: int

    def to_bytes(self) -> bytes:
        """The PDU."""
        return struct.pack(">BHH", self.function, self.address, self.quantity)

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is a response to a write of several values."""
        function, address, quantity = _unpacked(">BHH", pdu, Function.WRITE_COILS, Function.WRITE_REGISTERS)
        return cls(function, address, quantity)


@dataclass(frozen=True, slots=True)
class ServerId:
    """What a device says of itself, in a form of its own: an id, whether it runs, and more."""

    data: bytes

    def to_bytes(self) -> bytes:
        """The PDU."""
        return bytes([Function.REPORT_SERVER_ID, len(self.data)]) + self.data

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is a response to Report Server ID."""
        return cls(_counted(pdu, Function.REPORT_SERVER_ID)[1])


@dataclass(frozen=True, slots=True)
class FileData:
    """Registers that were read from one place of a file, as bytes."""

    data: bytes

    def to_bytes(self) -> bytes:
        """The PDU."""
        return bytes([Function.READ_FILE, len(self.data) + 2, len(self.data) + 1, _FILE_REFERENCE]) + self.data

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is a response with one group of registers."""
        _, group = _counted(pdu, Function.READ_FILE)
        if len(group) < 2 or group[0] != len(group) - 1 or group[1] != _FILE_REFERENCE or len(group) % 2:
            raise FrameError("it is not one group of file registers")
        return cls(group[2:])


@dataclass(frozen=True, slots=True)
class Identification:
    """Identification objects by their number. `next_object` is what to ask for when `more` follows."""

    code: int
    conformity: int
    more: bool
    next_object: int
    objects: tuple[tuple[int, bytes], ...]

    def to_bytes(self) -> bytes:
        """The PDU."""
        head = [self.code, self.conformity, 0xFF if self.more else 0, self.next_object, len(self.objects)]
        objects = b"".join(bytes([number, len(value)]) + value for number, value in self.objects)
        return bytes([Function.ENCAPSULATED, _IDENTIFICATION, *head]) + objects

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is a response to Read Device Identification."""
        if len(pdu) < 7 or pdu[0] != Function.ENCAPSULATED or pdu[1] != _IDENTIFICATION or pdu[4] not in (0, 0xFF):
            raise FrameError("it is no device identification")
        objects, rest = [], pdu[7:]
        for _ in range(pdu[6]):
            if len(rest) < 2 or len(rest) < 2 + rest[1]:
                raise FrameError("an identification object is cut off")
            objects.append((rest[0], rest[2 : 2 + rest[1]]))
            rest = rest[2 + rest[1] :]
        if rest:
            raise FrameError("there is more than the identification objects")
        return cls(pdu[2], pdu[3], bool(pdu[4]), pdu[5], tuple(objects))


# -- requests -----------------------------------------------------------------------------------

A_co = TypeVar("A_co", covariant=True)


class Request(ABC, Generic[A_co]):
    """Something to ask of a unit, a dataclass; A_co is what its answer says."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    echoes: ClassVar[bool] = False
    """Whether the answer is the request again, so that it cannot be told from an echo of the line."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """The PDU."""

    @classmethod
    @abstractmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request."""

    @abstractmethod
    def answer(self, pdu: bytes) -> A_co:
        """What the PDU answers; raises FrameError unless it can be the answer to just this request."""


@dataclass(frozen=True, slots=True)
class ReadBits(Request[tuple[bool, ...]]):
    """Read coils or discrete inputs."""

    function: int
    address: int
    quantity: int

    def to_bytes(self) -> bytes:
        """The PDU."""
        return struct.pack(">BHH", self.function, self.address, self.quantity)

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request."""
        return cls(*_unpacked(">BHH", pdu, Function.READ_COILS, Function.READ_DISCRETE_INPUTS))

    def answer(self, pdu: bytes) -> tuple[bool, ...]:
        """As many bits as were asked for."""
        bits = Bits.from_bytes(pdu)
        if bits.function != self.function or len(bits.values) != -(-self.quantity // 8) * 8:
            raise FrameError(f"it does not hold the {self.quantity} bits that were asked for")
        return bits.values[: self.quantity]


@dataclass(frozen=True, slots=True)
class ReadRegisters(Request[tuple[int, ...]]):
    """Read holding or input registers."""

    function: int
    address: int
    quantity: int

    def to_bytes(self) -> bytes:
        """The PDU."""
        return struct.pack(">BHH", self.function, self.address, self.quantity)

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request."""
        return cls(*_unpacked(">BHH", pdu, Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS))

    def answer(self, pdu: bytes) -> tuple[int, ...]:
        """As many registers as were asked for."""
        registers = Registers.from_bytes(pdu)
        if registers.function != self.function or len(registers.values) != self.quantity:
            raise FrameError(f"it does not hold the {self.quantity} registers that were asked for")
        return registers.values


class _Echoed(Request[None]):
    """A request whose answer is the request itself."""

    __slots__ = ()

    echoes: ClassVar[bool] = True

    def answer(self, pdu: bytes) -> None:
        """Raises FrameError unless it is the request again."""
        if pdu != self.to_bytes():
            raise FrameError("it does not repeat the request")


@dataclass(frozen=True, slots=True)
class WriteCoil(_Echoed):
    """Switch one coil."""

    address: int
    value: bool

    def to_bytes(self) -> bytes:
        """The PDU."""
        return struct.pack(">BHH", Function.WRITE_COIL, self.address, _ON if self.value else 0)

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request."""
        _, address, value = _unpacked(">BHH", pdu, Function.WRITE_COIL)
        if value not in (0, _ON):
            raise FrameError("a coil is written as FF00 or 0000")
        return cls(address, bool(value))


@dataclass(frozen=True, slots=True)
class WriteRegister(_Echoed):
    """Write one holding register."""

    address: int
    value: int

    def to_bytes(self) -> bytes:
        """The PDU."""
        return struct.pack(">BHH", Function.WRITE_REGISTER, self.address, self.value)

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request."""
        _, address, value = _unpacked(">BHH", pdu, Function.WRITE_REGISTER)
        return cls(address, value)


@dataclass(frozen=True, slots=True)
class Loopback(_Echoed):
    """Diagnostics, sub-function 0: send this number back."""

    value: int

    def to_bytes(self) -> bytes:
        """The PDU."""
        return struct.pack(">BHH", Function.DIAGNOSTICS, 0, self.value)

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request."""
        _, sub_function, value = _unpacked(">BHH", pdu, Function.DIAGNOSTICS)
        if sub_function:
            raise FrameError(f"diagnostics {sub_function} is no loopback")
        return cls(value)


@dataclass(frozen=True, slots=True)
class WriteCoils(Request[None]):
    """Switch several coils."""

    address: int
    values: tuple[bool, ...]

    def to_bytes(self) -> bytes:
        """The PDU."""
        packed = _pack(self.values)
        return struct.pack(">BHHB", Function.WRITE_COILS, self.address, len(self.values), len(packed)) + packed

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request."""
        address, quantity, packed = _several(pdu, Function.WRITE_COILS)
        if len(packed) != -(-quantity // 8):
            raise FrameError(f"{quantity} coils do not take {len(packed)} bytes")
        return cls(address, _unpack(packed)[:quantity])

    def answer(self, pdu: bytes) -> None:
        """Raises FrameError unless it is of the same coils."""
        if Written.from_bytes(pdu) != Written(Function.WRITE_COILS, self.address, len(self.values)):
            raise FrameError("it is of other coils")


@dataclass(frozen=True, slots=True)
class WriteRegisters(Request[None]):
    """Write several holding registers."""

    address: int
    values: tuple[int, ...]

    def to_bytes(self) -> bytes:
        """The PDU."""
        data = registers_to_bytes(self.values)
        return struct.pack(">BHHB", Function.WRITE_REGISTERS, self.address, len(self.values), len(data)) + data

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request."""
        address, quantity, data = _several(pdu, Function.WRITE_REGISTERS)
        if len(data) != 2 * quantity:
            raise FrameError(f"{quantity} registers do not take {len(data)} bytes")
        return cls(address, registers_from_bytes(data))

    def answer(self, pdu: bytes) -> None:
        """Raises FrameError unless it is of the same registers."""
        if Written.from_bytes(pdu) != Written(Function.WRITE_REGISTERS, self.address, len(self.values)):
            raise FrameError("it is of other registers")


@dataclass(frozen=True, slots=True)
class ReportServerId(Request[bytes]):
    """Ask what it is, in a form of its own."""

    def to_bytes(self) -> bytes:
        """The PDU."""
        return bytes([Function.REPORT_SERVER_ID])

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request."""
        _unpacked(">B", pdu, Function.REPORT_SERVER_ID)
        return cls()

    def answer(self, pdu: bytes) -> bytes:
        """The data of the response."""
        return ServerId.from_bytes(pdu).data


@dataclass(frozen=True, slots=True)
class ReadFile(Request[bytes]):
    """Read registers of a file, from a record on."""

    file: int
    record: int
    quantity: int

    def to_bytes(self) -> bytes:
        """The PDU."""
        group = struct.pack(">BHHH", _FILE_REFERENCE, self.file, self.record, self.quantity)
        return bytes([Function.READ_FILE, len(group)]) + group

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request, with one group."""
        file, record, quantity, data = _file_group(pdu, Function.READ_FILE)
        if data:
            raise FrameError("it is not one group")
        return cls(file, record, quantity)

    def answer(self, pdu: bytes) -> bytes:
        """As many registers as were asked for, as bytes."""
        data = FileData.from_bytes(pdu).data
        if len(data) != 2 * self.quantity:
            raise FrameError(f"it does not hold the {self.quantity} registers that were asked for")
        return data


@dataclass(frozen=True, slots=True)
class WriteFile(_Echoed):
    """Write registers (as bytes, two each) to a file, from a record on."""

    file: int
    record: int
    data: bytes

    def to_bytes(self) -> bytes:
        """The PDU."""
        group = struct.pack(">BHHH", _FILE_REFERENCE, self.file, self.record, len(self.data) // 2) + self.data
        return bytes([Function.WRITE_FILE, len(group)]) + group

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request, with one group."""
        file, record, quantity, data = _file_group(pdu, Function.WRITE_FILE)
        if len(data) != 2 * quantity:
            raise FrameError(f"{quantity} registers do not take {len(data)} bytes")
        return cls(file, record, data)


@dataclass(frozen=True, slots=True)
class ReadIdentification(Request[Identification]):
    """Read identification objects: of a whole category (1 basic, 2 regular, 3 extended), from an object on."""

    code: int = 1
    object_id: int = 0

    def to_bytes(self) -> bytes:
        """The PDU."""
        return bytes([Function.ENCAPSULATED, _IDENTIFICATION, self.code, self.object_id])

    @classmethod
    def from_bytes(cls, pdu: bytes) -> Self:
        """Raises FrameError unless the PDU is exactly such a request."""
        _, interface_type, code, object_id = _unpacked(">BBBB", pdu, Function.ENCAPSULATED)
        if interface_type != _IDENTIFICATION:
            raise FrameError(f"nothing is known of interface type {interface_type}")
        return cls(code, object_id)

    def answer(self, pdu: bytes) -> Identification:
        """The objects; a device may answer with a lower category than it was asked for."""
        return Identification.from_bytes(pdu)


# -- parts ----------------------------------------------------------------------------------------


def registers_to_bytes(values: tuple[int, ...]) -> bytes:
    """Registers as they are sent: high byte first."""
    return struct.pack(f">{len(values)}H", *values)


def registers_from_bytes(data: bytes) -> tuple[int, ...]:
    """Registers as they were sent; raises FrameError for half of one."""
    if len(data) % 2:
        raise FrameError("there is half a register")
    return struct.unpack(f">{len(data) // 2}H", data)


def _pack(values: tuple[bool, ...]) -> bytes:
    number = sum(1 << position for position, value in enumerate(values) if value)
    return number.to_bytes(-(-len(values) // 8), "little")


def _unpack(packed: bytes) -> tuple[bool, ...]:
    return tuple(bool(byte >> position & 1) for byte in packed for position in range(8))


def _unpacked(layout: str, pdu: bytes, *functions: Function) -> tuple[int, ...]:
    if len(pdu) != struct.calcsize(layout) or pdu[0] not in functions:
        raise FrameError("it is another message")
    return struct.unpack(layout, pdu)


def _counted(pdu: bytes, *functions: Function) -> tuple[int, bytes]:
    if len(pdu) < 2 or pdu[0] not in functions or len(pdu) != 2 + pdu[1]:
        raise FrameError("it is another message")
    return pdu[0], pdu[2:]


def _several(pdu: bytes, function: Function) -> tuple[int, int, bytes]:
    if len(pdu) < 6 or pdu[0] != function or len(pdu) != 6 + pdu[5]:
        raise FrameError("it is another message")
    address, quantity = struct.unpack(">HH", pdu[1:5])
    return address, quantity, pdu[6:]


def _file_group(pdu: bytes, function: Function) -> tuple[int, int, int, bytes]:
    _, group = _counted(pdu, function)
    if len(group) < 7 or group[0] != _FILE_REFERENCE:
        raise FrameError("it is not a group of file registers")
    file, record, quantity = struct.unpack(">HHH", group[1:7])
    return file, record, quantity, group[7:]


# -- in words -------------------------------------------------------------------------------------

_REQUESTS: Final[tuple[type[Request[object]], ...]] = (
    ReadBits,
    ReadRegisters,
    WriteCoil,
    WriteRegister,
    Loopback,
    WriteCoils,
    WriteRegisters,
    ReportServerId,
    ReadFile,
    WriteFile,
    ReadIdentification,
)
_RESPONSES: Final[tuple[type[Message], ...]] = (
    Refusal,
    Bits,
    Registers,
    WriteCoil,
    WriteRegister,
    Loopback,
    Written,
    ServerId,
    FileData,
    WriteFile,
    Identification,
)


def request_from_bytes(pdu: bytes) -> Request[object]:
    """The request that a PDU is; raises FrameError."""
    return _first(_REQUESTS, pdu)


def response_from_bytes(pdu: bytes) -> Message:
    """The response that a PDU is; raises FrameError."""
    return _first(_RESPONSES, pdu)


M = TypeVar("M", bound=Message)


def _first(kinds: tuple[type[M], ...], pdu: bytes) -> M:
    for kind in kinds:
        try:
            return kind.from_bytes(pdu)
        except FrameError:
            continue
    raise FrameError("it is no message that is known here")


def describe(data: bytes, *, request: bool) -> str:
    """A frame in words, for the journal."""
    try:
        frame = Frame.from_bytes(data)
        message = request_from_bytes(frame.pdu) if request else response_from_bytes(frame.pdu)
    except FrameError as error:
        return str(error)
    if isinstance(message, Refusal):
        return f"unit {frame.unit} refuses function {message.function}: {message}"
    return f"unit {frame.unit}: {_in_words(message)}"


def _in_words(message: Message) -> str:
    """The kind of message and its fields, as they are named here."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(message).__name__).lower()
    values = [(field.name, getattr(message, field.name)) for field in fields(message)]
    return ", ".join([kind, *(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in values)])


def _shown(value: object) -> str:
    match value:
        case bytes():
            return value.hex(" ")
        case tuple():
            return " ".join(map(_shown, value))
        case int():
            return str(int(value))
        case _:
            return str(value)
