"""Images of our own, built like the real ones: the same order of records, phases and marks."""

from __future__ import annotations

import random

PROGRAM_ID = bytes.fromhex("9FFFFF0502840450")
FT_6050 = 0x24
FIRMWARE = 21
FIRST_WORDS = bytes.fromhex("ABACADABF0") + bytes(27)
"""Byte 4 becomes E0 when everything is there."""
VARIABLES = 16

Write = tuple[int, int, bytes]
"""Kind as in an APB, address, content."""


def _writes(program_id: bytes, records: int, seed: int) -> list[Write | None]:
    """None: a separator. All of them together are so many records of an APB."""
    chance = random.Random(seed)
    table = bytes.fromhex("63050465EB") + program_id + b"\x43" + chance.randbytes(18)
    assert len(table) == 32
    tables: list[Write | None] = [
        (0, 0xF008, table),
        (0, 0xF028, bytes.fromhex("00100C65EB000F") + bytes(8)),
        (0, 0xF047, b"\x60"),
        (0, 0xF048, bytes(8) + b"\xa0" + bytes(14) + b"\x80" + bytes(8)),
        *((0, 0xF068 + 32 * number, chance.randbytes(32)) for number in range(7)),
        (0, 0xF7E8, bytes(23)),
        (0, 0xF145, b"\x66"),
        None,
    ]
    others = len(tables) + 4 + len(range(0, VARIABLES, 10))
    words = max(records - others, 2)
    program: list[Write | None] = [
        (0, 0xE7EA, chance.randbytes(22)),
        (0x40, 0, FIRST_WORDS),
        *((0x40, 2 * number, chance.randbytes(32)) for number in range(1, words - 1)),
        (0x40, 2 * (words - 1), chance.randbytes(25) + bytes(7)),
        (0xC0, 0, FIRST_WORDS[:4] + b"\xe0" + FIRST_WORDS[5:]),
        None,
        (0, 0xF00A, bytes([VARIABLES])),
    ]
    return tables + program


def build_apb(
    *, program_id: bytes = PROGRAM_ID, model: int = FT_6050, firmware: int = FIRMWARE, records: int = 180, seed: int = 1
) -> bytes:
    """A binary image with so many records, and the entries of its network variables behind them."""
    head = bytes([0xFF, firmware, 0, 0, 5, 0x20, 0x20, 0, 0, 0, 0x10, firmware, 0, 0, 5, 0x20, 0x1A, 2])
    image = b"APPIMAGE\x00\x01" + head + bytes([model, firmware, 4, 8]) + bytes.fromhex("00000220 29010A")
    for write in _writes(program_id, records, seed):
        image += apb_record(*(write or (5, 0, b"")))
    entries = [bytes([0x3F, 0xFF - index, 0x0F]) for index in range(VARIABLES)]
    for first in range(0, VARIABLES, 10):
        image += apb_record(2, first, b"".join(entries[first : first + 10]))
    return image


def build_ndl(
    *, program_id: bytes = PROGRAM_ID, model: int = FT_6050, firmware: int = FIRMWARE, records: int = 180, seed: int = 1
) -> bytes:
    """A text image that puts the same into memory as `build_apb` with the same arguments."""
    lines = [ndl_line(0, 0xF008, bytes([model, firmware, 4, 8]))]
    extended = False
    writes = _writes(program_id, records, seed)
    for kind, address, data in (write or (5, 0, b"") for write in writes[:-1]):
        if (kind in (0x40, 0xC0)) != extended:
            extended = not extended
            lines.append(ndl_line(4, 0, bytes([0, extended])))
        type_, scale = {0: (0, 1), 5: (0, 1), 0x40: (0, 16), 0xC0: (0xFF, 16)}[kind]
        # the line at F028 goes on into the communication parameters; the last word is not filled up
        more = bytes.fromhex("05AC0301") + bytes(12) if address == 0xF028 else b""
        content = data.rstrip(b"\x00") if kind == 0x40 and address else data + more
        lines.append(ndl_line(type_, address * scale, content))
    end = ndl_line(1, 0, b"")
    parameters = ndl_line(0, 0xF037, bytes.fromhex("412E16091A2B2C000400FC0000000000"))
    final = [ndl_line(0, 0xF015, b"\x42"), ndl_line(0, 0xF00A, bytes([VARIABLES]))]
    return b"".join([*lines, end, parameters, end, *final, end])


def apb_record(kind: int, address: int, content: bytes) -> bytes:
    """One record of an APB with its checksum."""
    head = address.to_bytes(2, "big") + bytes([len(content), kind])
    checksum = 0
    for byte in head + content:
        checksum ^= byte
    return head + bytes([checksum]) + content


def ndl_line(kind: int, address: int, content: bytes) -> bytes:
    """One line of an NDL with its checksum."""
    body = bytes([len(content)]) + address.to_bytes(2, "big") + bytes([kind]) + content
    return b":" + (body + bytes([-sum(body) & 0xFF])).hex().upper().encode() + b"\n"
