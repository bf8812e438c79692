"""Pick one of a list by typing a part of it, a few of its letters, or with the arrows: what all pickers share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from textual import on
from textual.widget import Widget
from textual.widgets import Input

from tui.bindings import COMMANDS, bindings
from tui.bindings import Place as KeyPlace
from tui.model.columns import Column, Place
from tui.model.fuzzy import by_beginnings, in_order
from tui.screens.dialog import Complaint, Dialog
from tui.theme import Token
from tui.widgets.block import Piece
from tui.widgets.field import Field
from tui.widgets.list_table import ListTable

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Item(Generic[R]):
    """Something to pick. `refusal` is why it cannot be picked, "" when it can."""

    value: R
    cells: tuple[str, ...]
    search: str
    refusal: str = ""


class PickTable(ListTable[Item[R]], Generic[R]):
    """The items that match what was typed."""

    can_focus = False

    def identity(self, item: Item[R]) -> Hashable:
        """What is searched for is different for each."""
        return item.search

    def cell(self, item: Item[R], place: Place) -> Sequence[Piece]:
        """Grey when it cannot be picked."""
        at = [column.name for column in self.columns].index(place.column.name)
        token = Token.MUTED if item.refusal or at else Token.STRONG
        return ((item.cells[at], token),)


class PickDialog(Dialog[R], Generic[R]):
    """A field, a list, and what is wrong."""

    PLACE = KeyPlace.PICK
    BINDINGS = bindings(*COMMANDS[KeyPlace.PICK])

    def __init__(self, title: str, columns: Sequence[Column], *, placeholder: str = "type to narrow") -> None:
        super().__init__(title)
        self._table: PickTable[R] = PickTable(columns)
        self._table.empty = ((("    Nothing matches.", Token.MUTED),),)
        self._field = Field(placeholder=placeholder)

    def items(self, typed: str) -> Sequence[Item[R]]:
        """What can be picked now."""
        raise NotImplementedError

    def body(self) -> Sequence[Widget]:
        """From top to bottom."""
        return self._field, self._table, Complaint()

    def first(self) -> Widget:
        """Typing narrows at once."""
        return self._field

    def on_mount(self) -> None:
        """Show everything."""
        self._narrow()

    @property
    def current(self) -> R | None:
        """What the cursor is on."""
        item = self._table.current
        return item.value if item else None

    def action_move(self, rows: int) -> None:
        """Up and down, over the ends."""
        if self._table.count:
            self._table.move_cursor((self._table.cursor + rows) % self._table.count)
        self.query_one(Complaint).say("")

    @on(Input.Changed)
    def _narrow(self) -> None:
        typed = self._field.value.casefold()
        found = [(farness, item) for item in self.items(self._field.value) if (farness := _farness(typed, item)) >= 0]
        found.sort(key=lambda one: (bool(one[1].refusal) and bool(typed), one[0]))
        self._table.show_items([item for _, item in found])
        self._table.styles.height = max(len(self.items("")), len(found), 1)
        self._table.move_cursor(0)
        self.query_one(Complaint).say("")

    @on(Input.Submitted)
    def _picked(self) -> None:
        item = self._table.current
        if item is None:
            return
        if item.refusal:
            self.query_one(Complaint).say(f"{item.cells[0]}: {item.refusal}")
        else:
            self.dismiss(item.value)


def _farness(typed: str, item: Item[R]) -> int:
    """How far from its name something was typed; -1 when it is not meant at all."""
    name = item.cells[0].casefold()
    ways = (typed in name, by_beginnings(typed, name), typed in item.search, in_order(typed, name))
    return ways.index(True) if any(ways) else -1
