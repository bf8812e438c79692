"""The Events view: what monitoring sees, newest at the bottom, as it comes or held still."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Final

from textual import on, work
from textual.app import ComposeResult

from core.errors import FieldhandError
from core.models import Event, EventKind
from core.rpc import Measured, ReadEvents
from tui.bindings import COMMANDS, FILTERING, Place, bindings
from tui.console import READ
from tui.model.columns import Column
from tui.model.columns import Place as ColumnPlace
from tui.model.devices import Change
from tui.model.words import Words
from tui.screens.device import DeviceScreen
from tui.screens.screen import Keys, labelled
from tui.screens.view import View
from tui.text import clean, cut_middle, local, plural
from tui.theme import Token
from tui.widgets.block import Line, Piece
from tui.widgets.filter_line import Counts, FilterLine
from tui.widgets.list_table import ListTable
from tui.widgets.table import LineTable, TableHead

MOST_EVENTS: Final = 5_000
"""How many are kept here; the worker keeps no more for long either."""
AT_A_TIME: Final = 500
PAUSE_BETWEEN_READS: Final = 0.3
"""Seconds: nobody reads faster, and a slow line has other things to carry."""

COLUMNS = (
    Column("at", "Time", 8, 8),
    Column("port", "Port", 6, 14, drop=5),
    Column("device", "Device", 14, 40, good=20, grow=2),
    Column("kind", "Kind", 10, 10, drop=4),
    Column("text", "Event", 20, 200, good=40, grow=1),
)
_KINDS: Final = {
    EventKind.POLL: Token.MUTED,
    EventKind.REPORT: Token.TEXT,
    EventKind.PIN: Token.ACCENT,
    EventKind.HEALTH: Token.WARNING,
    EventKind.MONITORING: Token.WARNING,
}


class EventTable(ListTable[Event]):
    """One line an event."""

    def identity(self, item: Event) -> Hashable:
        """Its number."""
        return item.number

    def cell(self, item: Event, place: ColumnPlace) -> Sequence[Piece]:
        """When, where, who, what."""
        match place.column.name:
            case "device":
                shown = cut_middle(clean(item.name), place.width, self.app.appearance.glyphs.ellipsis)
                return ((shown, Token.STRONG),)
            case "kind":
                return ((item.kind.value, _KINDS[item.kind]),)
            case column:
                texts = {"at": local(item.at).split()[1], "port": clean(item.port), "text": clean(item.text)}
                return ((texts[column], _KINDS[item.kind] if column == "text" else Token.MUTED),)


class EventCounts(Counts):
    """How many are shown, and whether they are held still."""

    shown = total = 0
    frozen = False

    def line(self, width: int) -> Line:
        """To the right."""
        text = plural(self.total, "event") if self.shown == self.total else f"{self.shown:,} of {self.total:,}"
        held = "frozen  " if self.frozen else ""
        space = " " * max(width - len(text) - len(held) - 1, 0)
        return [(space, Token.TEXT), (held, Token.WARNING), (f"{text} ", Token.MUTED)]


class EventsView(View):
    """Filter, titles, list."""

    PLACE = Place.EVENTS
    BINDINGS = bindings(*COMMANDS[Place.EVENTS])

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._words = Words()
        self._frozen = False
        self._counts = EventCounts()
        self._filter = FilterLine(self._counts)
        self._table = EventTable(COLUMNS)
        self._due = asyncio.Event()

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        self._table.empty = (
            (),
            (("    No events yet.", Token.STRONG),),
            (),
            (("    Provisioned devices are polled; what they answer and report is seen here.", Token.MUTED),),
        )
        yield self._filter
        yield TableHead(self._table)
        yield self._table

    def on_mount(self) -> None:
        """Follow the monitoring."""
        self.app.measured.subscribe(self, self._measured)

    @property
    def table(self) -> EventTable:
        """The list."""
        return self._table

    def keys(self) -> Keys:
        """What the filter takes while it is typed."""
        if self._filter.editing:
            return labelled(FILTERING)
        keys = super().keys()
        return [(key, "go on" if label == "freeze" and self._frozen else label) for key, label in keys]

    def hint(self) -> str:
        """The event under the cursor in full."""
        event = self._table.current
        return f"{clean(event.name or event.port)}: {clean(event.text)}" if event else ""

    def store_changed(self, change: Change) -> None:
        """Look for what has come since."""
        self._follow()

    @on(FilterLine.Changed)
    def _filter_typed(self, event: FilterLine.Changed) -> None:
        event.stop()
        self._words = Words(event.text)
        self._show(follow=True)

    @on(FilterLine.Left)
    def _filter_left(self, event: FilterLine.Left) -> None:
        event.stop()
        self.screen.set_focus(self.table)
        self.call_after_refresh(self.post_message, LineTable.Moved())

    def action_details(self) -> None:
        """The device that the event is about."""
        event = self._table.current
        if event is None:
            return
        if event.device in self.app.site.devices.rows:
            self.app.push_screen(DeviceScreen(event.device))
        else:
            self.app.say("this event is about the port, or about a device that is not on the list")

    def action_filter(self) -> None:
        """Type a filter."""
        self._filter.edit()
        self.call_after_refresh(self.post_message, LineTable.Moved())

    def action_unfilter(self) -> None:
        """Show everything again."""
        self._filter.set_text("")

    def action_freeze(self) -> None:
        """Hold the list still, or let it go on."""
        self._frozen = not self._frozen
        self._counts.frozen = self._frozen
        self._counts.update()
        self._follow()
        self.post_message(LineTable.Moved())

    def _measured(self, notice: Measured) -> None:
        if notice.last < self._last:
            self._events.clear()  # a worker that began anew counts from one
        if self.display and notice.last != self._last:
            self._follow()

    @property
    def _last(self) -> int:
        return self._events[-1].number if self._events else 0

    def _follow(self) -> None:
        """Read what has come, unless that is under way already."""
        self._due.set()
        if not self._frozen and all(worker.is_finished for worker in self.workers if worker.node is self):
            self._read()

    @work(group=READ)
    async def _read(self) -> None:
        while self._due.is_set() and not self._frozen:
            self._due.clear()
            try:
                new = await self.app.call(ReadEvents(since=self._last, limit=AT_A_TIME))
            except FieldhandError as error:
                self.app.say(str(error), bad=True)
                return
            if new:
                self._events.extend(new)
                self._show(follow=self._table.cursor >= self._table.count - 1)
            if len(new) == AT_A_TIME:
                self._due.set()  # there is more
            await asyncio.sleep(PAUSE_BETWEEN_READS)

    def _show(self, *, follow: bool) -> None:
        match = self._words.match
        events = [event for event in self._events if match(event.port, event.name, event.kind.value, event.text)]
        self._counts.shown, self._counts.total = len(events), len(self._events)
        self._filter.update()
        self._table.show_items(events)
        if follow:
            self._table.move_cursor(len(events) - 1)
        self.post_message(LineTable.Moved())  # from here: what the table posts on behalf of its parent ends at it
