"""A list of things that fits in memory twice: groups, jobs, tasks, what was found, what can be picked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

from tui.console import Console
from tui.model.columns import GAP, Place
from tui.text import cut_end, fit, width_of
from tui.theme import Token
from tui.widgets.block import Line, Piece, width_of_line
from tui.widgets.table import LineTable

T = TypeVar("T")


class ListTable(LineTable, Generic[T]):
    """Shows a sequence of items; the cursor stays on its item when the sequence changes."""

    items: Sequence[T] = ()
    empty: Sequence[Line] = ()
    invitation: Sequence[str] = ()
    """What is missing, and hints how to come by it, where the list is empty and nothing else is to be said."""

    @abstractmethod
    def identity(self, item: T) -> Hashable:
        """What stays the same of an item when it changes."""

    @abstractmethod
    def cell(self, item: T, place: Place) -> Sequence[Piece]:
        """What stands in a column; it is cut and padded to it."""

    @property
    def current(self) -> T | None:
        """The item under the cursor."""
        return self.items[self.cursor] if self.items else None

    def show_items(self, items: Sequence[T]) -> None:
        """These are the items now."""
        before = [self.identity(item) for item in self.items]
        after = [self.identity(item) for item in items]
        self.items = items
        if before == after:
            self.refresh_visible()
            return
        if before and before[self.cursor] in after:
            self.place_cursor(after.index(before[self.cursor]))
        self.show(len(items))

    def when_empty(self) -> Sequence[Line]:
        """What the view has put there."""
        return self.empty or inviting(self.app, *self.invitation)

    def row_key(self, index: int) -> Hashable:
        """What it looks like."""
        return tuple(self.row(index, self.places))

    def row(self, index: int, places: Sequence[Place]) -> list[Piece]:
        """The columns."""
        line: list[Piece] = []
        for place in places:
            line += fitted(self.cell(self.items[index], place), place, self.app.appearance.glyphs.ellipsis)
            if place is not places[-1]:
                line.append((" " * GAP, line[-1][1]))
        return line


def inviting(app: Console, missing: str = "", *hints: str) -> list[Line]:
    """What an empty list says: what is missing, and the keys that help; no hint that names a key that is not there."""
    told = [app.hint(f"    {hint}") for hint in hints]
    return [(), ((f"    {missing}", Token.STRONG),), (), *(line for line in told if line)]


def fitted(pieces: Sequence[Piece], place: Place, ellipsis: str) -> list[Piece]:
    """The pieces cut and padded to a column."""
    room = place.width
    shown: list[Piece] = []
    for text, token in pieces:
        cut = cut_end(text, room, ellipsis)
        shown.append((cut, token))
        room -= width_of(cut)
    padding = (fit("", place.width - width_of_line(shown)), Token.TEXT)
    return [padding, *shown] if place.column.right else [*shown, padding]
