"""A text field of one line: Textual's, without frame and without blinking."""

from __future__ import annotations

from textual.widgets import Input


class Field(Input):
    """For typing or pasting one line."""

    def __init__(self, value: str = "", *, placeholder: str = "", id: str | None = None) -> None:
        super().__init__(value, placeholder=placeholder, id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False
