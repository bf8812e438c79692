"""A device's non-volatile memory: where things lie in it, its checksums, what a power failure leaves.

The read-only structure and the configuration data lie where an FT 6050 has them (0xF000, measured on public
application images). The tables lie above everything a memory message can reach.
"""

import random
from binascii import crc32
from enum import IntFlag
from hashlib import sha256

READ_ONLY = 0xF000
READ_ONLY_LENGTH = 0x2F
CONFIGURATION = READ_ONLY + READ_ONLY_LENGTH
CONFIGURATION_LENGTH = 25
PROPERTIES = 0x4000  # configuration properties of the application, as plain bytes
PROPERTIES_LENGTH = 32
RAM = 0xE800
RAM_LENGTH = 0x800
EXTERNAL = 0x10000  # external memory, reached by 16-byte words
EXTERNAL_LENGTH = 0x100000
DOMAINS = 0x200000
DOMAIN_LENGTH = 15
DOMAIN_COUNT = 2
ADDRESSES = 0x200100
ADDRESS_LENGTH = 5
ADDRESS_COUNT = 15
VARIABLES = 0x201000
VARIABLE_LENGTH = 3
ALIASES = 0x201800
ALIAS_LENGTH = 4
ERROR_LOG = 0x202000

# Offsets in the read-only structure (LON Stack DX lon_types.h, wire traces).
MODEL = 0x06
FLAGS = 0x0A
PROGRAM_ID = 0x0D
STATE = 0x15
ALIAS_COUNT = 0x24

_PAGE = 256
_STATE_ADDRESS = READ_ONLY + STATE
_FLAGS_ADDRESS = READ_ONLY + FLAGS
# What the application checksum covers: all that an image fills, except what has to change while it is there.
_APPLICATION = (
    (0, PROPERTIES),
    (PROPERTIES + PROPERTIES_LENGTH, RAM),
    (READ_ONLY + MODEL + 1, _FLAGS_ADDRESS),
    (_FLAGS_ADDRESS + 1, _STATE_ADDRESS),
    (_STATE_ADDRESS + 1, CONFIGURATION),
    (CONFIGURATION + CONFIGURATION_LENGTH, EXTERNAL + EXTERNAL_LENGTH),
)
_CONFIGURED = (
    (CONFIGURATION, CONFIGURATION + CONFIGURATION_LENGTH),
    (DOMAINS, DOMAINS + DOMAIN_COUNT * DOMAIN_LENGTH),
    (ADDRESSES, ADDRESSES + ADDRESS_COUNT * ADDRESS_LENGTH),
    (VARIABLES, ERROR_LOG),
)
# What no image is recognised by: see LoadedImage.
_NO_PART_OF_AN_IMAGE = (
    (PROPERTIES, PROPERTIES + PROPERTIES_LENGTH),
    (RAM, RAM + RAM_LENGTH),
    (_FLAGS_ADDRESS, _FLAGS_ADDRESS + 1),
    (_STATE_ADDRESS, _STATE_ADDRESS + 1),
)
_GARBLED = 0.5  # how often a power failure spoils all that was being written, not only the second half of it

Change = tuple[int, bytes]


class Sums(IntFlag):
    """Which checksums a write brings up to date."""

    NONE = 0
    CONFIGURATION = 1
    APPLICATION = 2
    BOTH = 3


