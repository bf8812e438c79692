"""The Licenses view: the seats, and the licenses they come from."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual import work
from textual.app import ComposeResult

from core.errors import FieldhandError
from core.models import License
from core.store import views
from tui.bindings import COMMANDS, Place, bindings
from tui.console import READ
from tui.flows.licenses import add_license, trust_key
from tui.model.columns import Column
from tui.model.columns import Place as ColumnPlace
from tui.model.devices import Change
from tui.screens.view import View
from tui.text import clean, day
from tui.theme import Token
from tui.widgets.block import Line, OneLine, Piece
from tui.widgets.list_table import ListTable
from tui.widgets.table import TableHead

COLUMNS = (
    Column("id", "License", 12, 24, good=12),
    Column("devices", "Devices", 7, 9, right=True),
    Column("site", "Site", 8, 24, good=10, grow=1),
    Column("issued", "Issued", 10, 10, drop=4),
    Column("expires", "Expires", 10, 10),
    Column("key", "Key", 8, 24, drop=5),
    Column("added", "Added", 10, 10, drop=6),
    Column("by", "By", 6, 14, drop=7),
)


class SeatsLine(OneLine):
    """180 of 200 seats in use."""

    def line(self, width: int) -> Line:
        """What there is, what is in use, who waits."""
        summary = self.app.site.summary
        if summary is None:
            return ()
        seats = summary.seats
        line: list[Piece] = [(f" {seats.used:,} of {seats.capacity:,} seats in use", Token.STRONG)]
        line.append((f"   {max(seats.free, 0):,} free", Token.MUTED))
        if seats.waiting:
            verb = "waits" if seats.waiting == 1 else "wait"
            line.append((f"   {seats.waiting:,} {verb} for one", Token.WARNING))
            line += [(piece, Token.WARNING) for piece, _ in self.app.hint(": {licenses.add} adds a license")]
        return line


class LicenseTable(ListTable[License]):
    """One line a license."""

    def identity(self, item: License) -> Hashable:
        """Its id."""
        return item.id

    def cell(self, item: License, place: ColumnPlace) -> Sequence[Piece]:
        """What it says, and who added it."""
        now = self.app.clock.now()
        match place.column.name:
            case "expires":
                expired = item.expires is not None and item.expires <= now
                text = "never" if item.expires is None else day(item.expires)
                return ((text, Token.BAD if expired else Token.TEXT),)
            case column:
                texts = {
                    "id": clean(item.id),
                    "devices": f"{item.devices:,}",
                    "site": clean(item.site or "any"),
                    "issued": day(item.issued),
                    "key": clean(item.key),
                    "added": day(item.added_at),
                    "by": clean(item.added_by),
                }
                return ((texts[column], Token.STRONG if column in ("id", "devices") else Token.MUTED),)


class LicensesView(View):
    """Seats, titles and list."""

    PLACE = Place.LICENSES
    BINDINGS = bindings(*COMMANDS[Place.LICENSES])

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._table = LicenseTable(COLUMNS)

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        self._table.invitation = (
            "No licenses yet: no device gets a seat.",
            "{licenses.add}  adds a license file",
            "{licenses.trust}  accepts licenses signed with a key",
        )
        yield SeatsLine()
        yield TableHead(self._table)
        yield self._table

    @property
    def table(self) -> LicenseTable:
        """The list."""
        return self._table

    def store_changed(self, change: Change) -> None:
        """Seats and licenses may be others."""
        self.query_one(SeatsLine).update()
        self._read()

    def action_add(self) -> None:
        """Use a license file."""
        self.app.begin(add_license(self.app))

    def action_trust(self) -> None:
        """Accept licenses signed with a key."""
        self.app.begin(trust_key(self.app))

    @work(exclusive=True, group=READ)
    async def _read(self) -> None:
        try:
            licenses = await views.licenses(self.app.store)
        except FieldhandError as error:
            self.app.say(str(error), bad=True)
            return
        self.table.show_items(licenses)
