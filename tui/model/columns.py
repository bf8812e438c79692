"""Columns of a list and how they share the width: the least important are dropped first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

GAP: Final = 2
"""Cells between two columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `least` to `most` cells. With `drop` 0 it is always shown; the highest goes first.

    It is given its `good` width before any other gets more than that, the first column first by
    `grow`; a column of LUXURY is shown only where all the others have theirs.
    """

    name: str
    title: str
    least: int
    most: int
    drop: int = 0
    right: bool = False
    good: int = 0
    grow: int = 5


LUXURY: Final = 7
"""Columns dropped with this or more give way to the good width of others."""


@dataclass(frozen=True, slots=True)
class Place:
    """A column that is shown, where it begins and how wide it is."""

    column: Column
    start: int
    width: int


def share(columns: Sequence[Column], width: int, indent: int = 0) -> tuple[Place, ...]:
    """The columns that fit, placed from left to right."""
    room = width - indent
    shown = _that_fit(columns, room)
    widths = {column.name: column.least for column in shown}
    spare = room - _needed(shown)
    for column in sorted(shown, key=lambda column: column.grow):
        more = max(0, min(spare, column.good - column.least))
        widths[column.name] += more
        spare -= more
    while spare > 0:
        hungry = [column for column in shown if widths[column.name] < column.most][:spare]
        if not hungry:
            break
        for column in hungry:
            widths[column.name] += 1
        spare -= len(hungry)
    if spare < 0:  # narrower than the columns that never drop: the last ones are cut
        for column in reversed(shown):
            cut = min(-spare, widths[column.name] - 1)
            widths[column.name] -= cut
            spare += cut
    places = []
    start = indent
    for column in shown:
        places.append(Place(column, start, widths[column.name]))
        start += widths[column.name] + GAP
    return tuple(places)


def _that_fit(columns: Sequence[Column], room: int) -> list[Column]:
    shown = list(columns)
    while True:
        droppable = [column for column in shown if column.drop]
        if not droppable:
            return shown
        worst = max(reversed(droppable), key=lambda column: column.drop)
        luxury = worst.drop >= LUXURY
        if (_comfortable(shown) if luxury else _needed(shown)) <= room:
            return shown
        shown.remove(worst)


def _comfortable(columns: Sequence[Column]) -> int:
    return _needed(columns) + sum(max(column.good - column.least, 0) for column in columns)


def _needed(columns: Sequence[Column]) -> int:
    return sum(column.least for column in columns) + GAP * (len(columns) - 1)
