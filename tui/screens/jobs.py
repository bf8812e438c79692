"""The Jobs view: running first, then newest."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.app import ComposeResult

from core.models import Job
from tui.bindings import COMMANDS, Place, bindings
from tui.flows.jobs import cancel_job, retry_job
from tui.model.columns import LUXURY, Column
from tui.model.columns import Place as ColumnPlace
from tui.model.devices import Change
from tui.screens.history import HistoryScreen
from tui.screens.job import JobScreen, job_keys
from tui.screens.screen import Keys
from tui.screens.view import View
from tui.text import age, clean
from tui.theme import Token
from tui.widgets.block import Piece
from tui.widgets.bottom_lines import bar, job_state
from tui.widgets.list_table import ListTable
from tui.widgets.table import TableHead

COLUMNS = (
    Column("state", "State", 11, 11),
    Column("title", "Action", 18, 44, good=30),
    Column("bar", "", 10, 30, drop=LUXURY),
    Column("count", "Done", 7, 11, right=True),
    Column("failed", "Failed", 6, 6, right=True),
    Column("age", "Age", 4, 4, right=True),
    Column("operator", "By", 6, 14, drop=6),
    Column("skipped", "Skipped", 7, 7, drop=8, right=True),
    Column("id", "Job", 4, 5, drop=7, right=True),
)
AGES_GROW_SECONDS = 10.0


class JobTable(ListTable[Job]):
    """One line a job."""

    def identity(self, item: Job) -> Hashable:
        """Its id."""
        return item.id

    def cell(self, item: Job, place: ColumnPlace) -> Sequence[Piece]:
        """State, what, how far, how many failed, when, by whom."""
        match place.column.name:
            case "state":
                return (job_state(item, self.app.clock.now(), self.app.appearance.glyphs),)
            case "title":
                return ((clean(item.title), Token.STRONG),)
            case "bar":
                return bar(item, place.width, self.app.appearance)
            case "failed":
                return ((str(item.failed) if item.failed else "", Token.BAD),)
            case column:
                texts = {
                    "count": f"{item.done}/{item.total}",
                    "age": age(self.app.clock.now() - item.created_at),
                    "operator": clean(item.operator),
                    "skipped": str(item.skipped) if item.skipped else "",
                    "id": str(item.id),
                }
                return ((texts[column], Token.MUTED if column != "count" else Token.TEXT),)


class JobsView(View):
    """Titles and list."""

    PLACE = Place.JOBS
    BINDINGS = bindings(*COMMANDS[Place.JOBS])

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        table = JobTable(COLUMNS)
        table.invitation = (
            "No jobs yet.",
            "{provision}  on devices or groups starts one; it goes on when this console is closed",
        )
        yield TableHead(table)
        yield table

    def on_mount(self) -> None:
        """Ages grow by themselves."""
        self.set_interval(AGES_GROW_SECONDS, self.table.refresh_visible)

    @property
    def table(self) -> JobTable:
        """The list."""
        return self.query_one(JobTable)

    def store_changed(self, change: Change) -> None:
        """Show the jobs as they are now."""
        self.table.show_items(self.app.site.jobs)

    def keys(self) -> Keys:
        """What can be done to the job under the cursor."""
        return job_keys(self.app, self.PLACE, self.table.current)

    def action_open(self) -> None:
        """Device by device."""
        if self.table.current:
            self.app.push_screen(JobScreen(self.table.current))

    def action_history(self) -> None:
        """What was done to which device."""
        self.app.push_screen(HistoryScreen())

    def action_retry(self) -> None:
        """The same again for what failed."""
        if self.table.current:
            self.app.begin(retry_job(self.app, self.table.current))

    def action_cancel(self) -> None:
        """Stop it."""
        if self.table.current:
            self.app.begin(cancel_job(self.app, self.table.current))
