"""The selections that were kept: select one of them again, keep what is selected now, or forget one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.widget import Widget

from tui.bindings import FORGET, LEAVE, SUBMIT, Place, bindings, in_words
from tui.kept import Selections
from tui.model.columns import Column
from tui.screens.ask import Words
from tui.screens.pick import Item, PickDialog
from tui.text import clean, plural
from tui.theme import Token

COLUMNS = (Column("name", "Selection", 20, 50), Column("devices", "Devices", 14, 26))


@dataclass(frozen=True, slots=True)
class Restore:
    """Select these devices."""

    name: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep what is selected under this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Keep it no longer; its devices stay."""

    name: str


class SelectionPicker(PickDialog[Restore | Keep | Forget]):
    """Returns what shall be done with which selection."""

    PLACE = Place.KEPT
    BINDINGS = bindings(FORGET)

    def __init__(self, kept: Selections, selected: int) -> None:
        super().__init__("Kept selections", COLUMNS, placeholder="type to narrow, or a new name")
        self._kept = kept
        self._selected = selected

    def body(self) -> Sequence[Widget]:
        """With the keys."""
        return *super().body(), Words(
            in_words((SUBMIT, "select, or keep"), (FORGET, "forget"), (LEAVE, "Cancel")), Token.MUTED
        )

    def items(self, typed: str) -> Sequence[Item[Restore | Keep | Forget]]:
        """Those there are, and what is selected now under the name that was typed."""
        found: list[Item[Restore | Keep | Forget]] = [
            Item(Restore(name), (clean(name), plural(len(ids), "device")), name.casefold())
            for name, ids in self._kept.items()
        ]
        name = clean(typed.strip())
        if self._selected and name:
            what = f"the {self._selected:,} selected" + (" instead" if name in self._kept else "")
            found.append(Item(Keep(name), (f"Keep {name}", what), f"keep {typed}".casefold()))
        if not found:
            why = "type a name for the selection" if self._selected else "select devices first, then keep them here"
            found.append(Item(Keep(""), ("none kept yet", ""), "", why))
        return found

    def action_forget(self) -> None:
        """The one under the cursor."""
        if isinstance(self.current, Restore):
            self.dismiss(Forget(self.current.name))
