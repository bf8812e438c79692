"""What all full screens share: top line, message line, key line, and the keys that work everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

from textual import getters
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from tui.bindings import BACK, COMMANDS, EVERYWHERE, INTERRUPT, ON_A_ROW, ON_DEVICES, Command, Place, bindings, key_name
from tui.console import Console
from tui.model.devices import Change
from tui.widgets.bottom_lines import KeyLine, MessageLine
from tui.widgets.table import LineTable
from tui.widgets.too_small import TooSmall
from tui.widgets.top_line import TopLine

R = TypeVar("R")
Keys = Sequence[tuple[str, str]]
_ITS_OWN = {
    place: [command for command in commands if command not in ON_DEVICES] for place, commands in COMMANDS.items()
}
"""What is bound in a place apart from the actions on devices."""


def labelled(commands: Sequence[Command]) -> list[tuple[str, str]]:
    """What of the commands goes to the key line."""
    return [(key_name(command.keys[0]), command.label) for command in commands if command.label]


def keys_of(app: Console, place: Place, *, rows: bool = True) -> list[tuple[str, str]]:
    """What the key line says of a place, apart from the actions on devices; without `rows` there is nothing listed."""
    commands = _ITS_OWN[place]
    return labelled(app.commands([command for command in commands if rows or command.action not in ON_A_ROW]))


class FullScreen(Screen[R], Generic[R], inherit_bindings=False):
    """A screen between the top line and the two bottom lines. A subclass brings the body and says its keys."""

    BINDINGS = bindings(INTERRUPT, *EVERYWHERE)
    AUTO_FOCUS = ""
    PLACE: ClassVar[Place] = Place.TEXT

    app = getters.app(Console)

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield TopLine()
        yield from self.body()
        yield MessageLine()
        yield KeyLine()
        yield TooSmall()

    def on_mount(self) -> None:
        """Follow the store."""
        self.app.store_changed.subscribe(self, self.store_changed)
        for table in self.query(LineTable):
            table.when_moved = self.refresh_keys
        self.refresh_keys()

    def body(self) -> Sequence[Widget]:
        """What is between the lines."""
        raise NotImplementedError

    def keys(self) -> Keys:
        """The keys that are useful now, the best first."""
        return keys_of(self.app, self.PLACE)

    def hint(self) -> str:
        """A word on what the cursor is on, where there is more to say than fits its row."""
        return ""

    def place(self) -> Place:
        """Where the operator is, for the help page."""
        return self.PLACE

    def store_changed(self, change: Change) -> None:
        """Show what the store says now."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What changes something is not there when nothing may be changed."""
        return self.app.may_run(action, COMMANDS[self.PLACE])

    def refresh_keys(self) -> None:
        """Say anew what the keys do; a screen that is going away has lost its lines already."""
        if not self.display:
            return
        typing = isinstance(self.focused, Input)  # which takes the question mark too
        self.query_one(KeyLine).show([*self.keys(), *([] if typing else labelled(self.app.commands(EVERYWHERE))[-1:])])
        message_line = self.query_one(MessageLine)
        message_line.hint = self.hint()
        message_line.update()

    def on_screen_resume(self) -> None:
        """What changed meanwhile is shown."""
        if self.is_mounted:
            self.store_changed(Change(frozenset(), moved=True))
            self.refresh_keys()


class PushedScreen(FullScreen[None]):
    """A screen on top of the main one; going back closes it."""

    BINDINGS = bindings(BACK, INTERRUPT, *EVERYWHERE)

    def keys(self) -> Keys:
        """Back is among them."""
        return [*super().keys(), *labelled(self.app.commands([BACK]))]

    def action_back(self) -> None:
        """Close it."""
        self.dismiss()
