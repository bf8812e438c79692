"""A bootloader in holding registers, as several makers of small Modbus devices have one.

Functions 3, 16, 43/14. It keeps no second copy: from the info block on there is no application until an image is
complete and its CRC fits; a unit that loses power before stays in the bootloader. Registers (all 16-bit, high
word first):

    0x1000-0x100F  W  info block, all 16 in one request; its answer takes 1 s more, as the flash is erased first:
                      0-5 signature (ASCII, padded with zero bytes), 6 version (major << 8 | minor),
                      7-8 length in bytes, 9-10 CRC-32 (IEEE 802.3) of the image, 11-15 zero
    0x1100         R  status: 0 waits for an info block, 1 waits for data, 2 complete, 3 complete but wrong
    0x1101         R  data blocks received since the info block: a block whose answer was lost counts here
    0x2000-0x2043  W  data block: the next 136 bytes of the image, 68 registers in one request; the last one is
                      as long as the rest of the image, or padded to 68 registers

Exceptions: 2 for another address or number of registers, 3 for a wrong signature or length, 4 for data that nothing
waits for. The answer to the last block of a good image comes before the unit restarts into it.
"""

from binascii import crc32
from collections.abc import Callable
from enum import IntEnum

from drivers.virtual.modbus_functions import ExceptionCode, Function, Refusal, Table, word_bytes

FUNCTIONS = frozenset(
    {Function.READ_HOLDING_REGISTERS, Function.WRITE_MULTIPLE_REGISTERS, Function.ENCAPSULATED},
)
INFO = 0x1000
INFO_REGISTERS = 16
STATUS = 0x1100
BLOCKS = 0x1101
BLOCK = 0x2000
BLOCK_REGISTERS = 68
BLOCK_BYTES = 2 * BLOCK_REGISTERS
ERASE_S = 1.0
LARGEST_IMAGE = 128 * 1024

_SIGNATURE = slice(0, 12)
_VERSION = slice(12, 14)
_LENGTH = slice(14, 18)
_CHECKSUM = slice(18, 22)


class BootStatus(IntEnum):
    """How far a loading has come."""

    WAITS_FOR_INFO = 0
    WAITS_FOR_DATA = 1
    COMPLETE = 2
    WRONG = 3


class Bootloader:
    """Takes an image. Tells when it begins to erase, and when a good image is complete."""

    def __init__(self, signature: str, erase: Callable[[], None], complete: Callable[[int, bytes], None]) -> None:
        self._signature = signature.encode("ascii")
        self._erase = erase
        self._complete = complete
        self.reset()

    def reset(self) -> None:
        """Forget a loading that has begun."""
        self._status = BootStatus.WAITS_FOR_INFO
        self._blocks = 0
        self._received = b""
        self._info = b""

    def read(self, table: Table, first: int, count: int) -> list[int]:
        """Give status and number of blocks."""
        values = {STATUS: int(self._status), BLOCKS: self._blocks}
        addresses = range(first, first + count)
        if table is not Table.HOLDING_REGISTERS or not all(address in values for address in addresses):
            raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        return [values[address] for address in addresses]

    def write(self, table: Table, first: int, values: list[int]) -> None:
        """Take an info block or a data block."""
        if table is Table.HOLDING_REGISTERS and first == INFO and len(values) == INFO_REGISTERS:
            self._begin(word_bytes(values))
        elif table is Table.HOLDING_REGISTERS and first == BLOCK and len(values) <= BLOCK_REGISTERS:
            self._take(word_bytes(values))
        else:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)

    def read_records(self, file: int, first: int, count: int) -> list[int]:
        """Refuse: there are no files."""
        raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)

    def write_records(self, file: int, first: int, values: list[int]) -> None:
        """Refuse: there are no files."""
        raise Refusal(ExceptionCode.ILLEGAL_DATA_ADDRESS)

    def _begin(self, info: bytes) -> None:
        fits = info[_SIGNATURE].rstrip(b"\0") == self._signature
        if not fits or not 1 <= int.from_bytes(info[_LENGTH], "big") <= LARGEST_IMAGE:
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        self.reset()
        self._info = info
        self._status = BootStatus.WAITS_FOR_DATA
        self._erase()

    def _take(self, data: bytes) -> None:
        if self._status is not BootStatus.WAITS_FOR_DATA:
            raise Refusal(ExceptionCode.DEVICE_FAILURE)
        remaining = int.from_bytes(self._info[_LENGTH], "big") - len(self._received)
        if len(data) < min(remaining, BLOCK_BYTES):
            raise Refusal(ExceptionCode.ILLEGAL_DATA_VALUE)
        self._received += data[:remaining]
        self._blocks += 1
        if remaining > BLOCK_BYTES:
            return
        if crc32(self._received) != int.from_bytes(self._info[_CHECKSUM], "big"):
            self._status = BootStatus.WRONG
            return
        self._status = BootStatus.COMPLETE
        self._complete(int.from_bytes(self._info[_VERSION], "big"), self._received)
