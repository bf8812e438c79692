"""Replace a device: the old one and the new one side by side, what is taken over, and what has to be done by hand."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from textual import events, getters, on, work
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from core.actions import Action
from core.errors import FieldhandError
from core.models import Device, StoredSnapshot, Task, TaskState
from core.planning import Plan
from core.rpc import FoundDevice, IdentifyUnit, MakePlan, PinPressed, WinkUnit
from core.store import views
from tui.bindings import COMMANDS, Place, bindings
from tui.console import READ, Console
from tui.flows.starting import Subject, reasons, start
from tui.model.devices import Change
from tui.screens.form import Label
from tui.screens.screen import Keys, PushedScreen, keys_of
from tui.text import ago, clean, cut_middle, fit, wrap
from tui.theme import TASK_TOKENS, Token
from tui.widgets.block import Block, Line, Piece
from tui.widgets.field import Field

LABEL: Final = 17
FIRST_COLUMN: Final = 28
"""Cells for what the old device has."""
SCANNED_WITHIN: Final = 0.03
"""Seconds from key to key: a scanner is faster than that, a person is not."""
WORD: Final = "replace"
"""To be typed where the new unit has another program."""


class Source(StrEnum):
    """How the UID of the new unit came into the field; "" before it did."""

    NOBODY = ""
    TYPED = "typed"
    PASTED = "pasted"
    SCANNED = "scanned"
    PIN = "service pin"


class UidField(Field):
    """A field that knows how its text came into it."""

    app = getters.app(Console)
    source = Source.NOBODY

    def __init__(self) -> None:
        super().__init__(placeholder="type, paste or scan its UID, or press its service pin")
        self._began = 0.0

    def on_paste(self) -> None:
        """Pasted, as a whole."""
        self.source = Source.PASTED

    def on_key(self, event: events.Key) -> None:
        """Typed, or scanned: by how fast it comes."""
        if not event.is_printable:
            return
        now = self.app.clock.monotonic()
        if not self.value:
            self._began = now
        quick = now - self._began <= SCANNED_WITHIN * len(self.value)
        self.source = Source.SCANNED if self.value and quick else Source.TYPED


class Comparison(Block):
    """Old and new line by line, the steps by hand, and how far it is."""

    def __init__(self, old: Device) -> None:
        super().__init__()
        self._old = old
        self.source = Source.NOBODY
        self.typed = ""
        self.new: FoundDevice | None = None
        self.saved: StoredSnapshot | None = None
        self.plan: Plan | None = None
        self.steps_done = 0
        self.work: Task | None = None
        self.trouble = ""
        self.asking = False

    @property
    def steps_left(self) -> int:
        """Steps by hand that were not ticked yet."""
        return len(self.plan.by_hand) - self.steps_done if self.plan else 0

    @property
    def other_program(self) -> bool:
        """Whether the new unit is known to have another program than the old one."""
        new = self.new.found.program_id if self.new else None
        return new is not None and self._old.program_id is not None and new != self._old.program_id

    def lines(self, width: int) -> Sequence[Line]:
        """From top to bottom."""
        lines: list[Line] = [(), ((" " * LABEL + fit("Old", FIRST_COLUMN) + "  New", Token.HEAD),)]
        for label, old, new, token in (*self._units(), *self._taken_over()):
            room = max(width - LABEL - FIRST_COLUMN - 3, 8)
            shown = fit(cut_middle(clean(old), FIRST_COLUMN), FIRST_COLUMN)
            first: list[Piece] = [(fit(f" {label}", LABEL), Token.MUTED), (f"{shown}  ", Token.TEXT)]
            lines.append([*first, (cut_middle(clean(new), room), token)])
        return [*lines, (), *self._by_hand(width), *self._progress(width)]

    def _units(self) -> list[tuple[str, str, str, Token]]:
        """What each of the two is."""
        old, found = self._old, self.new.found if self.new else None
        how = f"  ({self.source})" if self.source else ""
        uid = (found.uid if found else self.typed) + how if self.typed else "waiting for it"
        program, token = "", Token.TEXT
        if found is not None:
            program, token = found.program_id or "not told", Token.WARNING if self.other_program else Token.GOOD
            program += "  differs" if self.other_program else "  the same" if found.program_id else ""
        state = ""
        if found is not None and found.application:
            state = found.state.value if found.state else "not told"
        elif found is not None:
            state = "no application"
        return [
            ("UID", old.uid, uid, Token.STRONG if self.typed else Token.ACCENT),
            ("Program ID", old.program_id or "not known", program, token),
            ("Model, version", _numbers(old.model, old.firmware), _numbers_of(self.new), Token.TEXT),
            ("State", f"{old.state.value}, {old.health.value}", state, Token.TEXT),
        ]

    def _taken_over(self) -> list[tuple[str, str, str, Token]]:
        """What the new unit gets."""
        old, now = self._old, self.app.clock.now()
        lines = [
            ("Name", old.name),
            ("Group", old.group or "none"),
            ("Type, location", ", ".join(text for text in (old.type, old.location) if text) or "none"),
            ("Address", old.address.text if old.address else "none"),
        ]
        taken = [(label, text, "taken over", Token.GOOD) for label, text in lines]
        if self.saved is None:
            return [*taken, ("Configuration", "not saved", "saved first, if it answers", Token.WARNING)]
        saved = f"saved {ago(now - self.saved.taken_at)}"
        return [*taken, ("Configuration", saved, "restored", Token.GOOD)]

    def _by_hand(self, width: int) -> list[Line]:
        check = self.app.appearance.glyphs.check
        lines: list[Line] = []
        for place, sentence in enumerate(self.plan.by_hand if self.plan else ()):
            done = place < self.steps_done
            box = f" [{check if done else ' '}] "
            token = Token.MUTED if done else Token.STRONG if place == self.steps_done else Token.TEXT
            for line_of, text in enumerate(wrap(clean(sentence), width - len(box) - 1)):
                lines.append(((box if not line_of else " " * len(box), Token.KEY), (text, token)))
        return lines

    def _progress(self, width: int) -> list[Line]:
        """How far it is, or what Enter does next."""
        task = self.work
        if task is not None:
            percent = f" {task.percent}%" if task.state is TaskState.RUNNING and task.percent is not None else ""
            text = f"{self.app.appearance.glyphs.task[task.state]} {task.state.value}{percent}"
            said = clean(task.reason or " ".join(part for part in (task.step, task.detail) if part))
            lines: list[Line] = [
                ((f" {line}", TASK_TOKENS[task.state]),) for line in wrap(f"{text}  {said}", width - 2)
            ]
            if task.state in (TaskState.FAILED, TaskState.CANCELLED):
                lines.append(((f" Everything is as it was: {clean(self._old.name)} is {self._old.uid}.", Token.TEXT),))
                lines.append(((" Enter", Token.KEY), (" tries again", Token.MUTED)))
            return lines
        lines = [((f" {line}", Token.BAD),) for line in wrap(clean(self.trouble), width - 2)] if self.trouble else []
        for warning in self.plan.warnings if self.plan else ():
            lines += [((f" {line}", Token.WARNING),) for line in wrap(clean(warning), width - 2)]
        return [*lines, ((" Enter", Token.KEY), (f" {self._next()}", Token.MUTED))]

    def _next(self) -> str:
        if self.asking:
            return "has to wait: the unit is being asked"
        if self.plan is None:
            return "asks the new unit who it is" if self.typed else "goes on when the UID is there"
        if self.steps_left:
            return f"ticks step {self.steps_done + 1} of {len(self.plan.by_hand)}"
        return "shows the plan: Replace 1" if self.new is not None else "asks the unit again; it does not answer yet"


class ReplaceScreen(PushedScreen):
    """A field for the UID of the new unit, and below it everything there is to know."""

    PLACE = Place.REPLACE
    BINDINGS = bindings(*COMMANDS[Place.REPLACE])

    def __init__(self, action: Action, subject: Subject) -> None:
        super().__init__()
        (device,) = subject.devices
        self._action = action
        self._subject = subject
        self._old = self.app.site.devices.rows[device].device
        self._field = UidField()
        self._block = Comparison(self._old)
        self._job: int | None = None

    def body(self) -> Sequence[Widget]:
        """Field, then the comparison."""
        scroll = VerticalScroll(self._block, can_focus=False)
        return Title(f" Replace {clean(self._old.name)}"), Horizontal(Label(" New UID", LABEL), self._field), scroll

    def on_mount(self) -> None:
        """Wait for the UID, however it comes."""
        self.app.pin_seen.subscribe(self, self._pin_pressed)
        self.set_focus(self._field)

    def keys(self) -> Keys:
        """Enter does what the last line says."""
        return [*keys_of(self.app, self.PLACE), ("Esc", "back")]

    def store_changed(self, change: Change) -> None:
        """The configuration may have been saved meanwhile, the job gone on."""
        self._read()

    # the new unit

    @on(Input.Changed)
    def _typed(self) -> None:
        """Another UID: nothing of what was known of the one before holds."""
        block = self._block
        typed = _bare(self._field.value)
        if typed == block.typed and self._field.source == block.source:
            return
        block.typed, block.source = typed, self._field.source
        block.new = block.plan = block.work = self._job = None
        block.steps_done, block.trouble = 0, ""
        block.changed()

    def _pin_pressed(self, notice: PinPressed) -> None:
        if notice.port != self._old.port or self._working:
            return
        self._field.source = Source.PIN
        self._field.value = notice.device.found.uid
        self._typed()
        self._ask()

    @on(Input.Submitted)
    def action_next(self) -> None:
        """Ask the unit, tick a step, or show the plan."""
        block = self._block
        if self._working or block.asking or not block.typed:
            return
        if block.work is not None:
            block.work = self._job = None
        if block.plan is None:
            self._ask()
        elif block.steps_left:
            block.steps_done += 1
            block.changed()
        elif block.new is None:
            self._ask()
        else:
            self.app.begin(self._replace())

    def action_wink(self, which: str) -> None:
        """Let one of the two show itself."""
        uid = self._block.typed if which == "new" else self._old.uid
        if uid:
            self.app.begin(self._wink(which, uid))
        else:
            self.app.say("no UID of a new unit yet")

    @property
    def _working(self) -> bool:
        task = self._block.work
        return self._job is not None and (task is None or task.state.open)

    async def _wink(self, which: str, uid: str) -> None:
        await self.app.call(WinkUnit(port=self._old.port or "", uid=uid))
        self.app.say(f"winked at the {which} one, {uid}")

    @work(exclusive=True, group=READ)
    async def _ask(self) -> None:
        """What it means to put this unit there, and who it is; the steps by hand are there before it answers."""
        block, uid = self._block, self._block.typed
        block.asking, block.trouble = True, ""
        block.changed()
        try:
            if block.plan is None:
                request = MakePlan(action="replace", selection=self._subject.selection, parameters={"uid": uid})
                plan = await self.app.call(request)
                if not plan.devices:
                    block.trouble = f"{self._old.name}: {reasons(plan)}"
                    return
                block.plan = plan
            block.new = await self.app.call(IdentifyUnit(port=self._old.port or "", uid=uid))
        except FieldhandError as error:
            block.trouble = str(error)
        finally:
            block.asking = False
            block.changed()

    # the job

    async def _replace(self) -> None:
        parameters = {"uid": self._block.typed, "force": self._block.other_program}
        typed = WORD if self._block.other_program else ""
        self._job = await start(self.app, self._action, self._subject, parameters, typed)
        self._read()

    @work(exclusive=True, group=f"{READ} task")
    async def _read(self) -> None:
        try:
            saved = await views.snapshots(self.app.store, self._old.id)
            tasks = await views.tasks(self.app.store, self._job) if self._job is not None else []
        except FieldhandError as error:
            self.app.say(str(error), bad=True)
            return
        self._block.saved = saved[0] if saved else None
        self._block.work = next((task for task in tasks if task.device == self._old.id), None)
        self._block.changed()


class Title(Block):
    """What the screen is for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def lines(self, width: int) -> Sequence[Line]:
        """One line and an empty one."""
        return [((cut_middle(self._text, width), Token.STRONG),), ()]


def _bare(text: str) -> str:
    """What was typed without the apostrophe that spreadsheets and some scanners put before digits."""
    return text.strip().strip("'’\"").strip()


def _numbers(model: int | None, firmware: int | None) -> str:
    known = (("model", model), ("version", firmware))
    return ", ".join(f"{word} {number}" for word, number in known if number is not None) or "not known"


def _numbers_of(new: FoundDevice | None) -> str:
    return _numbers(new.found.model, new.found.firmware) if new else ""