class Cells:
    """Sparse memory; unwritten cells are zero."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}

    def pages(self) -> list[int]:
        """Tell where the pages that exist begin, in ascending order."""
        return [page * _PAGE for page in sorted(self._pages)]

    def read(self, address: int, length: int) -> bytes:
        """Read consecutive cells."""
        result = bytearray(length)
        done = 0
        while done < length:
            page, offset = divmod(address + done, _PAGE)
            part = min(_PAGE - offset, length - done)
            cells = self._pages.get(page)
            if cells is not None:
                result[done : done + part] = cells[offset : offset + part]
            done += part
        return bytes(result)

    def write(self, address: int, data: bytes) -> None:
        """Write consecutive cells."""
        done = 0
        while done < len(data):
            page, offset = divmod(address + done, _PAGE)
            part = min(_PAGE - offset, len(data) - done)
            cells = self._pages.setdefault(page, bytearray(_PAGE))
            cells[offset : offset + part] = data[done : done + part]
            done += part


class LoadedImage:
    """What Write Memory by absolute address or by words has put where since the device was made.

    Its digest is the SHA-256 over address (four bytes, big-endian) and content (one byte) of every byte so
    written, in ascending order of addresses. The address is the absolute one, from 0x10000 on 0x10000 + 16 * word
    + byte for memory that is addressed by application image words. Left out are RAM (0xE800 to 0xEFFF), the flags
    (0xF00A) and the state (0xF015), which change by themselves, and the configuration properties (0x4000 to
    0x401F), which belong to the site. Configuration data counts with what an image wrote there, whatever has
    been written to it as configuration (memory mode 2) since.
    """

    def __init__(self) -> None:
        self._content = Cells()
        self._written = Cells()
        self._digest: str | None = None

    def note(self, address: int, data: bytes) -> None:
        """Remember what was written."""
        self._content.write(address, data)
        self._written.write(address, b"\1" * len(data))
        self._digest = None

    def digest(self) -> str:
        """Give the digest in hexadecimal digits; that of nothing where no image was ever loaded."""
        if self._digest is None:
            summed = sha256()
            for page in self._written.pages():
                written, content = self._written.read(page, _PAGE), self._content.read(page, _PAGE)
                for address, (is_written, byte) in enumerate(zip(written, content, strict=True), page):
                    if is_written and not _within(address, _NO_PART_OF_AN_IMAGE):
                        summed.update(address.to_bytes(4, "big") + bytes([byte]))
            self._digest = summed.hexdigest()
        return self._digest


class Memory(Cells):
    """Non-volatile memory and RAM with checksums over parts of it."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded = LoadedImage()
        self._configuration_sum: int | None = None
        self._application_sum: int | None = None
        self.recompute(Sums.BOTH)

    def load(self, changes: tuple[Change, ...]) -> None:
        """Write a piece of an application image."""
        for address, data in changes:
            self.write(address, data)
            self.loaded.note(address, data)

    def lose_ram(self) -> None:
        """Lose what only lives while there is power."""
        self.write(RAM, bytes(RAM_LENGTH))

    def tear(self, changes: tuple[Change, ...], loading: bool, chance: random.Random) -> None:
        """Do what a power failure in the middle of these writes does.

        Half of the bytes are written. A piece of an application image may also come out as garbage.
        The checksum cell itself was being rewritten, so it is wrong even where old and new bytes are equal.
        """
        garbled = loading and chance.random() < _GARBLED
        remaining = sum(len(data) for _, data in changes) // 2
        for address, data in changes:
            torn = self._garble(address, len(data), chance) if garbled else data[:remaining]
            self.write(address, torn)
            if loading:
                self.loaded.note(address, torn)
            remaining -= min(remaining, len(data))
        if not changes or any(_within(address, _CONFIGURED) or address == _STATE_ADDRESS for address, _ in changes):
            self._configuration_sum = None
        if any(_within(address, _APPLICATION) for address, _ in changes):
            self._application_sum = None

    def _garble(self, address: int, length: int, chance: random.Random) -> bytes:
        """Make garbage; flags and state are cells of their own and stay as they are."""
        garbage = bytearray(chance.randbytes(length))
        for kept in (_FLAGS_ADDRESS, _STATE_ADDRESS):
            if address <= kept < address + length:
                garbage[kept - address] = self.read(kept, 1)[0]
        return bytes(garbage)

    def recompute(self, sums: Sums) -> None:
        """Store fresh checksums."""
        if sums & Sums.CONFIGURATION:
            self._configuration_sum = self._sum(_CONFIGURED)
        if sums & Sums.APPLICATION:
            self._application_sum = self._sum(_APPLICATION)

    def wrong_sums(self) -> Sums:
        """Tell which stored checksums do not fit the contents."""
        configuration = self._configuration_sum != self._sum(_CONFIGURED)
        application = self._application_sum != self._sum(_APPLICATION)
        return (Sums.CONFIGURATION if configuration else Sums.NONE) | (Sums.APPLICATION if application else Sums.NONE)

    def _sum(self, areas: tuple[tuple[int, int], ...]) -> int:
        """Stand in for the one-byte checksum of a Neuron chip, which would miss one error in 256."""
        result = 0
        for first, end in areas:
            for page in self.pages():
                start, stop = max(first, page), min(end, page + _PAGE)
                content = self.read(start, stop - start) if start < stop else b""
                if any(content):  # cells that were never written and cells with zeros in them are the same
                    result = crc32(start.to_bytes(4, "big") + content, result)
        return result


def _within(address: int, areas: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= address < end for first, end in areas)
