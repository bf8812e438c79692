"""The URL of a LON port: which serial port it is, and which family of interface hangs on it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import normpath
from typing import Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from core.errors import FieldhandError, Kind
from drivers.lon import mip_u50, mip_u61
from drivers.lon.interface import NetworkInterface


@dataclass(frozen=True, slots=True)
class PortUrl:
    """What a port URL says."""

    path: str
    interface: str = "u50"
    baud: int | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """From any usual form; raises INVALID."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise _invalid(url, "a LON port is written lon:///dev/ttyACM0") from error
        path = unquote(parts.path)
        if parts.scheme != "lon":
            raise _invalid(url, "a LON port is written lon:///dev/ttyACM0")
        if parts.netloc or not path.startswith("/") or parts.fragment or "\x00" in path:
            raise _invalid(url, "it takes the path of a serial port behind three slashes: lon:///dev/ttyACM0")
        if path.endswith("/"):
            raise _invalid(url, "that is a directory: it takes the path of a serial port, such as lon:///dev/ttyACM0")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        interface = options.pop("interface", "u50").lower()
        if interface not in FAMILIES:
            raise _invalid(url, f"interface is {' or '.join(FAMILIES)}, not {interface!r}")
        baud = options.pop("baud", None)
        if baud is not None and not (re.fullmatch(r"[0-9]{1,7}", baud) and int(baud) >= 1200):
            raise _invalid(url, f"baud is a number of bits per second such as 115200, not {baud!r}")
        if options:
            raise _invalid(url, f"there is no option {next(iter(options))!r}, only interface and baud")
        rate = None if baud is None or int(baud) == FAMILIES[interface].baud else int(baud)
        return cls(re.sub("^/+", "/", normpath(path)), interface, rate)

    def __str__(self) -> str:
        options = []
        if self.interface != "u50":
            options.append(f"interface={self.interface}")
        if self.baud is not None:
            options.append(f"baud={self.baud}")
        return f"lon://{quote(self.path)}" + (f"?{'&'.join(options)}" if options else "")

    def make_interface(self) -> NetworkInterface:
        """The link that it speaks."""
        family = FAMILIES[self.interface]
        return family.make(self.baud or family.baud)


@dataclass(frozen=True, slots=True)
class Family:
    """A family of interfaces: how people know it, the link it speaks, and its baud rate."""

    words: str
    make: type[mip_u50.MipU50] | type[mip_u61.MipU61]
    baud: int


FAMILIES: Final = {
    "u50": Family("LON, U50", mip_u50.MipU50, mip_u50.BAUD),
    "u61": Family("LON, U61", mip_u61.MipU61, mip_u61.BAUD),
}


def _invalid(url: str, reason: str) -> FieldhandError:
    return FieldhandError(Kind.INVALID, what="port", value=url, reason=reason)
