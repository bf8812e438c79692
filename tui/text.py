"""Text on its way to the screen: cleaned, cut to cells, ages and durations in few characters."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from rich.cells import cell_len, chop_cells

from core.text import printable

MINUTE, HOUR, DAY = 60, 3600, 86400
KILO: Final = 1000
JUST_NOW: Final = 10.0
"""Seconds up to which a thing was seen "now"."""
_DIGITS = re.compile(r"[0-9]+")


def clean(text: str) -> str:
    """The text as it may go to a terminal: one line, no control characters."""
    return text if text.isascii() and text.isprintable() else _printable(text)


_printable = lru_cache(maxsize=20_000)(printable)


def width_of(text: str) -> int:
    """How many cells the text takes."""
    return len(text) if text.isascii() else cell_len(text)


def cut_end(text: str, width: int, ellipsis: str = "…") -> str:
    """The text, its end cut off where it does not fit."""
    if width_of(text) <= width:
        return text
    return (_head(text, max(width - len(ellipsis), 0)) + ellipsis)[: max(width, 0)]


def cut_middle(text: str, width: int, ellipsis: str = "…") -> str:
    """The text, cut in the middle where it does not fit: names differ least there."""
    if width_of(text) <= width:
        return text
    room = width - len(ellipsis)
    if room < 2:
        return cut_end(text, width, ellipsis)
    tail = room // 2
    return _head(text, room - tail) + ellipsis + _tail(text, tail)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """The text padded to exactly that many cells; it must not be longer."""
    padding = " " * (width - width_of(text))
    return padding + text if right else text + padding


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most that many cells, broken between words where there are any."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        candidate = f"{line} {word}" if line else word
        if width_of(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        *full, line = chop_cells(word, max(width, 1)) or [""]
        lines += full
    return [*lines, line]


def age(seconds: float) -> str:
    """How long ago, compact: now, 10 s, 3 m, 2 h, 4 d. Steps are coarse, so that a quiet screen stays quiet."""
    if seconds < MINUTE:
        return "now" if seconds < JUST_NOW else f"{int(seconds // JUST_NOW * JUST_NOW)} s"
    return _compact(seconds)


def ago(seconds: float) -> str:
    """The same in a sentence: just now, 10 s ago."""
    return "just now" if seconds < JUST_NOW else f"{age(seconds)} ago"


def duration(seconds: float) -> str:
    """How long, compact: 4 s, 3 m, 2 h, 4 d; tenths below ten seconds would only flicker."""
    return _compact(max(seconds, 1.0)) if seconds > 0 else "0 s"


def exact(seconds: float) -> str:
    """How long something took: tenths for what is short."""
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    return f"{int(seconds // MINUTE)} m {int(seconds % MINUTE):02d} s"


def size(count: int) -> str:
    """Bytes, compact: 812 B, 48.7 kB, 1.2 MB."""
    if count < KILO:
        return f"{count} B"
    return f"{count / KILO:.1f} kB" if count < KILO * KILO else f"{count / KILO / KILO:.1f} MB"


def day(seconds: float) -> str:
    """A date: 2027-01-15 (UTC)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def local(seconds: float) -> str:
    """A time as the clock on the wall shows it: 2027-01-15 08:00:00."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def plural(count: int, one: str, many: str = "") -> str:
    """The count with its noun: 1 device, 2 devices."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def natural(text: str) -> str:
    """A sort key in which AHU-2 comes before AHU-10 and case does not matter: numbers get their length in front."""
    return _DIGITS.sub(_with_length, text.casefold())


def _with_length(digits: re.Match[str]) -> str:
    number = digits[0].lstrip("0")
    return f"{len(number):02}{number}"


def _compact(seconds: float) -> str:
    if seconds < MINUTE:
        return f"{int(seconds)} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} m"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h"
    return f"{int(seconds // DAY)} d"


def _head(text: str, width: int) -> str:
    return text[:width] if text.isascii() else next(iter(chop_cells(text, width)), "") if width else ""


def _tail(text: str, width: int) -> str:
    start = len(text)
    taken = 0
    while start and taken + width_of(text[start - 1]) <= width:
        start -= 1
        taken += width_of(text[start])
    return text[start:]
