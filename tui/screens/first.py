"""The first run: the site has no port yet. What this machine has, what to do with it, and how to begin without."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from textual.widget import Widget

from core.rpc import FindPorts, PortFound
from tui.bindings import COMMANDS, Place, bindings
from tui.console import READ
from tui.flows.ports import add_found, add_port
from tui.flows.practice import PRACTICE_DAYS, practise
from tui.flows.virtual_field import DEVICES
from tui.model.columns import Column
from tui.model.columns import Place as ColumnPlace
from tui.model.devices import Change
from tui.screens.port_finder import short_name, taken
from tui.screens.screen import Keys, PushedScreen, keys_of
from tui.text import clean, wrap
from tui.theme import Token
from tui.widgets.block import Block, Line, Piece
from tui.widgets.list_table import ListTable
from tui.widgets.table import TableHead

COLUMNS = (
    Column("port", "Serial port", 12, 24, good=16),
    Column("what", "What it is", 16, 50, good=28, grow=1),
    Column("who", "Held by", 16, 30, good=24),
)
INDENT: Final = 10
"""Cells that a key takes in the guide, with the air around it."""


class PlaceTable(ListTable[PortFound]):
    """The serial ports of this machine, one a line."""

    def identity(self, item: PortFound) -> Hashable:
        """Its most lasting name."""
        return item.path

    def cell(self, item: PortFound, place: ColumnPlace) -> Sequence[Piece]:
        """Grey when somebody has it."""
        match place.column.name:
            case "port":
                return ((short_name(item), Token.MUTED if taken(item) else Token.STRONG),)
            case "what":
                return ((clean(item.what), Token.MUTED),)
            case _:
                return ((taken(item), Token.WARNING),)


class Lead(Block):
    """What is missing."""

    def lines(self, width: int) -> Sequence[Line]:
        """With air around it."""
        return [(), ((" No port yet.", Token.STRONG), (" Devices are found through a serial port.", Token.TEXT)), ()]


class Guide(Block):
    """What can be done about it, key by key."""

    def lines(self, width: int) -> Sequence[Line]:
        """The keys, and where licenses come from when there is none."""
        summary = self.app.site.summary
        licensed = summary is None or summary.seats.capacity > 0
        practice = "" if licensed else f", and a license for {PRACTICE_DAYS} days"
        keys = (
            ("{first.try}", "tries what answers on the port, adds it, and searches it for devices"),
            (
                "{first.virtual}",
                f"adds a virtual field to practise on: {DEVICES} simulated devices{practice}. It ends with this "
                "console and starts afresh with the next",
            ),
            ("{first.other}", "another port, by its path or its URL"),
            ("{first.back}", "skips to the Devices view"),
        )
        lines: list[Line] = [()]
        for hint, text in keys:
            ((key, token),) = (piece for piece in self.app.hint(hint) if piece[0])
            for place, line in enumerate(wrap(text, width - INDENT - 1)):
                lines.append(((f"   {key if not place else '':<{INDENT - 3}}", token), (line, Token.TEXT)))
        if not licensed:
            words = "No license yet: devices stay unlicensed, and cannot be provisioned, until one is added:"
            lines += [(), *(((f" {line}", Token.WARNING),) for line in wrap(words, width - 2))]
            lines.append(self.app.hint(" {first.back}, {view-licenses} Licenses, {licenses.add}"))
        return lines


class FirstScreen(PushedScreen):
    """Leads from nothing to a port; gone as soon as the site has one."""

    PLACE = Place.FIRST
    BINDINGS = bindings(*COMMANDS[Place.FIRST])

    def __init__(self) -> None:
        super().__init__()
        self._table = PlaceTable(COLUMNS)
        self._over = False

    def body(self) -> Sequence[Widget]:
        """What is missing, what there is, what to do."""
        return Lead(), TableHead(self._table), self._table, Guide()

    def on_mount(self) -> None:
        """Look at once."""
        self.set_focus(self._table)
        self.action_look()

    def keys(self) -> Keys:
        """Those of the guide; going back is skipping."""
        return keys_of(self.app, self.PLACE)

    def hint(self) -> str:
        """The lasting name of the port under the cursor."""
        port = self._table.current
        return clean(port.path) if port is not None and port.path != port.device else ""

    def store_changed(self, change: Change) -> None:
        """There is a port: whoever added it, this is over."""
        if not self.app.site.ports:
            self.query_one(Guide).changed()
        elif self.app.screen is self and not self._over:
            self.action_back()

    def action_back(self) -> None:
        """Close it, once: leaving takes a moment in which the store may change again."""
        self._over = True
        super().action_back()

    def on_line_table_moved(self) -> None:
        """Another port, another hint."""
        self.refresh_keys()

    def action_look(self) -> None:
        """Look which ports there are."""
        self.run_worker(self.app.guard(self._look()), group=READ, exclusive=True)

    def action_try(self) -> None:
        """See what answers on the port under the cursor."""
        port = self._table.current
        if port is None:
            hint = "{first.other} takes a path, {first.virtual} a virtual field"
            self.app.say("no serial port on this machine", hint=hint)
        elif taken(port):
            held = f"{short_name(port)} is held by {taken(port)}"
            self.app.say(held, bad=True, hint="end that, then {first.look} looks again")
        else:
            self.app.begin(add_found(self.app, port))

    def action_virtual(self) -> None:
        """Practise."""
        self.app.begin(practise(self.app))

    def action_other(self) -> None:
        """Type a path or a URL."""
        self.app.begin(add_port(self.app))

    async def _look(self) -> None:
        found = await self.app.call(FindPorts())
        self._table.empty = (((("  None on this machine."), Token.MUTED),),)
        self._table.show_items(found)
        self._table.styles.height = max(len(found), 1)
        self.refresh_keys()
