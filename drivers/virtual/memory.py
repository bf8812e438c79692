"""A device's non-volatile memory: where things lie in it, its checksums, what a power failure leaves.

The read-only structure and the configuration data lie where an FT 6050 has them (0xF000, measured on public
application images). The tables lie above everything a memory message can reach.
"""

from binascii import crc32
from enum import IntFlag

READ_ONLY = 0xF000
READ_ONLY_LENGTH = 0x2F
CONFIGURATION = READ_ONLY + READ_ONLY_LENGTH
CONFIGURATION_LENGTH = 25
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
ERROR_LOG = 0x202000

# Offsets in the read-only structure (LON Stack DX lon_types.h, wire traces).
MODEL = 0x06
FLAGS = 0x0A
PROGRAM_ID = 0x0D
STATE = 0x15

_PAGE = 256
_APPLICATION = ((0x5000, 0xE800), (EXTERNAL, EXTERNAL + EXTERNAL_LENGTH))
_CONFIGURED = (
    (CONFIGURATION, CONFIGURATION + CONFIGURATION_LENGTH),
    (DOMAINS, DOMAINS + DOMAIN_COUNT * DOMAIN_LENGTH),
    (ADDRESSES, ADDRESSES + ADDRESS_COUNT * ADDRESS_LENGTH),
    (VARIABLES, ERROR_LOG),
)
_STATE_ADDRESS = READ_ONLY + STATE

Change = tuple[int, bytes]


class Sums(IntFlag):
    """Which checksums a write brings up to date."""

    NONE = 0
    CONFIGURATION = 1
    APPLICATION = 2
    BOTH = 3


class Memory:
    """Sparse non-volatile memory; unwritten cells are zero."""

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._configuration_sum: int | None = None
        self._application_sum: int | None = None
        self.recompute(Sums.BOTH)

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
        """Write consecutive cells; the checksums stay as they are."""
        done = 0
        while done < len(data):
            page, offset = divmod(address + done, _PAGE)
            part = min(_PAGE - offset, len(data) - done)
            cells = self._pages.setdefault(page, bytearray(_PAGE))
            cells[offset : offset + part] = data[done : done + part]
            done += part

    def tear(self, changes: tuple[Change, ...]) -> None:
        """Do what a power failure in the middle of these writes does: half of the bytes, and no checksum.

        The checksum cell itself was being rewritten, so it is wrong even where old and new bytes are equal.
        """
        remaining = sum(len(data) for _, data in changes) // 2
        for address, data in changes:
            self.write(address, data[:remaining])
            remaining -= min(remaining, len(data))
        if not changes or any(_within(address, _CONFIGURED) or address == _STATE_ADDRESS for address, _ in changes):
            self._configuration_sum = None
        if any(_within(address, _APPLICATION) for address, _ in changes):
            self._application_sum = None

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
            for page in sorted(self._pages):
                start, stop = max(first, page * _PAGE), min(end, (page + 1) * _PAGE)
                if start < stop:
                    result = crc32(self.read(start, stop - start), result)
        return result


def _within(address: int, areas: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= address < end for first, end in areas)
