"""By which column the devices are sorted."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.columns import Column
from tui.screens.pick import Item, PickDialog

COLUMNS = (Column("column", "Column", 12, 16), Column("then", "", 24, 50))


class OrderPicker(PickDialog[str]):
    """Returns the column's name; also of columns for which the window is too narrow."""

    def __init__(self, columns: Sequence[Column], now: str) -> None:
        super().__init__("Sort by", COLUMNS)
        self._columns = columns
        self._now = now

    def items(self, typed: str) -> Sequence[Item[str]]:
        """All columns, and what settles what is equal in them."""
        before = next(column.title for column in self._columns if column.name == self._now)
        return [
            Item(
                column.name,
                (column.title, "sorted by it now" if column.name == self._now else f"then by {before}, then by name"),
                column.title.casefold(),
            )
            for column in self._columns
        ]
