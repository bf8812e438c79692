"""The golden vectors: bytes captured from a real LON stack, as data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent / "data"
HEX = r"(?:[0-9a-f]{2} ?)+"


@dataclass(frozen=True)
class SerialFrame:
    section: str
    from_host: bool
    data: bytes

    @property
    def is_code_packet(self) -> bool:
        return len(self.data) == 4 and self.data[0] == 0x7E and self.data[1] != 0x7E


@dataclass(frozen=True)
class ChannelPacket:
    section: str
    to_device: bool
    lpdu: bytes
    crc: bytes


@dataclass(frozen=True)
class ToolLine:
    section: str
    from_tool: bool
    data: bytes


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text)


@cache
def device_trace() -> tuple[tuple[SerialFrame, ...], tuple[ChannelPacket, ...]]:
    serial: list[SerialFrame] = []
    packets: list[ChannelPacket] = []
    section = ""
    for line in (DATA / "device_trace.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif match := re.match(rf"SERIAL (HOST->NI|NI->HOST) ({HEX})", line):
            serial.append(SerialFrame(section, match[1] == "HOST->NI", _bytes(match[2])))
        elif match := re.match(rf"(TO-NET|FROM-DEV) +LPDU ({HEX}) +\(CRC ({HEX})\)", line):
            packets.append(ChannelPacket(section, match[1] == "TO-NET", _bytes(match[2]), _bytes(match[3])))
    return tuple(serial), tuple(packets)


@cache
def tool_trace() -> tuple[ToolLine, ...]:
    lines: list[ToolLine] = []
    section = ""
    for line in (DATA / "tool_trace.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif match := re.match(rf"TOOL (->|<-) ({HEX})", line):
            lines.append(ToolLine(section, match[1] == "->", _bytes(match[2])))
    return tuple(lines)


@cache
def tool_packets() -> tuple[tuple[str, bytes], ...]:
    """Section and LPDU of each packet the tool sent."""
    packets: list[tuple[str, bytes]] = []
    section = ""
    for line in (DATA / "tool_trace.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif match := re.match(rf"# LPDU ({HEX})", line):
            packets.append((section, _bytes(match[1])))
    return tuple(packets)


def exchange(section: str) -> tuple[bytes, bytes]:
    """LPDUs to and from the device in the section of the device trace whose title begins so."""
    _, packets = device_trace()
    found = [packet for packet in packets if packet.section.startswith(section)]
    return found[0].lpdu, found[1].lpdu
