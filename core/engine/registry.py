"""Which protocols there are: drivers are found by entry point, so that others can add theirs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Final

from core.errors import FieldhandError, Kind
from drivers.base import Capability, Driver

ENTRY_POINTS: Final = "fieldhand.drivers"


@cache
def drivers() -> Mapping[str, type[Driver]]:
    """The driver of each protocol, by the protocol's name, which is also the scheme of its port URLs."""
    found: dict[str, type[Driver]] = {}
    for entry in entry_points(group=ENTRY_POINTS):
        driver = entry.load()
        found[driver.protocol] = driver
    return found


def driver(protocol: str) -> type[Driver]:
    """The driver of a protocol; raises UNKNOWN_PROTOCOL."""
    try:
        return drivers()[protocol]
    except KeyError:
        raise FieldhandError(
            Kind.UNKNOWN_PROTOCOL, protocol=protocol, known=", ".join(sorted(drivers())) or "none"
        ) from None


def driver_of_url(url: str) -> type[Driver]:
    """The driver of a port URL; raises INVALID or UNKNOWN_PROTOCOL."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise FieldhandError(Kind.INVALID, what="port", value=url, reason="it takes a URL such as lon:///dev/ttyACM0")
    return driver(scheme.lower())


def capabilities() -> Mapping[str, frozenset[Capability]]:
    """What the driver of each protocol can do."""
    return {name: kind.capabilities for name, kind in drivers().items()}


def other_tools() -> frozenset[str]:
    """The protocols whose networks another tool may manage."""
    return frozenset(name for name, kind in drivers().items() if kind.other_tools)
