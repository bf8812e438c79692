"""Which theme."""

from __future__ import annotations

from collections.abc import Sequence

from tui.model.columns import Column
from tui.screens.pick import Item, PickDialog
from tui.theme import THEMES

COLUMNS = (Column("theme", "Theme", 14, 20), Column("now", "", 12, 20))


class ThemePicker(PickDialog[str]):
    """Returns the theme's name."""

    def __init__(self, now: str) -> None:
        super().__init__("Theme", COLUMNS)
        self._now = now

    def items(self, typed: str) -> Sequence[Item[str]]:
        """All of them."""
        return [Item(theme, (theme, "used now" if theme == self._now else ""), theme) for theme in THEMES]
