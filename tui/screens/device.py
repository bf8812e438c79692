"""Everything about one device: its fields, why it failed, and what was done to it step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import work
from textual.containers import VerticalScroll
from textual.widget import Widget

from core.actions import BY_NAME
from core.errors import FieldhandError, Kind
from core.lifecycle import Status
from core.models import Device, Job, JournalStep, StepState, StoredSnapshot, Task
from core.rpc import Selection
from core.store import views
from tui.bindings import COMMANDS, MOVES, Place, bindings
from tui.console import READ
from tui.flows import actions, devices
from tui.flows.copying import copy_rows, copy_uids
from tui.flows.starting import Subject
from tui.model.devices import Change, Row
from tui.screens.history import HistoryScreen
from tui.screens.screen import Keys, PushedScreen
from tui.text import age, ago, clean, cut_end, exact, fit, plural, wrap
from tui.theme import STATUS_TOKENS, TASK_TOKENS, Token
from tui.widgets.block import Block, Line, Piece

LABEL = 13
STEPS_OF = 5
"""Tasks whose journal is shown; older ones have their outcome only."""


@dataclass(frozen=True, slots=True)
class Past:
    """A task of the device with its job and its journal."""

    job: Job
    task: Task
    steps: Sequence[JournalStep]


class DeviceBlock(Block):
    """The text of it."""

    row: Row | None = None
    history: Sequence[Past] = ()
    saved: Sequence[StoredSnapshot] = ()

    def lines(self, width: int) -> Sequence[Line]:
        """Fields, then the history."""
        if self.row is None:
            return [((" reading", Token.MUTED),)]
        return [*self._head(self.row, width), *self._fields(self.row.device, width), *self._history(width)]

    def _head(self, row: Row, width: int) -> list[Line]:
        glyph = self.app.appearance.glyphs.status[row.status]
        token = STATUS_TOKENS[row.status]
        lines: list[Line] = [
            ((f" {clean(row.device.name)}", Token.STRONG), (f"   {glyph} {row.status.value}", token)),
        ]
        if row.reason:
            lines += [((f"   {line}", token),) for line in wrap(row.reason, width - 4)]
        return [*lines, ()]

    def _fields(self, device: Device, width: int) -> list[Line]:
        now = self.app.clock.now()
        address = "none"
        if device.address:
            parts = "  ".join(f"{key} {value}" for key, value in device.address.parts.items())
            address = f"{device.address.text}   {parts}"
        whose = "" if device.address is None else ("   given here" if device.ours else "   not given by this site")
        fields = (
            ("UID", device.uid or "not known yet"),
            ("Port", f"{device.port or 'none'}   {device.protocol}"),
            ("Group", device.group or "none"),
            ("Type", device.type or "not said"),
            ("Location", device.location or "not said"),
            ("Program ID", device.program_id or "not known yet"),
            ("Model", f"{_number(device.model)}   firmware {_number(device.firmware)}"),
            ("Application", "present" if device.application else "none: it needs an image"),
            ("State", device.state.value),
            ("Address", address + whose),
            ("Health", device.health.value),
            ("Marginal", device.marginal or "no"),
            ("License", "holds a seat" if device.licensed else "no seat: waits for capacity"),
            ("Points", ", ".join(device.points) or "none: it is asked for its status"),
            ("Saved", self._saved(now)),
            ("Seen", ago(now - device.seen_at) if device.seen_at is not None else "never"),
            ("Created", ago(now - device.created_at)),
        )
        lines: list[Line] = []
        if device.interrupted:
            cut = device.interrupted
            text = f"{cut.action} of {clean(cut.image)} was cut off at {cut.percent}%: Resume Load goes on with it"
            lines = [*(((f"   {line}", Token.WARNING),) for line in wrap(text, width - 4)), ()]
        for label, text in fields:
            for place, line in enumerate(wrap(clean(text), width - LABEL - 2)):
                lines.append(((f" {fit(label if not place else '', LABEL)}", Token.MUTED), (line, Token.TEXT)))
        return [*lines, ()]

    def _saved(self, now: float) -> str:
        if not self.saved:
            return "its configuration was never saved"
        newest, more = self.saved[0], len(self.saved) - 1
        before = f", and {plural(more, 'time')} before" if more else ""
        return f"configuration, {ago(now - newest.taken_at)}{before}"

    def _history(self, width: int) -> list[Line]:
        now = self.app.clock.now()
        glyphs = self.app.appearance.glyphs
        if not self.history:
            return [((" Nothing was done to it yet.", Token.MUTED),)]
        lines: list[Line] = []
        for past in self.history:
            task, token = past.task, TASK_TOKENS[past.task.state]
            took = f"   {exact(task.seconds)}" if task.seconds is not None else ""
            label = BY_NAME[past.job.action].label if past.job.action in BY_NAME else past.job.title
            lines.append(
                (
                    (f" {glyphs.task[task.state]} {clean(label)} {task.state.value}", token),
                    (
                        f"   job {task.job}, {age(now - past.job.created_at)}, {clean(past.job.operator)}{took}",
                        Token.MUTED,
                    ),
                )
            )
            if task.reason:
                lines += [((f"   {line}", Token.TEXT),) for line in wrap(clean(task.reason), width - 4)]
            lines += [line for step in past.steps for line in self._step(step, width)]
        return lines

    def _step(self, step: JournalStep, width: int) -> list[Line]:
        failed = step.state in (StepState.FAILED, StepState.INTERRUPTED)
        took = exact(step.finished_at - step.started_at) if step.finished_at is not None else step.state.value
        again = f" (attempt {step.attempt})" if step.attempt > 1 else ""
        words = f"{step.state.value}" if failed else ""
        ellipsis = self.app.appearance.glyphs.ellipsis
        first: list[Piece] = [
            (
                f"     {fit(cut_end(clean(step.name) + again, 34, ellipsis), 34)} {fit(took, 8, right=True)}",
                Token.MUTED,
            ),
            (f"  {words}", Token.BAD),
        ]
        said = (clean(frame) for frame in step.detail.splitlines())  # one frame a line, as the journal has it
        return [first, *(((f"       {line}", Token.MUTED),) for text in said for line in wrap(text, width - 8) if line)]


class DeviceScreen(PushedScreen):
    """Leaving it acknowledges a failure: somebody has looked."""

    PLACE = Place.DEVICE
    BINDINGS = bindings(*COMMANDS[Place.DEVICE], *MOVES)

    def __init__(self, device: int) -> None:
        super().__init__()
        self._device = device
        self._block = DeviceBlock()
        self._scroll = VerticalScroll(self._block, can_focus=False)
        self._row: Row | None = None

    def body(self) -> Sequence[Widget]:
        """One text, scrolled."""
        return (self._scroll,)

    def on_mount(self) -> None:
        """Read it at once."""
        self._row = self.app.site.devices.rows.get(self._device)
        self._show()

    def keys(self) -> Keys:
        """With the actions that are offered."""
        offered = []
        if self._row:
            offered = self.app.offered([self._row.device])
        return [*offered, *super().keys()]

    def store_changed(self, change: Change) -> None:
        """Read it again when it is about this device."""
        if self._device in change.ids or change.moved:
            self._read()

    def action_back(self) -> None:
        """Close it; a failure that stood there has been looked at."""
        if self._row and self._row.status is Status.FAILED:
            self.app.begin(devices.acknowledge(self.app, self._row.device))
        super().action_back()

    def action_act(self, name: str) -> None:
        """Start an action of the catalogue on it."""
        if self._row:
            actions.act(self.app, BY_NAME[name], self._subject(self._row.device))

    def action_palette(self) -> None:
        """Choose what to do with it."""
        if self._row:
            actions.choose(self.app, self._subject(self._row.device), self, COMMANDS[self.PLACE])

    def action_edit(self) -> None:
        """Change what is known of it."""
        if self._row:
            self.app.begin(devices.edit_device(self.app, self._row.device))

    def action_wink_on(self) -> None:
        """Let it wink until a key."""
        if self._row:
            actions.wink_on(self.app, self._subject(self._row.device))

    def action_test_often(self) -> None:
        """Test it as often as the operator says."""
        if self._row:
            self.app.begin(actions.test_often(self.app, self._subject(self._row.device)))

    def action_history(self) -> None:
        """What was done to it, as a list."""
        if self._row:
            self.app.push_screen(HistoryScreen(self._row.device))

    def action_copy(self) -> None:
        """Copy its UID."""
        if self._row:
            copy_uids(self.app, [self._row.device])

    def action_copy_row(self) -> None:
        """Copy what the list says of it."""
        if self._row:
            copy_rows(self.app, [self._row])

    def action_move(self, rows: int) -> None:
        """Scroll by lines."""
        self._scroll.scroll_relative(y=rows, animate=False)

    def action_page(self, direction: int) -> None:
        """Scroll by pages."""
        self._scroll.scroll_relative(y=direction * (self._scroll.size.height - 1), animate=False)

    def action_half(self, direction: int) -> None:
        """Scroll by half pages."""
        self._scroll.scroll_relative(y=direction * (self._scroll.size.height // 2), animate=False)

    def action_first(self) -> None:
        """To the top."""
        self._scroll.scroll_home(animate=False)

    def action_last(self) -> None:
        """To the end."""
        self._scroll.scroll_end(animate=False)

    @work(exclusive=True, group=READ)
    async def _read(self) -> None:
        try:
            (device,) = await views.devices_by_id(self.app.store, [self._device])
            history = []
            saved = await views.snapshots(self.app.store, self._device)
            for place, (job, task) in enumerate(await views.tasks_of_device(self.app.store, self._device)):
                steps = await views.steps(self.app.store, task.id) if place < STEPS_OF else []
                history.append(Past(job, task, steps))
        except FieldhandError as error:
            gone = error.kind is Kind.UNKNOWN_DEVICE and self._row is not None
            self.app.say(f"{clean(self._row.device.name)} was removed" if gone and self._row else str(error), bad=True)
            if gone:
                self.dismiss()
            return
        self._row = Row.of(device)
        self._block.history, self._block.saved = history, saved
        self._show()

    def _subject(self, device: Device) -> Subject:
        return Subject(Selection(devices=(device.id,)), clean(device.name), (device.id,))

    def _show(self) -> None:
        self._block.row = self._row
        self._block.changed()
        self.refresh_keys()


def _number(number: int | None) -> str:
    return "not known" if number is None else str(number)
