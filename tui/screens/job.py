"""One job, device by device: what came of each, which step it is at, why it failed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual import on, work
from textual.widget import Widget

from core.errors import FieldhandError
from core.models import Job, JobState, Task, TaskState
from core.store import views
from tui.bindings import BACK, COMMANDS, Place, bindings
from tui.console import READ, Console
from tui.flows.actions import choose_command
from tui.flows.jobs import cancel_job, retry_job
from tui.model.columns import LUXURY, Column
from tui.model.columns import Place as ColumnPlace
from tui.model.devices import Change
from tui.model.site import seconds_left
from tui.screens.device import DeviceScreen
from tui.screens.screen import Keys, PushedScreen, keys_of, labelled
from tui.text import age, clean, cut_middle, duration, exact
from tui.theme import TASK_TOKENS, Token
from tui.widgets.block import Block, Line, Piece, spread
from tui.widgets.bottom_lines import BAR_WIDTH, MessageLine, bar, job_state
from tui.widgets.list_table import ListTable
from tui.widgets.table import LineTable, TableHead

COLUMNS = (
    Column("state", "State", 13, 13),
    Column("name", "Name", 16, 40, good=20, grow=1),
    Column("uid", "UID", 12, 12, drop=LUXURY),
    Column("outcome", "Outcome", 18, 200, good=36, grow=2),
    Column("seconds", "Took", 7, 8, drop=6, right=True),
)


def job_keys(app: Console, place: Place, job: Job | None) -> Keys:
    """The keys of a place where jobs are, as far as they do something to this one."""
    useful = {
        "open": job is not None,
        "retry failed": job is not None and bool(job.failed + job.cancelled),
        "cancel": job is not None and job.state is JobState.RUNNING,
    }
    return [(key, label) for key, label in keys_of(app, place) if useful.get(label, True)]


class TaskTable(ListTable[Task]):
    """One line a device."""

    def identity(self, item: Task) -> Hashable:
        """Its id."""
        return item.id

    def cell(self, item: Task, place: ColumnPlace) -> Sequence[Piece]:
        """State, which, what came of it, how long it took."""
        glyphs = self.app.appearance.glyphs
        token = TASK_TOKENS[item.state]
        match place.column.name:
            case "state":
                percent = f" {item.percent}%" if item.state is TaskState.RUNNING and item.percent is not None else ""
                return ((f"{glyphs.task[item.state]} {item.state.value}{percent}", token),)
            case "name":
                return ((cut_middle(clean(item.name), place.width, glyphs.ellipsis), Token.TEXT),)
            case "uid":
                return ((item.uid, Token.MUTED),)
            case "outcome":
                return ((_outcome(item), token if item.state is TaskState.FAILED else Token.TEXT),)
            case _:
                return ((exact(item.seconds) if item.seconds is not None else "", Token.MUTED),)


def _outcome(task: Task) -> str:
    doing = "  ".join(part for part in (task.detail, task.step) if part) if task.state.open else ""
    return clean(task.reason or doing)


class JobHead(Block):
    """What the job is and how far."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self.failures = False

    def lines(self, width: int) -> Sequence[Line]:
        """Title, then bar and counts."""
        job = self.job
        title = f" Job {job.id}: {clean(job.title)}"
        now = self.app.clock.now()
        by = f"by {clean(job.operator)}, {age(now - job.created_at)}"
        counts: list[Piece] = [(" ", Token.TEXT), *bar(job, BAR_WIDTH, self.app.appearance)]
        counts.append((f"  {job.ended}/{job.total}", Token.TEXT))
        for count, word, token in (
            (job.done, "done", Token.GOOD),
            (job.failed, "failed", Token.BAD),
            (job.skipped, "skipped", Token.MUTED),
            (job.cancelled, "cancelled", Token.MUTED),
        ):
            if count:
                counts.append((f"  {count} {word}", token))
        left = seconds_left(job, now)
        if left is not None:
            counts.append((f"  {duration(left)} left", Token.MUTED))
        state = job_state(job, now, self.app.appearance.glyphs)
        shown: Line = (("failures only ", Token.WARNING),) if self.failures else ()
        return [
            spread([(title, Token.STRONG), ("  ", Token.TEXT), state], [(by + " ", Token.MUTED)], width),
            spread(counts, shown, width),
            (),
        ]


class JobScreen(PushedScreen):
    """Head, list."""

    PLACE = Place.JOB
    BINDINGS = bindings(*COMMANDS[Place.JOB])

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job
        self._tasks: dict[int, Task] = {}
        self._failures = False
        self._head = JobHead(job)
        self._table = TaskTable(COLUMNS)

    @property
    def job_id(self) -> int:
        """Which job it is."""
        return self._job.id

    def body(self) -> Sequence[Widget]:
        """Top to bottom."""
        return self._head, TableHead(self._table), self._table

    def on_mount(self) -> None:
        """Read it at once."""
        self.query_one(MessageLine).with_job = False
        self.set_focus(self._table)

    def keys(self) -> Keys:
        """What can be done to the job."""
        return [*job_keys(self.app, self.PLACE, self._job), *labelled(self.app.commands([BACK]))]

    def hint(self) -> str:
        """What came of the device under the cursor, in full."""
        task = self._table.current
        return _outcome(task) if task else ""

    @on(LineTable.Moved)
    def _moved(self) -> None:
        self.refresh_keys()

    def store_changed(self, change: Change) -> None:
        """Read what changed of the job."""
        self._read()

    def action_palette(self) -> None:
        """Choose from what can be done here."""
        choose_command(self.app, self.PLACE.value, self, COMMANDS[self.PLACE])

    def action_trouble(self, step: int) -> None:
        """To the next device that failed, or the one before."""
        self._table.move_to_next(lambda index: self._table.items[index].state is TaskState.FAILED, step)

    def action_failures(self) -> None:
        """Only what failed, or everything."""
        self._failures = not self._failures
        self._show()

    def action_details(self) -> None:
        """Everything about the device."""
        if self._table.current:
            self.app.push_screen(DeviceScreen(self._table.current.device))

    def action_retry(self) -> None:
        """The same again for what failed."""
        self.app.begin(retry_job(self.app, self._job))

    def action_cancel(self) -> None:
        """Stop it."""
        self.app.begin(cancel_job(self.app, self._job))

    @work(exclusive=True, group=READ)
    async def _read(self) -> None:
        try:
            self._job = await views.job(self.app.store, self._job.id)
            since = max((task.rev for task in self._tasks.values()), default=0)
            self._tasks |= {task.id: task for task in await views.tasks(self.app.store, self._job.id, since)}
        except FieldhandError as error:
            self.app.say(str(error), bad=True)
        self._show()

    def _show(self) -> None:
        tasks = [t for t in self._tasks.values() if not self._failures or t.state is TaskState.FAILED]
        self._head.job, self._head.failures = self._job, self._failures
        self._head.changed()
        self._table.empty = ((), (("    Nothing failed." if self._failures else "", Token.STRONG),))
        self._table.show_items(tasks)
        self.refresh_keys()
