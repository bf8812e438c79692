"""What the views of the main screen share."""

from __future__ import annotations

from typing import ClassVar

from textual import getters
from textual.containers import Vertical

from tui import flows
from tui.bindings import COMMANDS, Place
from tui.console import Console
from tui.model.devices import Change
from tui.screens.screen import Keys, keys_of
from tui.widgets.table import LineTable


class View(Vertical, inherit_bindings=False):
    """A view of the main screen: one list and what belongs to it."""

    PLACE: ClassVar[Place]
    app = getters.app(Console)

    @property
    def table(self) -> LineTable:
        """The list."""
        return self.query_one(LineTable)

    def keys(self) -> Keys:
        """The keys that are useful now, the best first."""
        return keys_of(self.app, self.PLACE, rows=self.table.count > 0)

    def hint(self) -> str:
        """A word on what the cursor is on."""
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What changes something is not there when nothing may be changed."""
        return self.app.may_run(action, COMMANDS[self.PLACE])

    def action_palette(self) -> None:
        """Choose from what can be done here."""
        flows.actions.choose_command(self.app, self.PLACE.value, self, COMMANDS[self.PLACE])

    def store_changed(self, change: Change) -> None:
        """Show what the store says now."""
        raise NotImplementedError
