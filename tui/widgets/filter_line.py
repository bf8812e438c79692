"""The line over the devices: the filter, always in sight, and how many are shown and selected."""

from __future__ import annotations

from textual import getters, on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input

from tui.bindings import FILTERING, bindings
from tui.console import Console
from tui.text import plural
from tui.theme import Token
from tui.widgets.block import Line, OneLine, Piece, width_of_line
from tui.widgets.field import Field


class Prompt(OneLine):
    """The slash."""

    filtering = False

    def line(self, width: int) -> Line:
        """Accented while there is a filter."""
        return ((" / ", Token.ACCENT if self.filtering else Token.MUTED),)


class Counts(OneLine):
    """How many there are, and how many of them are shown."""


class DeviceCounts(Counts):
    """12 of 412, 3 selected (1 hidden)."""

    def line(self, width: int) -> Line:
        """Right-aligned."""
        devices = self.app.site.devices
        shown, total = len(devices.view), len(devices)
        line: list[Piece] = []
        if self.app.site.summary and not self.app.site.complete:
            line.append((f"{total:,} of {self.app.site.summary.devices:,} read", Token.WARNING))
        elif total:
            text = f"{shown:,} of {total:,}" if devices.filter.terms else plural(total, "device")
            line.append((text, Token.MUTED))
        if devices.ranging:
            line.append((", range", Token.ACCENT))
        if devices.selected:
            line.append((f", {len(devices.selected):,} selected", Token.ACCENT))
        if devices.hidden:
            line.append((f" ({devices.hidden:,} hidden)", Token.WARNING))
        return [(" " * (width - width_of_line(line) - 1), Token.TEXT), *line]


class FilterLine(Horizontal, inherit_bindings=False):
    """A field that filters while it is typed into. Enter or Down keep the filter, Esc clears it."""

    BINDINGS = bindings(*FILTERING)

    app = getters.app(Console)

    class Changed(Message):
        """There is another filter."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The operator is done with the filter."""

    def __init__(self, counts: Counts) -> None:
        super().__init__()
        self._counts = counts

    def compose(self) -> ComposeResult:
        """Slash, field, counts."""
        yield Prompt()
        yield Field(placeholder="no filter")
        yield self._counts

    @property
    def editing(self) -> bool:
        """Whether keys go into the field."""
        return self.query_one(Field).has_focus

    @property
    def text(self) -> str:
        """What was typed."""
        return self.query_one(Field).value

    def edit(self) -> None:
        """Let keys go into the field."""
        field = self.query_one(Field)
        self.screen.set_focus(field)  # at once: the next key may be here already
        field.cursor_position = len(field.value)

    def set_text(self, text: str) -> None:
        """Put another filter in; it counts as typed."""
        self.query_one(Field).value = text

    def update(self) -> None:
        """Count anew."""
        prompt = self.query_one(Prompt)
        prompt.filtering = bool(self.text.strip())
        prompt.update()
        self._counts.update()

    def action_leave(self) -> None:
        """Keep the filter and go back to the list."""
        self.post_message(self.Left())

    def action_clear(self) -> None:
        """Clear the filter and go back to the list."""
        self.set_text("")
        self.post_message(self.Left())

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Changed(event.value))

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_leave()
