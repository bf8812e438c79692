"""Modbus port URLs: `modbus:///dev/ttymxc2?baud=9600&parity=N`, with defaults as the standard has them.

19200 baud with even parity: "MODBUS over Serial Line Specification and Implementation Guide V1.02" §2.5.1, §3.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from posixpath import basename, normpath
from typing import Any, Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from core.errors import FieldhandError, Kind
from drivers.modbus.bus import Line
from drivers.modbus.frames import FIRST_UNIT, LAST_UNIT
from drivers.modbus.names import LINE_NAME

EXAMPLE: Final = "modbus:///dev/ttymxc2"

LONGEST_GUESS: Final = 20
"""Characters of the name of a line that is made from the name of a device which cannot be one."""

TIMES: Final = (0.01, 60.0)
"""Seconds that a unit may be waited for, at least and at most."""

STANDARD: Final = Line()

USUAL_LINES: Final = {"19200 8E1": STANDARD, "9600 8N1": Line(baud=9600, parity="N")}
"""What is met most: what the standard asks for, and what units of many makers come with."""

UNITS: Final = (range(FIRST_UNIT, LAST_UNIT + 1),)


@dataclass(frozen=True, slots=True)
class Port:
    """What a port URL says. `line_name` is what its units are told apart by from those of other lines."""

    path: str
    line_name: str
    line: Line = STANDARD
    units: tuple[range, ...] = UNITS

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises INVALID, naming the option."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise _invalid(url, f"a Modbus port is written {EXAMPLE}") from error
        path = unquote(parts.path)
        if parts.scheme != "modbus":
            raise _invalid(url, f"a Modbus port is written {EXAMPLE}")
        if parts.netloc or not path.startswith("/") or parts.fragment or "\x00" in path:
            raise _invalid(url, f"it takes the path of a serial port behind three slashes: {EXAMPLE}")
        if path.endswith("/"):
            raise _invalid(url, f"that is a directory: it takes the path of a serial port, such as {EXAMPLE}")
        path = re.sub("^/+", "/", normpath(path))
        said: dict[str, Any] = {}
        for name, text in parse_qsl(parts.query, keep_blank_values=True):
            if name not in _OPTIONS:
                raise _invalid(url, f"there is no option {name!r}, only {', '.join(_OPTIONS)}")
            if name in said:
                raise _invalid(url, f"{name} is given twice")
            value = _OPTIONS[name].read(text)
            if value is None:
                raise _invalid(url, f"{name} is {_OPTIONS[name].what}, not {text!r}")
            said[name] = value
        units, line_name = said.pop("units", UNITS), said.pop("line", _line_of(path))
        if line_name is None:
            raise _invalid(url, "the name of the device cannot be part of a UID: say line=NAME")
        return cls(path, line_name, Line(**said), units)

    def __str__(self) -> str:
        values = {name: getattr(self.line, name) for name in _LINE_OPTIONS}
        defaults = {name: getattr(STANDARD, name) for name in _LINE_OPTIONS}
        options = [f"{name}={_written(value)}" for name, value in values.items() if value != defaults[name]]
        if self.units != UNITS:
            options.append(f"units={ranges_in_words(self.units)}")
        if self.line_name != _line_of(self.path):
            options.append(f"line={self.line_name}")
        return f"modbus://{quote(self.path)}" + (f"?{'&'.join(options)}" if options else "")


def usual_urls(path: str) -> tuple[tuple[str, str], ...]:
    """The port at a path with the line settings that are met most: for people, and as URLs."""
    name = _line_of(path) or re.sub("[^A-Za-z0-9]", "", basename(path))[:LONGEST_GUESS] or "line"
    return tuple((f"Modbus, {words}", str(Port(path, name, line))) for words, line in USUAL_LINES.items())


@dataclass(frozen=True, slots=True)
class _Option:
    """How an option is read (None: it cannot be), and what it has to be."""

    what: str
    read: Callable[[str], Any]


def _baud(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,7}", text) and int(text) >= 300 else None


def _seconds(text: str) -> float | None:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text):
        return None
    least, most = TIMES
    return float(text) if least <= float(text) <= most else None


def _units(text: str) -> tuple[range, ...] | None:
    numbers: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", part.strip())
        if match is None:
            return None
        first, last = int(match[1]), int(match[2] or match[1])
        if not FIRST_UNIT <= first <= last <= LAST_UNIT:
            return None
        numbers.update(range(first, last + 1))
    starts = sorted(number for number in numbers if number - 1 not in numbers)
    stops = sorted(number + 1 for number in numbers if number + 1 not in numbers)
    return tuple(range(start, stop) for start, stop in zip(starts, stops, strict=True))


def _name(text: str) -> str | None:
    return text if LINE_NAME.fullmatch(text) else None


_OPTIONS: Final = {
    "baud": _Option("a number of bits per second such as 19200", _baud),
    "parity": _Option("E, O or N", lambda text: text.upper() if text.upper() in ("E", "O", "N") else None),
    "stop": _Option("1 or 2", lambda text: int(text) if text in ("1", "2") else None),
    "echo": _Option("1 where the port hears what it sends, else 0", {"0": False, "1": True}.get),
    "timeout": _Option("a number of seconds from 0.01 to 60", _seconds),
    "late": _Option("a number of seconds from 0.01 to 60", _seconds),
    "units": _Option("numbers and ranges from 1 to 247, such as 1-32,247", _units),
    "line": _Option("a short name of letters, digits and . _ : + -", _name),
}
_LINE_OPTIONS: Final = ("baud", "parity", "stop", "echo", "timeout", "late")


def ranges_in_words(units: tuple[range, ...]) -> str:
    """Such as `1-32,247`."""
    return ",".join(str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in units)


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(int(value))


def _line_of(path: str) -> str | None:
    name = basename(path)
    return name if LINE_NAME.fullmatch(name) else None


def _invalid(url: str, reason: str) -> FieldhandError:
    return FieldhandError(Kind.INVALID, what="port", value=url, reason=reason)
