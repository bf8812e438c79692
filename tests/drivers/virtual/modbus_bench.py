"""A bench for Modbus: units on a bus with a timeline that only moves when told, and what the host hears."""

import random

from drivers.virtual.device import DEFAULT_TIMING, Timing
from drivers.virtual.modbus_bus import Bus
from drivers.virtual.modbus_frames import Line, Parity
from drivers.virtual.modbus_unit import Station, Unit, UnitKind
from drivers.virtual.modbus_units import KINDS
from drivers.virtual.timeline import Timeline

UNIT = 5
UNPACED = Line(paced=False)
PACED = Line(19200, Parity.EVEN)
CHARACTER = 11 / 19200
SILENCE = 3.5 * CHARACTER


def crc(data: bytes) -> bytes:
    """The checksum by polynomial division, most significant bit first on mirrored bits."""
    mirrored = int("".join(f"{byte:08b}"[::-1] for byte in data) + "0" * 16, 2) ^ 0xFFFF << 8 * len(data)
    for bit in range(8 * len(data) + 15, 15, -1):
        if mirrored >> bit & 1:
            mirrored ^= 0x18005 << bit - 16
    return int(f"{mirrored:016b}"[::-1], 2).to_bytes(2, "little")


def adu(unit: int, pdu: str | bytes) -> bytes:
    content = bytes([unit]) + (bytes.fromhex(pdu) if isinstance(pdu, str) else pdu)
    return content + crc(content)


class BusBench:
    """A bus with units, and the host's end of its serial line."""

    def __init__(self, line: Line = UNPACED, timing: Timing = DEFAULT_TIMING, seed: int = 1) -> None:
        self.timeline = Timeline()
        self.timing = timing
        self.heard: list[tuple[float, int]] = []
        self.bus = Bus(self.timeline, random.Random(seed), line, self._hear)

    def unit(self, kind: UnitKind, number: int = UNIT) -> Unit:
        return KINDS[kind](Station(number, 123456, 1), self.bus, self.timing)

    def _hear(self, data: bytes) -> None:
        self.heard += [(self.timeline.now, byte) for byte in data]

    def wait(self, seconds: float) -> None:
        self.timeline.run_until(self.timeline.now + seconds)

    def take(self) -> bytes:
        heard, self.heard = self.heard, []
        return bytes(byte for _, byte in heard)

    def say(self, data: bytes, wait: float = 0.5) -> bytes:
        """Let the host write bytes and time pass; give what it heard since."""
        self.bus.feed(data)
        self.wait(wait)
        return self.take()

    def ask(self, pdu: str | bytes, unit: int = UNIT, wait: float = 0.5) -> str:
        """Send a request; give the PDU of the answer in hexadecimal digits, nothing where there was none."""
        answer = self.say(adu(unit, pdu), wait)
        if not answer:
            return ""
        assert answer == adu(answer[0], answer[1:-2])
        return answer[1:-2].hex(" ")

    def registers(self, pdu: str, unit: int = UNIT) -> list[int]:
        """Read registers."""
        content = bytes.fromhex(self.ask(pdu, unit))[2:]
        return [int.from_bytes(content[at : at + 2], "big") for at in range(0, len(content), 2)]
