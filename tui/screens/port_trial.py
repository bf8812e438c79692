"""What answers on a serial port: it is opened as what the operator chooses, and closed again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

from textual.widget import Widget

from core.errors import FieldhandError
from core.rpc import PortFound, TryPort
from tui.bindings import COMMANDS, LEAVE, MOVES, TRY, bindings, in_words
from tui.bindings import Place as KeyPlace
from tui.model.columns import Column, Place
from tui.screens.ask import Words
from tui.screens.dialog import Complaint, Dialog
from tui.screens.port_finder import short_name
from tui.text import clean
from tui.theme import Token
from tui.widgets.block import Piece
from tui.widgets.list_table import ListTable

COLUMNS = (Column("as", "As", 18, 30), Column("outcome", "Outcome", 14, 40))


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that the port can be tried as; `refusal` is why it was not that, "" before it was tried."""

    label: str
    url: str
    trying: bool = False
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """As what the port can be added, and what answered."""

    url: str
    said: str


class TrialTable(ListTable[Trial]):
    """One line for each."""

    def identity(self, item: Trial) -> Hashable:
        """Its URL."""
        return item.url

    def cell(self, item: Trial, place: Place) -> Sequence[Piece]:
        """What it would be, and how that stands."""
        if place.column.name == "as":
            return ((clean(item.label), Token.STRONG),)
        if item.trying:
            return (("trying", Token.ACCENT),)
        return (("no", Token.BAD),) if item.refusal else (("not tried yet", Token.MUTED),)


class PortTrial(Dialog[Answered]):
    """Returns as what the port answered."""

    PLACE = KeyPlace.TRIAL
    BINDINGS = bindings(*COMMANDS[KeyPlace.TRIAL])

    def __init__(self, port: PortFound) -> None:
        super().__init__(f"What is on {short_name(port)}")
        self._path = port.path
        self._table = TrialTable(COLUMNS)
        self._trials = [Trial(label, url) for label, url in port.urls]

    def body(self) -> Sequence[Widget]:
        """The port, what it can be, and what came of it."""
        return (
            Words(self._path, Token.MUTED),
            self._table,
            Complaint(),
            Words(in_words((TRY, "open it as this"), (MOVES[0], "choose"), (LEAVE, "Cancel")), Token.MUTED),
        )

    def first(self) -> Widget:
        """The list."""
        return self._table

    def on_mount(self) -> None:
        """Nothing is tried by itself: bytes meant for one protocol are noise on the bus of another."""
        self._show()
        if not self._trials:
            self.query_one(Complaint).say("no protocol of this site uses such a port")

    def action_try(self) -> None:
        """Try the one under the cursor, one at a time."""
        trial = self._table.current
        if trial is not None and not any(one.trying for one in self._trials):
            self.run_worker(self._try(trial))

    async def _try(self, trial: Trial) -> None:
        self.query_one(Complaint).say("")
        self._put(replace(trial, trying=True))
        try:
            said = await self.app.call(TryPort(url=trial.url))
        except FieldhandError as error:
            self._put(replace(trial, refusal=str(error)))
            self.query_one(Complaint).say(f"{trial.label}: {error}")
            self._go_on()
        else:
            self.dismiss(Answered(trial.url, said))

    def _go_on(self) -> None:
        """To the next that was not tried yet."""
        untried = [place for place, trial in enumerate(self._trials) if not trial.refusal]
        if untried:
            self._table.move_cursor(untried[0])

    def _put(self, trial: Trial) -> None:
        self._trials = [trial if one.url == trial.url else one for one in self._trials]
        self._show()

    def _show(self) -> None:
        self._table.show_items(self._trials)
        self._table.styles.height = max(len(self._trials), 1)
