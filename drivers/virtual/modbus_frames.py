"""Frames of Modbus RTU: the checksum, and how long characters and silences take (MODBUS over Serial Line V1.02)."""

from dataclasses import dataclass
from enum import Enum

BAUD_RATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
BROADCAST = 0
FIRST_UNIT = 1
LAST_UNIT = 247
LONGEST_FRAME = 256
LONGEST_PDU = 253

_SHORTEST_FRAME = 4  # unit, function code, checksum
_SILENT_CHARACTERS = 3.5
_FASTEST_MEASURED = 19200  # above it the silence between frames is fixed (§2.5.1.1)
_FIXED_SILENCE = 0.001750
_POLYNOMIAL = 0xA001


class Parity(Enum):
    """The parity bit of a character."""

    EVEN = "E"
    NONE = "N"
    ODD = "O"


@dataclass(frozen=True, slots=True)
class Line:
    """How the bus carries characters. Without pace they take no time, and what is written at once is a frame."""

    baud: int = 19200
    parity: Parity = Parity.EVEN
    echo: bool = False
    paced: bool = True

    @property
    def character_time(self) -> float:
        """Seconds a character takes: start bit, eight data bits, parity bit if there is one, one stop bit."""
        if not self.paced:
            return 0.0
        return (10 if self.parity is Parity.NONE else 11) / self.baud

    @property
    def silence(self) -> float:
        """Seconds of silence that end a frame (t3.5)."""
        if self.paced and self.baud > _FASTEST_MEASURED:
            return _FIXED_SILENCE
        return _SILENT_CHARACTERS * self.character_time


STANDARD_LINE = Line()  # 19200 bit/s, even parity (§2.5.1)


def checksum(data: bytes) -> bytes:
    """Give the CRC of these bytes as it follows them on the line: low byte first (appendix B)."""
    remainder = 0xFFFF
    for byte in data:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ (_POLYNOMIAL if remainder & 1 else 0)
    return remainder.to_bytes(2, "little")


def frame(unit: int, pdu: bytes) -> bytes:
    """Put a PDU on the line."""
    content = bytes([unit]) + pdu
    return content + checksum(content)


def is_intact(data: bytes) -> bool:
    """Tell whether this is a frame that arrived as it was sent."""
    return _SHORTEST_FRAME <= len(data) <= LONGEST_FRAME and checksum(data[:-2]) == data[-2:]
