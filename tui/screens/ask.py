"""Two small dialogs: type a name, and agree to something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from textual import on
from textual.widget import Widget
from textual.widgets import Input

from core.errors import FieldhandError
from tui.bindings import COMMANDS, LEAVE, SUBMIT, Place, bindings, in_words
from tui.screens.dialog import Complaint, Dialog
from tui.text import clean, wrap
from tui.theme import Token
from tui.widgets.block import Block, Line
from tui.widgets.choices import Choices
from tui.widgets.field import Field


class Words(Block):
    """Plain text, wrapped."""

    def __init__(self, text: str, token: Token = Token.TEXT) -> None:
        super().__init__()
        self._text = clean(text)
        self._token = token

    def lines(self, width: int) -> Sequence[Line]:
        """With air around it."""
        return [(), *(((line, self._token),) for line in wrap(self._text, width)), ()]


class AskDialog(Dialog[str]):
    """Asks for a name and does something with it; what goes wrong is said here and nothing typed is lost."""

    PLACE = Place.ASK

    def __init__(self, title: str, label: str, value: str, verb: str, do: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(title)
        self._label = label
        self._field = Field(value)
        self._verb = verb
        self._do = do

    def body(self) -> Sequence[Widget]:
        """Label, field, complaint, keys."""
        return (
            Words(self._label, Token.MUTED),
            self._field,
            Complaint(),
            Words(in_words((SUBMIT, self._verb), (LEAVE, "Cancel")), Token.MUTED),
        )

    def first(self) -> Widget:
        """Type at once."""
        return self._field

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self.run_worker(self._try(event.value), exclusive=True)

    async def _try(self, value: str) -> None:
        try:
            await self._do(value.strip())
        except FieldhandError as error:
            self.query_one(Complaint).say(str(error))
        else:
            self.dismiss(value.strip())


class ConfirmDialog(Dialog[bool]):
    """True when the operator agrees; the harmless button has the focus."""

    PLACE = Place.CONFIRM
    BINDINGS = bindings(*COMMANDS[Place.CONFIRM])

    def __init__(self, title: str, text: str, verb: str, harmless: str) -> None:
        super().__init__(title)
        self._text = text
        self._choices = Choices(("cancel", harmless), ("confirm", verb))

    def body(self) -> Sequence[Widget]:
        """What will happen, and the buttons."""
        return Words(self._text), self._choices

    def first(self) -> Widget:
        """The buttons."""
        return self._choices

    @on(Choices.Pressed)
    def _pressed(self, event: Choices.Pressed) -> None:
        self.dismiss(event.choice == "confirm")

    def action_confirm(self) -> None:
        """Do it."""
        self.dismiss(True)
