"""The functions of a Modbus unit on its data (MODBUS Application Protocol Specification V1.1b3, chapter 6)."""

from collections.abc import Callable, Iterator
from enum import Enum, IntEnum
from typing import Protocol

MOST_BITS_READ = 2000
MOST_BITS_WRITTEN = 1968
MOST_REGISTERS_READ = 125
MOST_REGISTERS_WRITTEN = 123
MOST_REGISTERS_WRITTEN_AND_READ = 121
MOST_RECORDS = 10_000  # in one file
ON = 0xFF00
EXCEPTION = 0x80

_REFERENCE_TYPE = 6
_RECORD_REQUEST = 7  # reference type, file, record, length
_LONGEST_RECORDS = 0xF5


class Function(IntEnum):
    """Function codes."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_SINGLE_COIL = 5
    WRITE_SINGLE_REGISTER = 6
    DIAGNOSTICS = 8
    WRITE_MULTIPLE_COILS = 15
    WRITE_MULTIPLE_REGISTERS = 16
    REPORT_SERVER_ID = 17
    READ_FILE_RECORD = 20
    WRITE_FILE_RECORD = 21
    MASK_WRITE_REGISTER = 22
    READ_WRITE_MULTIPLE_REGISTERS = 23
    ENCAPSULATED = 43


# What a broadcast may ask for: nothing that needs an answer.
WRITING = frozenset(
    {
        Function.WRITE_SINGLE_COIL,
        Function.WRITE_SINGLE_REGISTER,
        Function.WRITE_MULTIPLE_COILS,
        Function.WRITE_MULTIPLE_REGISTERS,
        Function.WRITE_FILE_RECORD,
        Function.MASK_WRITE_REGISTER,
        Function.DIAGNOSTICS,  # restart and listen only
    }
)


class ExceptionCode(IntEnum):
    """Why a unit does not do what it is asked (chapter 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    DEVICE_FAILURE = 4
    BUSY = 6


class Refusal(Exception):
    """The unit answers with an exception."""

    def __init__(self, code: ExceptionCode) -> None:
        super().__init__(code.name)
        self.code = code


class Table(Enum):
    """The four tables of data."""

    COILS = 0
    DISCRETE_INPUTS = 1
    HOLDING_REGISTERS = 2
    INPUT_REGISTERS = 3


class Content(Protocol):
    """The data of a unit. All may refuse."""

    def read(self, table: Table, first: int, count: int) -> list[int]:
        """Give consecutive values."""

    def write(self, table: Table, first: int, values: list[int]) -> None:
        """Set consecutive values, all or none."""

    def read_records(self, file: int, first: int, count: int) -> list[int]:
        """Give consecutive records of a file, each of one register."""

    def write_records(self, file: int, first: int, values: list[int]) -> None:
        """Set consecutive records of a file."""


def perform(content: Content, pdu: bytes) -> bytes:
    """Do what a request asks of the data; give the PDU of the answer, or raise Refusal."""
    if pdu[0] not in _PERFORMERS:
        raise Refusal(ExceptionCode.ILLEGAL_FUNCTION)
    return pdu[:1] + _PERFORMERS[pdu[0]](content, pdu[1:])


def words(data: bytes) -> list[int]:
    """Take registers apart; the last one is padded if a byte is missing."""
    return [int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2)]


def word_bytes(values: list[int]) -> bytes:
    """Put registers together, high byte first."""
    return b"".join(value.to_bytes(2, "big") for value in values)


def _require(holds: bool, code: ExceptionCode = ExceptionCode.ILLEGAL_DATA_VALUE) -> None:
    if not holds:
        raise Refusal(code)


def _pair(data: bytes) -> tuple[int, int]:
    """Take a request of just two 16-bit fields."""
    _require(len(data) == 4)
    return int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")


def _span(data: bytes, most: int) -> tuple[int, int]:
    """Take where a request begins and how many it means: the number is looked at before the address."""
    first, count = _pair(data)
    _require(1 <= count <= most)
    _require(first + count <= 0x10000, ExceptionCode.ILLEGAL_DATA_ADDRESS)
    return first, count


