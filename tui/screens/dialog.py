"""What all dialogs share: a frame in the middle, a deaf moment after opening, and Esc."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, Generic, TypeVar

from rich.text import Text
from textual import events, getters
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget

from tui.bindings import HELP, INTERRUPT, LEAVE, Place, bindings
from tui.console import Console
from tui.text import clean, in_ascii, wrap
from tui.theme import Token
from tui.widgets.block import Block, Line
from tui.widgets.too_small import TooSmall

R = TypeVar("R")

DEAF_SECONDS: Final = 0.3
"""How long a dialog takes no key after it opened: what was typed for the screen before is not meant for it."""
REPEAT_SECONDS: Final = 0.1
"""A key that comes again within this is held down, not pressed."""


class Frame(Vertical):
    """The box around a dialog."""


class Complaint(Block):
    """What is wrong, in the dialog where it went wrong, wrapped."""

    text = ""

    def say(self, text: str) -> None:
        """Show it, or nothing for ""."""
        self.text = clean(text)
        self.display = bool(text)
        self.changed()

    def on_mount(self) -> None:
        """Nothing is wrong yet."""
        self.display = bool(self.text)

    def lines(self, width: int) -> Sequence[Line]:
        """The mark and the sentence."""
        mark = self.app.appearance.glyphs.no_link
        return [
            ((f"{mark if not place else ' '} {line}", Token.BAD),)
            for place, line in enumerate(wrap(self.text, width - 2))
        ]


class Dialog(ModalScreen[R], Generic[R], inherit_bindings=False):
    """A modal that returns a typed result; None when it was cancelled."""

    BINDINGS = bindings(LEAVE, HELP, INTERRUPT)
    AUTO_FOCUS = ""
    PLACE: ClassVar[Place]

    app = getters.app(Console)

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = clean(title)
        self._opened: float | None = None
        self._last_key: tuple[str, float] | None = None

    def compose(self) -> ComposeResult:
        """The frame with the title in it."""
        yield Frame(*self.body())
        yield TooSmall()

    def body(self) -> Sequence[Widget]:
        """What is in the frame."""
        raise NotImplementedError

    def first(self) -> Widget | None:
        """What has the focus."""
        return None

    def on_mount(self) -> None:
        """Title and focus."""
        title = in_ascii(self._title) if self.app.appearance.ascii_only else self._title
        self.query_one(Frame).border_title = Text(title)  # a Text is never parsed as markup
        self._opened = self.app.clock.monotonic()
        first = self.first()
        if first is not None:
            self.set_focus(first)

    def place(self) -> Place:
        """Where the operator is, for the help page."""
        return self.PLACE

    def deaf(self, event: events.Key) -> bool:
        """Whether the key is not meant for this dialog: too early, or a key still held down."""
        now = self.app.clock.monotonic()
        last, self._last_key = self._last_key, (event.key, now)
        if self._opened is None or now - self._opened < DEAF_SECONDS:
            return True
        return event.key == "enter" and last is not None and last[0] == "enter" and now - last[1] < REPEAT_SECONDS

    def action_cancel(self) -> None:
        """Close without a result."""
        self.dismiss(None)
