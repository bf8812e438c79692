"""The plan of a job, shown before it starts: what, how many, which not and why. Cancel has the focus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from textual import on
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from core.actions import Action
from core.planning import Plan
from tui.bindings import (
    AGREE,
    COMMANDS,
    IGNORE,
    LEAVE,
    PAUSE,
    SHOW_DEVICES,
    SHOW_SKIPPED,
    TO_BUTTONS,
    Command,
    Place,
    bindings,
    key_name,
)
from tui.screens.dialog import Complaint, Dialog
from tui.text import clean, cut_middle, duration, fit, plural, width_of, wrap
from tui.theme import Token
from tui.widgets.block import Block, Line, Piece, spread
from tui.widgets.choices import Choices
from tui.widgets.field import Field

LABEL = 11
"""Cells of the words on the left."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What was agreed to: the plan with these parameters, and whether it pauses monitoring (None: as planned)."""

    parameters: Mapping[str, Any]
    pause: bool | None


class Word(Field):
    """Where a word is typed to agree; out of it, the keys of the dialog work."""

    BINDINGS = bindings(TO_BUTTONS)


class PlanDialog(Dialog[Agreed]):
    """Returns what was agreed to. A word that has to be typed first is `typed`, where the plan does not ask for one."""

    PLACE = Place.PLAN
    BINDINGS = bindings(*COMMANDS[Place.PLAN])

    def __init__(self, plan: Plan, action: Action, subject: str, hidden: int, typed: str = "") -> None:
        super().__init__(f"{plan.title}: {plan.subject or subject}")
        self._plan = plan
        self._action = action
        self._typed = plan.typed or typed
        self._block = PlanBlock(plan, hidden)
        self._block.pauses = plan.monitoring is not None and plan.monitoring.pauses
        if any(parameter.name == "ignore" for parameter in fields(action.parameters)):
            self._block.ignores = bool(plan.parameters.get("ignore", False))
        self._choices = Choices(*self._buttons())
        self._field = Word(placeholder=f"type {self._typed} to agree")
        self._field.display = bool(self._typed)

    def body(self) -> Sequence[Widget]:
        """The plan, then the buttons."""
        scroll = VerticalScroll(self._block, can_focus=False)
        return scroll, PlanKeys(self._plan, self._block.ignores, self._typed), self._field, Complaint(), self._choices

    def first(self) -> Widget:
        """The harmless button, or the field for the word."""
        return self._field if self._typed else self._choices

    @on(Choices.Pressed)
    def _pressed(self, event: Choices.Pressed) -> None:
        if event.choice == "confirm":
            self.action_confirm()
        else:
            self.dismiss(None)

    @on(Input.Submitted)
    def action_confirm(self) -> None:
        """Do it, when the word was typed where one is wanted."""
        if self._field.value.strip().casefold() != self._typed:
            other = f"{key_name(LEAVE.keys[0])} to {LEAVE.help}"
            self.query_one(Complaint).say(f"type {self._typed} to agree, or {other}")
            self.set_focus(self._field)
            return
        monitoring, ignores = self._plan.monitoring, self._block.ignores
        parameters = dict(self._plan.parameters)
        if ignores is not None:
            parameters["ignore"] = ignores
        self.dismiss(Agreed(parameters, self._block.pauses if monitoring is not None and monitoring.asks else None))

    def action_to_buttons(self) -> None:
        """Out of the field, so that the keys of the dialog work."""
        self.set_focus(self._choices)

    def action_pause(self) -> None:
        """Pause monitoring, or let it go on."""
        if self._plan.monitoring is not None and self._plan.monitoring.asks:
            self._block.pauses = not self._block.pauses
            self._block.changed()

    def action_ignore(self) -> None:
        """Offer it again when it is found, or not."""
        if self._block.ignores is not None:
            self._block.ignores = not self._block.ignores
            self._block.changed()
            self._choices.choices = self._buttons()
            self._choices.update()

    def _buttons(self) -> Sequence[tuple[str, str]]:
        verb = f"{self._action.label} and ignore" if self._block.ignores else self._action.label
        return ("cancel", "Cancel"), ("confirm", f"{verb} {len(self._plan.devices):,}")

    def action_show(self, what: str) -> None:
        """A list, or the plan again."""
        if not (self._plan.devices if what == "devices" else self._plan.skipped):
            return
        showing = "" if self._block.showing == what else what
        for block in (self._block, self.query_one(PlanKeys)):
            block.showing = showing
            block.changed()
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_scroll(self, rows: int) -> None:
        """Through a list."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)


class PlanBlock(Block):
    """The plan in words, or one of its lists."""

    showing = ""
    pauses = False
    """Whether the job would pause monitoring."""
    ignores: bool | None = None
    """Whether the devices would never be offered again; None where that is no question."""

    def __init__(self, plan: Plan, hidden: int) -> None:
        super().__init__()
        self._plan = plan
        self._hidden = hidden

    def lines(self, width: int) -> Sequence[Line]:
        """The one that was asked for."""
        if self.showing == "devices":
            planned = self._plan.devices
            return self._list([(p.name, p.uid, p.port or "record only") for p in planned], width)
        if self.showing == "skipped":
            skipped = self._plan.skipped
            return self._list([(s.name, s.uid, s.reason) for s in skipped], width)
        return [*self._summary(), *self._facts(width)]

    def _list(self, rows: Sequence[tuple[str, str, str]], width: int) -> list[Line]:
        uid_width = max(width_of(uid) for _, uid, _ in rows)
        reason_width = min(max(width_of(clean(last)) for *_, last in rows), width // 2)
        name_width = max(width - uid_width - reason_width - 4, 8)
        ellipsis = self.app.appearance.glyphs.ellipsis
        lines: list[Line] = [()]
        for name, uid, last in rows:
            lines.append(
                (
                    (fit(cut_middle(clean(name), name_width, ellipsis), name_width), Token.TEXT),
                    (f"  {fit(uid, uid_width)}  ", Token.MUTED),
                    (cut_middle(clean(last), reason_width, ellipsis), Token.MUTED),
                )
            )
        return lines

    def _summary(self) -> list[Line]:
        plan = self._plan
        total = len(plan.devices) + len(plan.skipped)
        ports = ", ".join(clean(port) for port in plan.ports)
        count = f"{len(plan.devices):,} of {plural(total, 'device')}" if plan.skipped else plural(total, "device")
        times = int(plan.parameters.get("count", 1))
        often = f", {times:,} times each" if times > 1 else ""
        how_long = f"{often}, about {duration(plan.seconds)} on {ports}" if ports else ", the record only"
        return [
            (),
            ((count, Token.STRONG), (how_long, Token.TEXT)),
            (),
        ]

    def _facts(self, width: int) -> list[Line]:
        plan = self._plan
        lines: list[Line] = []
        digits = max((len(f"{count:,}") for _, count in plan.reasons), default=1)
        for place, (reason, count) in enumerate(plan.reasons):
            label = "Skipped" if place == 0 else ""
            lines += _fact(label, f"{count:>{digits},}  {clean(reason)}", width)
        short = f"{plan.seats_short:,} short: a license adds capacity" if plan.seats_short else "none needed"
        token = Token.WARNING if plan.seats_short else Token.TEXT
        lines += _fact("Seats", f"{plan.seats.used:,} of {plan.seats.capacity:,} in use, {short}", width, token)
        lines += self._monitoring(width)
        if self.ignores is not None:
            what = "never offered again when found" if self.ignores else "offered again when found"
            lines += self._toggle("Ignore", what, self.ignores, width)
        if self._hidden:
            words = "is" if self._hidden == 1 else "are"
            lines += _fact("Hidden", f"{self._hidden:,} of them {words} hidden by the filter", width, Token.WARNING)
        for warning in plan.warnings:
            lines += _fact("Warning", clean(warning), width, Token.WARNING)
        for place, sentence in enumerate(plan.by_hand, start=1):
            lines += _fact("By hand" if place == 1 else "", f"{place}. {clean(sentence)}", width, Token.STRONG)
        return lines

    def _monitoring(self, width: int) -> list[Line]:
        monitoring = self._plan.monitoring
        if monitoring is None:
            return []
        what = "paused by this job, then resumed" if self.pauses else "goes on during this job"
        text = f"{monitoring.events_per_second:.1f} events/s, {what}"
        return self._toggle("Monitoring", text, self.pauses if monitoring.asks else None, width)

    def _toggle(self, label: str, text: str, on: bool | None, width: int) -> list[Line]:
        """A fact with a box at its end; `on` None: nobody is asked."""
        if on is None:
            return _fact(label, text, width)
        box = f"[{self.app.appearance.glyphs.check if on else ' '}]"
        *lines, last = _fact(label, text, width - len(box) - 1)
        return [*lines, spread(last, [(box, Token.KEY)], width)]


class PlanKeys(Block):
    """How to agree, and to see the devices and what is skipped."""

    showing = ""

    def __init__(self, plan: Plan, ignores: bool | None, typed: str) -> None:
        super().__init__()
        self._plan = plan
        self._typed = typed
        self._toggles: list[Piece] = []
        if plan.monitoring is not None and plan.monitoring.asks:
            self._toggles += _key(PAUSE, "pause monitoring, or not")
        if ignores is not None:
            self._toggles += _key(IGNORE, "ignore it from now on, or not")

    def lines(self, width: int) -> Sequence[Line]:
        """One line or two, with air around them."""
        plan = self._plan
        keys: list[Piece] = [] if self._typed else _key(AGREE, "agree")
        lists = ((SHOW_DEVICES, "devices", len(plan.devices)), (SHOW_SKIPPED, "skipped", len(plan.skipped)))
        for command, what, count in lists:
            if count:
                one = {"devices": "show the device", "skipped": "show the one skipped"}[what]
                words = one if count == 1 else f"show the {count:,} {what}"
                words = "back to the plan" if self.showing == what else words
                keys += _key(command, words)
        lines: list[Line] = [(), keys]
        if self._toggles:
            lines.append(self._toggles)
        if self._typed:
            lines.append(_key(TO_BUTTONS, "from the word to these keys and the buttons"))
        return [*lines, ()]


def _key(command: Command, words: str) -> list[Piece]:
    return [(key_name(command.keys[0]), Token.KEY), (f"  {words}    ", Token.MUTED)]


def _fact(label: str, text: str, width: int, token: Token = Token.TEXT) -> list[Line]:
    return [
        ((fit(label if place == 0 else "", LABEL), Token.MUTED), (line, token))
        for place, line in enumerate(wrap(text, width - LABEL))
    ]
