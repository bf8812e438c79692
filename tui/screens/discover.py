"""Search a port: live while it goes on, then what was found, the new ones ticked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.widget import Widget

from core.errors import FieldhandError
from core.rpc import Discover, FoundDevice, Searching
from tui.bindings import ADOPT, COMMANDS, LEAVE, SEARCH, TICK, TICK_ALL, TICK_NONE, Command, bindings, key_name
from tui.bindings import Place as KeyPlace
from tui.model.columns import Column, Place
from tui.screens.dialog import Dialog
from tui.text import clean, cut_middle, plural
from tui.theme import Token
from tui.widgets.block import Block, Line, Piece
from tui.widgets.list_table import ListTable

COLUMNS = (
    Column("tick", "", 1, 1),
    Column("uid", "UID", 12, 12),
    Column("name", "Name", 14, 30, good=24, grow=1),
    Column("state", "State", 14, 24),
    Column("program", "Program ID", 16, 23, drop=3),
    Column("text", "Documentation", 20, 40, drop=8),
)


class FoundTable(ListTable[FoundDevice]):
    """What was found; the known ones are grey."""

    def __init__(self) -> None:
        super().__init__(COLUMNS)
        self.ticked: set[str] = set()

    def identity(self, item: FoundDevice) -> Hashable:
        """Its UID."""
        return item.found.uid

    def cell(self, item: FoundDevice, place: Place) -> Sequence[Piece]:
        """Tick, UID, name, how it stands."""
        glyphs = self.app.appearance.glyphs
        token = Token.MUTED if item.known else Token.TEXT
        found = item.found
        match place.column.name:
            case "tick":
                return ((glyphs.check if found.uid in self.ticked else " ", Token.MARK),)
            case "uid":
                return ((found.uid, token),)
            case "name":
                return ((cut_middle(clean(item.name), place.width, glyphs.ellipsis), token),)
            case "state" if item.ignored:
                return (("ignored", token),)
            case "state":
                where = f" {found.address.text}" if found.address else ""
                state = found.state.value if found.state else "found"
                text = "known already" if item.known else f"{state}{where}"
                return ((text if found.application or item.known else "no application", token),)
            case "program":
                return ((found.program_id or "", Token.MUTED),)
            case _:
                return ((clean(found.documentation), Token.MUTED),)


class SearchBlock(Block):
    """What the search does, or what came of it."""

    text: Line = ()
    hint: Line = ()

    def say(self, text: Line, hint: Line) -> None:
        """The two lines."""
        self.text, self.hint = text, hint
        self.changed()

    def lines(self, width: int) -> Sequence[Line]:
        """With air between."""
        return [(), self.text, (), self.hint]


class DiscoverDialog(Dialog[tuple[FoundDevice, ...]]):
    """Returns the devices to adopt. `found`: they are known already, by their service pins."""

    PLACE = KeyPlace.DISCOVER
    BINDINGS = bindings(*COMMANDS[KeyPlace.DISCOVER])

    def __init__(self, port: str, found: tuple[FoundDevice, ...] | None) -> None:
        super().__init__(f"Discover on {port}" if found is None else f"Service pins on {port}")
        self._port = port
        self._found = found
        self._table = FoundTable()
        self._block = SearchBlock()

    def body(self) -> Sequence[Widget]:
        """List and words."""
        return self._table, self._block

    def on_mount(self) -> None:
        """Begin to search, unless there is something already."""
        self._table.display = False
        self.app.searching.subscribe(self, self._progress)
        if self._found is None:
            self.action_search()
        else:
            self._show(self._found)

    @property
    def searching(self) -> bool:
        """Whether the search goes on."""
        return any(not worker.is_finished for worker in self.workers if worker.node is self)

    def action_search(self) -> None:
        """Search the port, again too."""
        if self.searching:
            return
        self._table.display = False
        self._searching(0, "asking who is there")
        self.run_worker(self._search(), exclusive=True)

    def action_mark(self) -> None:
        """Tick the device, and go on to the next."""
        item = self._table.current
        if item and not item.known:
            self._table.ticked ^= {item.found.uid}
        self._table.refresh_visible()
        self._table.move_cursor(self._table.cursor + 1)
        self._tell()

    def action_all(self) -> None:
        """Tick all that are new; what was said to be ignored is ticked one by one."""
        self._table.ticked = _offered(self._table.items)
        self._table.refresh_visible()
        self._tell()

    def action_none(self) -> None:
        """Tick none."""
        self._table.ticked.clear()
        self._table.refresh_visible()
        self._tell()

    def action_adopt(self) -> None:
        """Return what is ticked."""
        ticked = tuple(item for item in self._table.items if item.found.uid in self._table.ticked)
        if ticked:
            self.dismiss(ticked)

    async def _search(self) -> None:
        try:
            found = await self.app.call(Discover(port=self._port))
        except FieldhandError as error:
            self._block.say(((str(error), Token.BAD),), _keys((SEARCH, "search again"), (LEAVE, "close")))
        else:
            self._show(found)

    def _progress(self, notice: Searching) -> None:
        if notice.port == self._port and self.searching:
            self._searching(notice.found, notice.doing)

    def _searching(self, found: int, doing: str) -> None:
        glyph = self.app.appearance.glyphs.empty
        self._block.say(
            (
                (f"{glyph} Searching: ", Token.ACCENT),
                (f"{found} found", Token.STRONG),
                (f", {clean(doing)}", Token.MUTED),
            ),
            _keys((LEAVE, "close; nothing is adopted")),
        )

    def _show(self, found: tuple[FoundDevice, ...]) -> None:
        ordered = sorted(found, key=lambda item: (item.known, item.found.uid))
        self._table.ticked = _offered(found)
        self._table.display = bool(found)
        self._table.styles.height = min(max(len(found), 1), 40)
        self._table.show_items(ordered)
        if found:
            self.set_focus(self._table)
        self._tell()

    def _tell(self) -> None:
        items = self._table.items
        new = sum(not item.known for item in items)
        ticked = len(self._table.ticked)
        if not items:
            self._block.say(
                (("Nothing answered.", Token.STRONG), (" Is the channel powered, and this its port?", Token.MUTED)),
                _keys((SEARCH, "search again"), (LEAVE, "close")),
            )
            return
        tick = [(TICK, "tick"), (TICK_ALL, "all"), (TICK_NONE, "none")] if new else []
        adopt = [(ADOPT, f"adopt {ticked}")] if ticked else []
        self._block.say(
            (
                (plural(len(items), "device"), Token.STRONG),
                (f": {new} new, {len(items) - new} known, {ticked} ticked", Token.TEXT),
            ),
            _keys(*adopt, *tick, (SEARCH, "again"), (LEAVE, "close")),
        )


def _offered(found: Sequence[FoundDevice]) -> set[str]:
    """The UIDs of those that are new and that nobody said to ignore."""
    return {item.found.uid for item in found if not item.known and not item.ignored}


def _keys(*keys: tuple[Command, str]) -> Line:
    line: list[Piece] = []
    for command, word in keys:
        line += [(key_name(command.keys[0]), Token.KEY), (f" {word}  ", Token.MUTED)]
    return line
