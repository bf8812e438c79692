"""The Ports view: each port with its state, its devices, and its monitoring."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult

from core.models import Port, PortState
from tui.bindings import COMMANDS, Place, bindings
from tui.flows import ports
from tui.model.columns import Column
from tui.model.columns import Place as ColumnPlace
from tui.model.devices import Change
from tui.screens.view import View
from tui.text import clean
from tui.theme import Token
from tui.widgets.block import Piece
from tui.widgets.list_table import ListTable
from tui.widgets.table import TableHead

COLUMNS = (
    Column("name", "Port", 8, 20, good=10, grow=1),
    Column("state", "State", 10, 60, good=20, grow=2),
    Column("devices", "Devices", 7, 8, right=True),
    Column("rate", "Ev/s", 6, 7, right=True),
    Column("monitoring", "Monitoring", 14, 30, good=18, grow=1),
    Column("protocol", "Protocol", 8, 10, drop=6),
    Column("url", "URL", 12, 60, good=24, drop=7, grow=3),
)
_STATES = {
    PortState.OPEN: Token.GOOD,
    PortState.OPENING: Token.ACCENT,
    PortState.LOST: Token.BAD,
    PortState.CLOSED: Token.MUTED,
}


@dataclass(frozen=True)
class PortRow:
    """A port and its events per second; None before they were measured."""

    port: Port
    rate: float | None


class PortTable(ListTable[PortRow]):
    """One line a port."""

    def identity(self, item: PortRow) -> Hashable:
        """Its id."""
        return item.port.id

    def cell(self, item: PortRow, place: ColumnPlace) -> Sequence[Piece]:
        """How it stands, and whether its devices are being watched."""
        port = item.port
        match place.column.name:
            case "name":
                return ((clean(port.name), Token.STRONG),)
            case "state":
                why = f": {clean(port.detail)}" if port.detail else ""
                return ((f"{port.state.value}{why}", _STATES[port.state]),)
            case "monitoring":
                text = monitoring(port)
                return ((text, Token.TEXT if text == "on" else Token.WARNING),)
            case column:
                texts = {
                    "devices": f"{port.devices:,}",
                    "rate": "" if item.rate is None else f"{item.rate:.1f}",
                    "protocol": clean(port.protocol),
                    "url": clean(port.url),
                }
                return ((texts[column], Token.MUTED),)


def monitoring(port: Port) -> str:
    """Whether the devices of a port are being watched, and if not, why."""
    if port.paused:
        return "paused by hand"
    if port.paused_by:
        jobs = ", ".join(str(job) for job in port.paused_by)
        return f"paused by job {jobs}"
    return "on"


class PortsView(View):
    """Titles and list."""

    PLACE = Place.PORTS
    BINDINGS = bindings(*COMMANDS[Place.PORTS])

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        table = PortTable(COLUMNS)
        table.invitation = (
            "No ports yet.",
            "{ports.add}  adds one: a serial port of this machine, or a virtual field",
        )
        yield TableHead(table)
        yield table

    def on_mount(self) -> None:
        """Follow the monitoring."""
        self.app.measured.subscribe(self, lambda _: self._show())

    @property
    def table(self) -> PortTable:
        """The list."""
        return self.query_one(PortTable)

    def store_changed(self, change: Change) -> None:
        """The ports as they are now."""
        self._show()

    def hint(self) -> str:
        """Why the port under the cursor is not open, in full."""
        port = self.port
        return f"{clean(port.name)}, {clean(port.url)}: {clean(port.detail) or port.state.value}" if port else ""

    @property
    def port(self) -> Port | None:
        """The port under the cursor."""
        return self.table.current.port if self.table.current else None

    def action_pause(self) -> None:
        """Pause its monitoring, or resume it."""
        if self.port:
            self.app.begin(ports.pause(self.app, self.port))

    def action_pause_all(self) -> None:
        """Pause the monitoring of all ports, or resume it."""
        if self.app.site.ports:
            self.app.begin(ports.pause(self.app, None))

    def action_add(self) -> None:
        """Add a port."""
        self.app.begin(ports.add_port(self.app))

    def action_remove(self) -> None:
        """Forget it."""
        if self.port:
            self.app.begin(ports.remove_port(self.app, self.port))

    def _show(self) -> None:
        measured = self.app.site.measured
        rates = {port.port: port.events_per_second for port in measured.ports} if measured else {}
        self.table.show_items([PortRow(port, rates.get(port.name)) for port in self.app.site.ports])
