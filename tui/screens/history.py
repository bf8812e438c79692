"""Who did what to which device when, and what came of it: of all devices, or of one."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence

from textual import on, work
from textual.widget import Widget

from core.errors import FieldhandError
from core.interchange import history_text
from core.models import Device, Job, Task
from core.store import views
from tui.bindings import BACK, COMMANDS, FILTERING, Place, bindings
from tui.console import READ
from tui.flows.actions import choose_command
from tui.flows.saving import save_text
from tui.model.columns import Column
from tui.model.columns import Place as ColumnPlace
from tui.model.devices import Change
from tui.model.words import Words
from tui.screens.screen import Keys, PushedScreen, keys_of, labelled
from tui.text import clean, cut_middle, local, plural
from tui.theme import TASK_TOKENS, Token
from tui.widgets.block import Line, Piece
from tui.widgets.filter_line import Counts, FilterLine
from tui.widgets.list_table import ListTable
from tui.widgets.table import LineTable, TableHead

COLUMNS = (
    Column("at", "When", 16, 19, good=19, grow=3),
    Column("by", "By", 5, 12, drop=5),
    Column("action", "Action", 11, 24, good=16, grow=2),
    Column("name", "Device", 14, 40, good=24, grow=1),
    Column("uid", "UID", 12, 12, drop=8),
    Column("outcome", "Outcome", 16, 200, good=36, grow=2),
)
OF_DEVICE = frozenset({"name", "uid"})
"""Columns that would be the same in every line where the history of one device is shown."""

Row = tuple[Job, Task]


class HistoryTable(ListTable[Row]):
    """One line a device and job, newest first."""

    def identity(self, item: Row) -> Hashable:
        """The task's id."""
        return item[1].id

    def cell(self, item: Row, place: ColumnPlace) -> Sequence[Piece]:
        """When, who, what, to which, what came of it."""
        job, task = item
        match place.column.name:
            case "name":
                shown = cut_middle(clean(task.name), place.width, self.app.appearance.glyphs.ellipsis)
                return ((shown, Token.STRONG),)
            case "outcome":
                return ((outcome(task), TASK_TOKENS[task.state]),)
            case column:
                texts = {
                    "at": local(task.started_at or job.created_at)[: place.width],  # without seconds where narrow
                    "by": clean(job.operator),
                    "action": clean(job.action),
                    "uid": clean(task.uid),
                }
                return ((texts[column], Token.MUTED),)


def outcome(task: Task) -> str:
    """What came of it, in words."""
    return clean(f"{task.state.value}: {task.reason}" if task.reason else task.state.value)


class HistoryCounts(Counts):
    """How many lines, and of which device if they are of one."""

    shown = total = 0

    def __init__(self, device: Device | None) -> None:
        super().__init__()
        self.device = device

    def line(self, width: int) -> Line:
        """To the right."""
        text = plural(self.total, "line") if self.shown == self.total else f"{self.shown:,} of {self.total:,}"
        text = f"{text} of {clean(self.device.name)}" if self.device else text
        return ((f"{cut_middle(text, width - 1, self.app.appearance.glyphs.ellipsis)} ".rjust(width), Token.MUTED),)


class HistoryScreen(PushedScreen):
    """Filter, list."""

    PLACE = Place.HISTORY
    BINDINGS = bindings(*COMMANDS[Place.HISTORY])

    def __init__(self, device: Device | None = None) -> None:
        super().__init__()
        self._device = device
        self._rows: Sequence[Row] = ()
        self._words = Words()
        self._counts = HistoryCounts(device)
        self._filter = FilterLine(self._counts)
        self._table = HistoryTable([column for column in COLUMNS if device is None or column.name not in OF_DEVICE])

    def body(self) -> Sequence[Widget]:
        """Top to bottom."""
        return self._filter, TableHead(self._table), self._table

    def on_mount(self) -> None:
        """Read it at once."""
        self.set_focus(self._table)

    def keys(self) -> Keys:
        """What the filter takes while it is typed."""
        if self._filter.editing:
            return labelled(FILTERING)
        keys = keys_of(self.app, self.PLACE, rows=self._table.count > 0)
        return [*keys, *labelled(self.app.commands([BACK]))]

    def hint(self) -> str:
        """The line under the cursor in full."""
        row = self._table.current
        return f"{clean(row[1].name)}: {clean(row[0].title)}, {outcome(row[1])}" if row else ""

    def store_changed(self, change: Change) -> None:
        """Something more may have been done."""
        self._read()

    @on(LineTable.Moved)
    def _moved(self) -> None:
        self.refresh_keys()

    @on(FilterLine.Changed)
    def _filter_typed(self, event: FilterLine.Changed) -> None:
        self._words = Words(event.text)
        self._show()

    @on(FilterLine.Left)
    def _filter_left(self) -> None:
        self.set_focus(self._table)
        self.refresh_keys()

    def action_palette(self) -> None:
        """Choose from what can be done here."""
        choose_command(self.app, self.PLACE.value, self, COMMANDS[self.PLACE])

    def action_filter(self) -> None:
        """Type a filter."""
        self._filter.edit()
        self.refresh_keys()

    def action_open(self) -> None:
        """The job of the line under the cursor."""
        if self._table.current:
            self.app.show_job(self._table.current[0].id)

    def action_export(self) -> None:
        """Write what is shown to a file."""
        if self._table.items:
            self.app.begin(self._export(self._table.items))

    async def _export(self, rows: Sequence[Row]) -> None:
        text = await asyncio.to_thread(history_text, rows)
        await save_text(self.app, f"Export {plural(len(rows), 'line')} of history", "history.csv", text)

    @work(exclusive=True, group=READ)
    async def _read(self) -> None:
        try:
            self._rows = await views.history(self.app.store, self._device.id if self._device else None)
        except FieldhandError as error:
            self.app.say(str(error), bad=True)
            return
        self._show()

    def _show(self) -> None:
        match = self._words.match
        rows = [
            (job, task)
            for job, task in self._rows
            if match(task.name, task.uid, job.action, job.title, job.operator, outcome(task))
        ]
        whose = f" to {clean(self._device.name)}" if self._device else ""
        nothing = "Nothing matches the filter." if self._rows else f"Nothing was done{whose} yet."
        self._table.empty = ((), ((f"    {nothing}", Token.STRONG),))
        self._counts.shown, self._counts.total = len(rows), len(self._rows)
        self._filter.update()
        self._table.show_items(rows)
        self.refresh_keys()
