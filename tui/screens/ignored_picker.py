"""The devices that a search does not offer: which, since when, by whom; Enter lets one be offered again."""

from __future__ import annotations

from collections.abc import Sequence

from textual.widget import Widget

from core.models import Ignored
from tui.bindings import LEAVE, SUBMIT, in_words
from tui.model.columns import Column
from tui.screens.ask import Words
from tui.screens.pick import Item, PickDialog
from tui.text import age, clean
from tui.theme import Token

COLUMNS = (
    Column("name", "Name", 14, 40, good=24, grow=1),
    Column("uid", "UID", 12, 12),
    Column("since", "Since", 4, 4, right=True),
    Column("by", "By", 6, 14, drop=3),
)


class IgnoredPicker(PickDialog[Ignored]):
    """Returns the device that is to be offered again."""

    def __init__(self, ignored: Sequence[Ignored]) -> None:
        super().__init__("Ignored devices", COLUMNS)
        self._ignored = ignored

    def items(self, typed: str) -> Sequence[Item[Ignored]]:
        """All of them."""
        now = self.app.clock.now()
        return [
            Item(
                known,
                (clean(known.name), known.uid, age(now - known.at), clean(known.by)),
                f"{known.name} {known.uid} {known.by}".casefold(),
            )
            for known in self._ignored
        ]

    def body(self) -> Sequence[Widget]:
        """With the keys."""
        return *super().body(), Words(
            in_words((SUBMIT, "offer it again when it is found"), (LEAVE, "Cancel")), Token.MUTED
        )
