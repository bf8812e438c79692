"""The palette: every action with its key and for how many it is offered, or why not; and what else can be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.actions import ACTIONS, Action, Scope
from core.models import Device
from tui.bindings import ON_DEVICES, Command, key_name
from tui.model.columns import Column
from tui.screens.pick import Item, PickDialog
from tui.text import plural

SHORTEST_TITLE: Final = 22


@dataclass(frozen=True, slots=True)
class Chosen:
    """An action of the catalogue; `everywhere`: on all devices of the site, not on the subject."""

    action: Action
    everywhere: bool = False


class Palette(PickDialog[Chosen | Command]):
    """Returns what was chosen: an action on the subject or on all devices, or a command of the place."""

    def __init__(self, title: str, scope: Scope | None, devices: Sequence[Device], commands: Sequence[Command]) -> None:
        titles = [action.title(scope) for action in ACTIONS] if scope is not None else []
        super().__init__(title, columns([*titles, *(command.title for command in commands)]))
        self._scope = scope
        self._devices = devices
        self._commands = commands

    def items(self, typed: str) -> Sequence[Item[Chosen | Command]]:
        """The catalogue in its order, the commands of the place, and the catalogue again for all devices."""
        commands = [self._command(command) for command in self.app.commands(self._commands) if command.title]
        if self._scope is None or self.app.read_only:
            return commands
        return [
            *(self._action(action, self._scope) for action in ACTIONS if self._scope in action.scopes),
            *commands,
            *(self._everywhere(action) for action in ACTIONS if Scope.ALL in action.scopes),
        ]

    def _action(self, action: Action, scope: Scope) -> Item[Chosen | Command]:
        refusals = self.app.site.refusals(action, self._devices)
        offered = sum(reason is None for reason in refusals)
        title = action.title(scope)
        refusal = "" if offered else _why_none(refusals)
        if not offered:
            offer = refusal
        elif len(self._devices) == 1:
            offer = action.help
        else:
            offer = f"{offered:,} of {len(self._devices):,}"
        (command,) = self.app.commands([ON_DEVICES[ACTIONS.index(action)]])
        return Item(Chosen(action), (title, command.shown, offer), f"{title} {action.name}".casefold(), refusal)

    def _everywhere(self, action: Action) -> Item[Chosen | Command]:
        title = action.title(Scope.ALL)
        count = plural(len(self.app.site.devices), "device")
        return Item(Chosen(action, True), (title, "", f"{count}; the plan says which"), f"{title} site".casefold())

    def _command(self, command: Command) -> Item[Chosen | Command]:
        cells = (command.title, key_name(command.keys[0]), command.help)
        return Item(command, cells, f"{command.title} {command.help} command".casefold())


def _why_none(refusals: Sequence[str | None]) -> str:
    counted = Counter(refusals).most_common()
    if not counted:
        return "none: no devices"
    if len(refusals) == 1:
        return counted[0][0] or ""
    return "none: " + ", ".join(f"{count} {reason}" if len(counted) > 1 else f"{reason}" for reason, count in counted)


def columns(titles: Sequence[str]) -> Sequence[Column]:
    """The columns for actions of these titles, none of which is cut where there is room."""
    longest = max(map(len, titles), default=SHORTEST_TITLE)
    return (
        Column("title", "Action", SHORTEST_TITLE, max(longest, SHORTEST_TITLE), good=longest, grow=1),
        Column("key", "Key", 3, 3),
        Column("offer", "Offered", 12, 80, good=80, grow=2),
    )
