"""How long operations keep a line: characters at its speed, and the time that devices take to answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from drivers.base import Capability, Estimate
from drivers.modbus.bus import Line
from drivers.modbus.frames import MOST_FILE_REGISTERS

EXCHANGES: Final[Mapping[Capability, int]] = {
    Capability.PROVISION: 5,
    Capability.DEPROVISION: 5,
    Capability.REPLACE: 12,
    Capability.SNAPSHOT: 6,
    Capability.RESTORE: 8,
    Capability.RESET: 4,
    Capability.WINK: 8,
    Capability.LOAD: 12,
}
"""Those of a load are for all but the image itself."""

EXCHANGES_OF_OTHERS: Final = 3

CHARACTERS: Final = 20
"""Of request and response together, where a few registers are read."""

ANSWER_SECONDS: Final = 0.01
"""What a device takes to answer."""

TIMES_ON_THE_LINE: Final = 3
"""An image that goes to files is sent, repeated in the response, and read back. Through a bootloader it goes once, but
with time to program: of the two this is the longer one, and which it will be is known only when the device is asked."""


def estimate(capability: Capability, line: Line, size: int) -> Estimate:
    """Devices share one line, one after the other."""
    exchanges = EXCHANGES.get(capability, EXCHANGES_OF_OTHERS)
    blocks = size / (2 * MOST_FILE_REGISTERS)
    characters = exchanges * CHARACTERS + 2 * blocks * CHARACTERS + TIMES_ON_THE_LINE * size
    pauses = (exchanges + 2 * blocks) * (ANSWER_SECONDS + 2 * line.gap)
    return Estimate(characters * line.character + pauses)
