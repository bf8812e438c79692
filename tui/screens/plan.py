"""The plan of a job, shown before it starts: what, how many, which not and why. Cancel has the focus."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.containers import VerticalScroll
from textual.widget import Widget

from core.actions import Action
from core.planning import Plan
from tui.bindings import Command, bindings
from tui.screens.dialog import Dialog
from tui.text import clean, cut_middle, duration, fit, plural, width_of, wrap
from tui.theme import Token
from tui.widgets.block import Block, Line, Piece
from tui.widgets.choices import Choices

LABEL = 11
"""Cells of the words on the left."""


class PlanDialog(Dialog[bool]):
    """True when the operator agrees."""

    BINDINGS = bindings(
        Command("confirm", ("y",), "do it"),
        Command("show('devices')", ("d",), "show the devices, or the plan"),
        Command("show('skipped')", ("s",), "show what is skipped and why, or the plan"),
        Command("scroll(1)", ("down", "j"), "down"),
        Command("scroll(-1)", ("up", "k"), "up"),
        Command("scroll(10)", ("pagedown", "ctrl+d"), "down"),
        Command("scroll(-10)", ("pageup", "ctrl+u"), "up"),
    )

    def __init__(self, plan: Plan, action: Action, subject: str, hidden: int) -> None:
        super().__init__(f"{plan.title}: {plan.subject or subject}")
        self._plan = plan
        self._verb = f"{action.label} {len(plan.devices):,}"
        self._hidden = hidden

    def body(self) -> Sequence[Widget]:
        """The plan, then the buttons."""
        keys = PlanKeys(self._plan)
        return VerticalScroll(PlanBlock(self._plan, self._hidden), can_focus=False), keys, self.first()

    def first(self) -> Choices:
        """The buttons; made once."""
        if not hasattr(self, "_choices"):
            self._choices = Choices(("cancel", "Cancel"), ("confirm", self._verb))
        return self._choices

    @on(Choices.Pressed)
    def _pressed(self, event: Choices.Pressed) -> None:
        self.dismiss(event.choice == "confirm")

    def action_confirm(self) -> None:
        """Do it."""
        self.dismiss(True)

    def action_show(self, what: str) -> None:
        """A list, or the plan again."""
        if not (self._plan.devices if what == "devices" else self._plan.skipped):
            return
        showing = "" if self.query_one(PlanBlock).showing == what else what
        for block in (self.query_one(PlanBlock), self.query_one(PlanKeys)):
            block.showing = showing
            block.changed()
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_scroll(self, rows: int) -> None:
        """Through a list."""
        self.query_one(VerticalScroll).scroll_relative(y=rows, animate=False)


class PlanBlock(Block):
    """The plan in words, or one of its lists."""

    showing = ""

    def __init__(self, plan: Plan, hidden: int) -> None:
        super().__init__()
        self._plan = plan
        self._hidden = hidden

    def lines(self, width: int) -> Sequence[Line]:
        """The one that was asked for."""
        if self.showing == "devices":
            planned = self._plan.devices
            return _list([(p.name, p.uid, p.port or "record only") for p in planned], width)
        if self.showing == "skipped":
            skipped = self._plan.skipped
            return _list([(s.name, s.uid, s.reason) for s in skipped], width)
        return [*self._summary(), *self._facts(width)]

    def _summary(self) -> list[Line]:
        plan = self._plan
        total = len(plan.devices) + len(plan.skipped)
        ports = ", ".join(clean(port) for port in plan.ports)
        count = f"{len(plan.devices):,} of {plural(total, 'device')}" if plan.skipped else plural(total, "device")
        return [
            (),
            ((count, Token.STRONG), (f", about {duration(plan.seconds)} on {ports}", Token.TEXT)),
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
        if self._hidden:
            words = "is" if self._hidden == 1 else "are"
            lines += _fact("Hidden", f"{self._hidden:,} of them {words} hidden by the filter", width, Token.WARNING)
        for warning in plan.warnings:
            lines += _fact("Warning", clean(warning), width, Token.WARNING)
        return lines


class PlanKeys(Block):
    """How to see the devices, and what is skipped."""

    showing = ""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def lines(self, width: int) -> Sequence[Line]:
        """One line, with air around it."""
        plan = self._plan
        keys: list[Piece] = []
        for key, what, count in (("d", "devices", len(plan.devices)), ("s", "skipped", len(plan.skipped))):
            if count:
                one = {"devices": "show the device", "skipped": "show the one skipped"}[what]
                words = one if count == 1 else f"show the {count:,} {what}"
                words = "back to the plan" if self.showing == what else words
                keys += [(key, Token.KEY), (f"  {words}    ", Token.MUTED)]
        return [(), keys, ()]


def _fact(label: str, text: str, width: int, token: Token = Token.TEXT) -> list[Line]:
    return [
        ((fit(label if place == 0 else "", LABEL), Token.MUTED), (line, token))
        for place, line in enumerate(wrap(text, width - LABEL))
    ]


def _list(rows: Sequence[tuple[str, str, str]], width: int) -> list[Line]:
    uid_width = max(width_of(uid) for _, uid, _ in rows)
    reason_width = min(max(width_of(clean(last)) for *_, last in rows), width // 2)
    name_width = max(width - uid_width - reason_width - 4, 8)
    lines: list[Line] = [()]
    for name, uid, last in rows:
        lines.append(
            (
                (fit(cut_middle(clean(name), name_width), name_width), Token.TEXT),
                (f"  {fit(uid, uid_width)}  ", Token.MUTED),
                (cut_middle(clean(last), reason_width), Token.MUTED),
            )
        )
    return lines
