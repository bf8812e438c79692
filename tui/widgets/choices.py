"""A row of buttons that is one thing to focus: arrows and Tab move, Enter presses."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Offset
from textual.message import Message

from tui.bindings import BUTTONS, bindings
from tui.theme import Token
from tui.widgets.block import Line, OneLine, Piece, width_of_line


class Choices(OneLine, can_focus=True, inherit_bindings=False):
    """Buttons by id and label; the first has the focus and is the harmless one."""

    BINDINGS = bindings(*BUTTONS)

    class Pressed(Message):
        """A button was pressed."""

        def __init__(self, choice: str) -> None:
            super().__init__()
            self.choice = choice

    def __init__(self, *choices: tuple[str, str]) -> None:
        super().__init__()
        self.choices: Sequence[tuple[str, str]] = choices
        self.at = 0

    def on_focus(self) -> None:
        """A button is marked only where Enter presses it."""
        self.update()

    def on_blur(self) -> None:
        """None is marked."""
        self.update()

    def line(self, width: int) -> Line:
        """The buttons, to the right."""
        cursor = self.app.appearance.glyphs.cursor
        line: list[Piece] = []
        before = 0
        for place, (_, label) in enumerate(self.choices):
            chosen = place == self.at and self.has_focus
            mark = cursor if chosen else " "
            if chosen:
                before = width_of_line(line)
            line += [(f" {mark} {label} ", Token.CHOSEN if chosen else Token.STRONG), ("  ", Token.TEXT)]
        space = width - width_of_line(line)
        if self.has_focus:  # the terminal's own cursor stands on the button
            self.app.cursor_position = self.region.offset + Offset(space + before + 1, 0)
        return [(" " * space, Token.TEXT), *line]

    def action_step(self, step: int) -> None:
        """The next button, or the one before."""
        self.at = (self.at + step) % len(self.choices)
        self.update()

    def action_press(self) -> None:
        """Press the one that is marked."""
        self.post_message(self.Pressed(self.choices[self.at][0]))
