"""How long operations keep a channel, counted in exchanges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from drivers.base import Capability, Estimate, ImageFacts
from drivers.lon.images import APB_RECORD_HEAD, WRITE_SIZE
from drivers.lon.update import PACKET_SIZE, SPACING_LEAST

EXCHANGE_SECONDS: Final = 0.012
"""Channel time of an average exchange on TP/FT-10 at its published 180 packets a second."""

EXCHANGES: Final[Mapping[Capability, int]] = {
    Capability.DISCOVER: 4,
    Capability.PROVISION: 7,
    Capability.DEPROVISION: 5,
    Capability.REPROVISION: 10,
    Capability.RESET: 3,
    Capability.SNAPSHOT: 25,
    Capability.RESTORE: 30,
    Capability.REPLACE: 65,
    Capability.IDENTIFY: 4,
    Capability.LOAD: 90,
}
"""Those of tables are for the middle-sized device: 15 addresses, some network variables, of which few differ. Those of
a load are for all but its records: configuration saved and restored, checksums, reset, and a look at it."""

PROGRAMMING_SECONDS: Final = 0.03
"""From one write of a record to the next, for a device that programs its memory; others have the channel meanwhile."""

BYTES_A_RECORD: Final[Mapping[str, int]] = {"apb": APB_RECORD_HEAD + WRITE_SIZE, "ndl": 2 * WRITE_SIZE + 13}
"""Of a file, by its type: NDL writes each byte in two digits, with 13 characters around them."""

UPDATE_EXCHANGES: Final = 25
"""Of a load by the Image Update Protocol, beside the packets, which go to all devices at once."""


def estimate(capability: Capability, image: ImageFacts | None, size: int) -> Estimate:
    """Device times overlap, the channel is what they share."""
    if capability is not Capability.LOAD or image is None:
        return Estimate(EXCHANGES.get(capability, 1) * EXCHANGE_SECONDS)
    if image.opaque:
        return Estimate(UPDATE_EXCHANGES * EXCHANGE_SECONDS, once=size / PACKET_SIZE * SPACING_LEAST)
    records = size / BYTES_A_RECORD.get(image.type, BYTES_A_RECORD["apb"])
    each = (EXCHANGES[Capability.LOAD] + records) * EXCHANGE_SECONDS
    return Estimate(each, once=records * PROGRAMMING_SECONDS)