def _read_bits(table: Table) -> Callable[[Content, bytes], bytes]:
    def read(content: Content, data: bytes) -> bytes:
        first, count = _span(data, MOST_BITS_READ)
        bits = content.read(table, first, count)
        packed = sum(bit << number for number, bit in enumerate(bits)).to_bytes((count + 7) // 8, "little")
        return bytes([len(packed)]) + packed

    return read


def _read_registers(table: Table) -> Callable[[Content, bytes], bytes]:
    def read(content: Content, data: bytes) -> bytes:
        first, count = _span(data, MOST_REGISTERS_READ)
        return bytes([2 * count]) + word_bytes(content.read(table, first, count))

    return read


def _write_coil(content: Content, data: bytes) -> bytes:
    address, value = _pair(data)
    _require(value in {0, ON})
    content.write(Table.COILS, address, [int(value == ON)])
    return data


def _write_register(content: Content, data: bytes) -> bytes:
    address, value = _pair(data)
    content.write(Table.HOLDING_REGISTERS, address, [value])
    return data


def _write_coils(content: Content, data: bytes) -> bytes:
    first, count = _span(data[:4], MOST_BITS_WRITTEN)
    packed = data[5:]
    _require(len(packed) == (count + 7) // 8 == data[4])
    bits = int.from_bytes(packed, "little")
    content.write(Table.COILS, first, [bits >> number & 1 for number in range(count)])
    return data[:4]


def _write_registers(content: Content, data: bytes) -> bytes:
    first, count = _span(data[:4], MOST_REGISTERS_WRITTEN)
    _require(len(data) == 5 + 2 * count and data[4] == 2 * count)
    content.write(Table.HOLDING_REGISTERS, first, words(data[5:]))
    return data[:4]


def _mask_register(content: Content, data: bytes) -> bytes:
    _require(len(data) == 6)
    address, keep, set_ = words(data)
    value = content.read(Table.HOLDING_REGISTERS, address, 1)[0]
    content.write(Table.HOLDING_REGISTERS, address, [value & keep | set_ & ~keep])
    return data


def _read_write_registers(content: Content, data: bytes) -> bytes:
    first, count = _span(data[:4], MOST_REGISTERS_READ)
    to, written = _span(data[4:8], MOST_REGISTERS_WRITTEN_AND_READ)
    _require(len(data) == 9 + 2 * written and data[8] == 2 * written)
    content.read(Table.HOLDING_REGISTERS, first, count)  # refuses before anything is written
    content.write(Table.HOLDING_REGISTERS, to, words(data[9:]))
    return bytes([2 * count]) + word_bytes(content.read(Table.HOLDING_REGISTERS, first, count))


def _read_records(content: Content, data: bytes) -> bytes:
    _require(bool(data) and len(data) == 1 + data[0] and _RECORD_REQUEST <= data[0] <= _LONGEST_RECORDS)
    _require(data[0] % _RECORD_REQUEST == 0)
    requests = [_record_request(data[at : at + _RECORD_REQUEST]) for at in range(1, len(data), _RECORD_REQUEST)]
    length = sum(2 + 2 * count for _, _, count in requests)
    _require(length <= _LONGEST_RECORDS)
    answer = b""
    for file, first, count in requests:
        answer += bytes([1 + 2 * count, _REFERENCE_TYPE]) + word_bytes(content.read_records(file, first, count))
    return bytes([length]) + answer


def _write_records(content: Content, data: bytes) -> bytes:
    _require(bool(data) and len(data) == 1 + data[0] and _RECORD_REQUEST <= data[0] <= _LONGEST_RECORDS)
    for file, first, values in list(_record_groups(data[1:])):
        content.write_records(file, first, values)
    return data


def _record_groups(data: bytes) -> Iterator[tuple[int, int, list[int]]]:
    while data:
        _require(len(data) >= _RECORD_REQUEST)
        file, first, count = _record_request(data[:_RECORD_REQUEST])
        end = _RECORD_REQUEST + 2 * count
        _require(len(data) >= end)
        yield file, first, words(data[_RECORD_REQUEST:end])
        data = data[end:]


def _record_request(data: bytes) -> tuple[int, int, int]:
    file, first, count = words(data[1:])
    good = data[0] == _REFERENCE_TYPE and file and first + count <= MOST_RECORDS
    _require(bool(good), ExceptionCode.ILLEGAL_DATA_ADDRESS)
    _require(count > 0)
    return file, first, count


_PERFORMERS: dict[int, Callable[[Content, bytes], bytes]] = {
    Function.READ_COILS: _read_bits(Table.COILS),
    Function.READ_DISCRETE_INPUTS: _read_bits(Table.DISCRETE_INPUTS),
    Function.READ_HOLDING_REGISTERS: _read_registers(Table.HOLDING_REGISTERS),
    Function.READ_INPUT_REGISTERS: _read_registers(Table.INPUT_REGISTERS),
    Function.WRITE_SINGLE_COIL: _write_coil,
    Function.WRITE_SINGLE_REGISTER: _write_register,
    Function.WRITE_MULTIPLE_COILS: _write_coils,
    Function.WRITE_MULTIPLE_REGISTERS: _write_registers,
    Function.READ_FILE_RECORD: _read_records,
    Function.WRITE_FILE_RECORD: _write_records,
    Function.MASK_WRITE_REGISTER: _mask_register,
    Function.READ_WRITE_MULTIPLE_REGISTERS: _read_write_registers,
}
