"""Which file: its path typed, pasted or dropped on the terminal, or found by going through the folders."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Sequence
from pathlib import Path

from textual import on, work
from textual.widget import Widget
from textual.widgets import Input

from core.errors import FieldhandError
from tui import files
from tui.bindings import COMMANDS, COMPLETE, LEAVE, PARENT, SUBMIT, bindings, in_words
from tui.bindings import Place as KeyPlace
from tui.console import READ
from tui.files import Entry
from tui.model.columns import Column, Place
from tui.screens.ask import Words
from tui.screens.dialog import Complaint, Dialog
from tui.text import clean, cut_middle, size
from tui.theme import Token
from tui.widgets.block import Block, Line, Piece
from tui.widgets.field import Field
from tui.widgets.list_table import ListTable

COLUMNS = (
    Column("name", "Name", 20, 200, good=46, grow=1),
    Column("size", "Size", 9, 9, right=True),
)
Take = Callable[[Path, Callable[[str], None]], Awaitable[None]]
"""Does something with the file, and says meanwhile what; raises FieldhandError."""


class FolderTable(ListTable[Entry]):
    """Folders first, then the files that can be meant."""

    can_focus = False

    def identity(self, item: Entry) -> Hashable:
        """Its path."""
        return item.path

    def cell(self, item: Entry, place: Place) -> Sequence[Piece]:
        """Name and size."""
        if place.column.name == "size":
            return (("" if item.folder else size(item.size), Token.MUTED),)
        name = clean(item.path.name) + ("/" if item.folder else "")
        shown = cut_middle(name, place.width, self.app.appearance.glyphs.ellipsis)
        return ((shown, Token.MUTED if item.folder else Token.STRONG),)


class Doing(Block):
    """What is under way."""

    text = ""

    def say(self, text: str) -> None:
        """This."""
        self.text = clean(text)
        self.changed()

    def lines(self, width: int) -> Sequence[Line]:
        """One line."""
        return [((self.text, Token.ACCENT),)]


class FileDialog(Dialog[Path]):
    """Returns the file, after `take` has done with it what is to be done; what goes wrong is said here."""

    PLACE = KeyPlace.FILE
    BINDINGS = bindings(*COMMANDS[KeyPlace.FILE])

    def __init__(self, title: str, verb: str, folder: Path, suffixes: Collection[str], take: Take) -> None:
        super().__init__(title)
        self._verb = verb
        self._suffixes = suffixes
        self._take = take
        self._field = Field(_as_folder(folder), placeholder="path of the file")
        self._table = FolderTable(COLUMNS)
        self._moved = False

    def body(self) -> Sequence[Widget]:
        """Path, folder, what is wrong, keys."""
        keys = in_words((SUBMIT, self._verb), (COMPLETE, "complete"), (PARENT, "up"), (LEAVE, "Cancel"))
        return self._field, self._table, Complaint(), Doing(), Words(keys, Token.MUTED)

    def first(self) -> Widget:
        """Type or paste at once."""
        return self._field

    def on_mount(self) -> None:
        """Show the folder."""
        self._field.cursor_position = len(self._field.value)
        self._look()

    @property
    def busy(self) -> bool:
        """Whether a file is being worked on."""
        return bool(self.query_one(Doing).text)

    def action_move(self, rows: int) -> None:
        """Up and down, over the ends."""
        if self._table.count:
            self._table.move_cursor((self._table.cursor + rows) % self._table.count if self._moved else 0)
            self._moved = True

    def action_complete(self) -> None:
        """Take the name of the entry into the path."""
        entry = self._table.current
        if entry is not None:
            self._go(_as_folder(entry.path) if entry.folder else str(entry.path))

    def action_parent(self) -> None:
        """The folder above the one that is shown."""
        folder, _ = _split(self._field.value)
        self._go(_as_folder(folder.parent))

    @on(Input.Changed)
    def _typed(self) -> None:
        self._moved = False
        self.query_one(Complaint).say("")
        self._look()

    @on(Input.Submitted)
    async def _picked(self) -> None:
        if self.busy:
            return
        typed = files.as_path(self._field.value)
        entry = self._table.current
        if not self._moved and await asyncio.to_thread(typed.is_file):
            self._begin(typed)
        elif entry is None:
            self.query_one(Complaint).say(f"{typed}: no such file")
        elif entry.folder:
            self._go(_as_folder(entry.path))
        else:
            self._begin(entry.path)

    def action_cancel(self) -> None:
        """Close, unless it is too late for that: what was sent to the worker is finished there."""
        if not self.busy:
            self.dismiss(None)

    def _go(self, path: str) -> None:
        self._field.value = path
        self._field.cursor_position = len(path)

    def _begin(self, path: Path) -> None:
        self.run_worker(self._do(path), exclusive=True)

    async def _do(self, path: Path) -> None:
        doing = self.query_one(Doing)
        try:
            await self._take(path, doing.say)
        except FieldhandError as error:
            self.query_one(Complaint).say(str(error))
        else:
            self.app.site.folder = path.parent
            self.dismiss(path)
        finally:
            doing.say("")

    @work(exclusive=True, group=READ)
    async def _look(self) -> None:
        folder, beginning = _split(self._field.value)
        try:
            found = await asyncio.to_thread(files.entries, folder, beginning, self._suffixes)
        except FieldhandError as error:
            found = []
            self.query_one(Complaint).say(str(error))
        self._table.show_items(found)
        self._table.styles.height = max(len(found), 1)
        self._table.move_cursor(0)


def _split(typed: str) -> tuple[Path, str]:
    """The folder to look into, and how the names begin that are looked for."""
    path = files.as_path(typed)
    return (path, "") if not typed or typed.endswith("/") else (path.parent, path.name)


def _as_folder(path: Path) -> str:
    return str(path).rstrip("/") + "/"
