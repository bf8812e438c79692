"""A form: a few fields, and what is wrong said next to the field it is about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from core.errors import FieldhandError, Kind
from tui.bindings import COMMANDS, LEAVE, NEXT_FIELD, SUBMIT, Place, bindings, in_words
from tui.screens.ask import Words
from tui.screens.dialog import Complaint, Dialog
from tui.text import clean, fit, wrap
from tui.theme import Token
from tui.widgets.block import Block, Line, OneLine
from tui.widgets.field import Field

LABEL_WIDTH = 13

_FIELD_OF: Final[Mapping[Kind, str]] = {
    Kind.INVALID_UID: "uid",
    Kind.DUPLICATE_UID: "uid",
    Kind.DUPLICATE_NAME: "name",
    Kind.UNKNOWN_PORT: "port",
    Kind.UNKNOWN_GROUP: "group",
    Kind.UNKNOWN_PROTOCOL: "url",
    Kind.PORT_ABSENT: "url",
    Kind.PORT_BUSY: "url",
    Kind.NOT_AN_INTERFACE: "url",
}
_FIELD_IN_WORDS: Final = {
    "name": "name",
    "UID": "uid",
    "URL": "url",
    "port": "port",
    "group": "group",
    "program": "program_id",
    "type": "type",
    "location": "location",
    "point": "points",
}
Save = Callable[[Mapping[str, str]], Awaitable[None]]
"""Does something with what was filled in; raises FieldhandError."""


class FormDialog(Dialog[str]):
    """Returns the first field's value, after `save` has taken all of them; its errors are said next to their fields."""

    PLACE = Place.FORM
    BINDINGS = bindings(*COMMANDS[Place.FORM])

    def __init__(self, title: str, verb: str, entries: Mapping[str, Entry], save: Save) -> None:
        super().__init__(title)
        self._verb = verb
        self._entries = entries
        self._save = save

    def body(self) -> Sequence[Widget]:
        """Field by field."""
        keys = in_words((SUBMIT, self._verb), (NEXT_FIELD, NEXT_FIELD.help), (LEAVE, "Cancel"))
        return *self._entries.values(), Complaint(), Words(keys, Token.MUTED)

    def first(self) -> Widget:
        """The first field."""
        return next(iter(self._entries.values())).field

    def action_step(self, step: int) -> None:
        """Next field, or the one before."""
        order = [entry.field for entry in self._entries.values()]
        at = next((place for place, field in enumerate(order) if field.has_focus), 0)
        self.set_focus(order[(at + step) % len(order)])

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.run_worker(self._try(), exclusive=True)

    async def _try(self) -> None:
        values = {name: entry.field.value.strip() for name, entry in self._entries.items()}
        for entry in self._entries.values():
            entry.complain("")
        self.query_one(Complaint).say("")
        try:
            await self._save(values)
        except FieldhandError as error:
            self._complain(error)
        else:
            self.dismiss(next(iter(values.values())))

    def _complain(self, error: FieldhandError) -> None:
        what = str(error.fields.get("what", ""))
        by_word = next((field for word, field in _FIELD_IN_WORDS.items() if word in what), "")
        entry = self._entries.get(_FIELD_OF.get(error.kind, by_word))
        if entry is None:
            self.query_one(Complaint).say(str(error))
        else:
            entry.complain(str(error))
            self.set_focus(entry.field)


class Entry(Vertical):
    """A label, a field, and under it what is wrong with it."""

    def __init__(self, label: str, field: Field) -> None:
        super().__init__()
        self.field = field
        self._label = Label(label)
        self._trouble = Trouble()

    def compose(self) -> ComposeResult:
        """Left to right, and the complaint below."""
        yield Horizontal(self._label, self.field)
        yield self._trouble

    def complain(self, text: str) -> None:
        """Say what is wrong with the field, or nothing."""
        self._trouble.text = clean(text)
        self._trouble.changed()


class Label(OneLine):
    """What a field is for."""

    def __init__(self, text: str, width: int = LABEL_WIDTH) -> None:
        super().__init__()
        self._text = fit(text, width)
        self.styles.width = width

    def line(self, width: int) -> Line:
        """Padded, so that the fields stand under each other."""
        return ((self._text, Token.MUTED),)


class Trouble(Block):
    """What is wrong with the field above; an empty line when nothing is."""

    text = ""

    def lines(self, width: int) -> Sequence[Line]:
        """Under the field, not under the label."""
        return [((" " * LABEL_WIDTH + line, Token.BAD),) for line in wrap(self.text, width - LABEL_WIDTH)]
