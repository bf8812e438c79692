"""A list of one-line rows, however long, with a cursor: rows are drawn on demand and repainted one by one.

Built on Textual's line API because a stock table repaints all of itself for one cell. When the cursor
leaves what is visible, the list re-centres on it instead of scrolling line by line.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar

from textual import getters
from textual.cache import LRUCache
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.reactive import var
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.bindings import MOVES, bindings
from tui.console import Console
from tui.model.columns import Column, Place, share
from tui.text import cut_end, fit, width_of
from tui.theme import Token
from tui.widgets.block import Line, OneLine, Piece, strip_of

CACHED_ROWS = 256
"""A few screens of them: each takes some kilobytes, and scrolling back a page lays nothing out again."""
GUTTER = 2
"""Cells left of every row: the cursor's mark and a space."""


class LineTable(ScrollView, can_focus=True, inherit_bindings=False):
    """What a subclass brings: how many rows there are, what one looks like, and the columns."""

    BINDINGS = bindings(*MOVES)
    INDENT: ClassVar[int] = GUTTER

    app = getters.app(Console)
    count: var[int] = var(0, init=False)

    class Moved(Message):
        """The cursor is on another row."""

        def can_replace(self, message: Message) -> bool:
            """Only the newest counts."""
            return isinstance(message, LineTable.Moved)

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__()
        self.columns = columns
        self._made: LRUCache[Hashable, tuple[Line, Strip]] = LRUCache(CACHED_ROWS)
        """Rows as they look, by all that they depend on."""
        self._drawn: dict[int, Line] = {}
        """What was drawn last, by place."""
        self._places: tuple[Place, ...] = ()
        self._cursor = 0
        self.head: TableHead | None = None
        self.when_moved: Callable[[], None] = lambda: None
        """What else looks different when the cursor moves: called before the repaint, so that it is one."""

    # what a subclass brings

    def row_key(self, index: int) -> Hashable:
        """Something that differs whenever the row looks different."""
        raise NotImplementedError

    def row(self, index: int, places: Sequence[Place]) -> list[Piece]:
        """The row's pieces, from the first column on."""
        raise NotImplementedError

    def when_empty(self) -> Sequence[Line]:
        """What to say instead of rows."""
        return ()

    @property
    def cursor(self) -> int:
        """The row the cursor is on."""
        return self._cursor

    def place_cursor(self, index: int) -> None:
        """Take the cursor there; it is a row that exists."""
        self._cursor = index

    # for the view around it

    @property
    def places(self) -> tuple[Place, ...]:
        """The columns that are shown."""
        return self._places

    def show(self, count: int) -> None:
        """There are so many rows now, all to be drawn anew."""
        self.count = count
        if self.cursor >= count:
            self.place_cursor(max(count - 1, 0))
        self._fit()
        self.keep_in_view()
        self.refresh()

    def refresh_row(self, index: int) -> None:
        """Repaint what has changed of a row, if it is visible."""
        y = index - self.scroll_offset.y
        if not 0 <= y < self.size.height:
            return
        old = self._drawn.get(index)
        first, last = 0, self.size.width
        if old is not None:
            first, last = _difference(old, self._make(index)[0])
        if first < last:
            self.refresh(Region(first, y, last - first, 1))

    def refresh_visible(self) -> None:
        """Repaint what has changed of all visible rows."""
        top = self.scroll_offset.y
        for index in range(top, min(top + self.size.height, self.count)):
            self.refresh_row(index)

    def move_cursor(self, index: int) -> None:
        """Put the cursor on a row, as far as there is one, and bring it into view."""
        if not self.count:
            return
        old = self.cursor
        self.place_cursor(max(0, min(index, self.count - 1)))
        self.when_moved()
        if not self.keep_in_view():
            y = self.scroll_offset.y
            for row in {old, self.cursor}:
                self.refresh(Region(0, row - y, self.size.width, 1))
        self.post_message(self.Moved())

    def move_to_next(self, wanted: Callable[[int], bool], step: int) -> None:
        """Put the cursor on the next row that is wanted, or (step -1) the one before, over the ends."""
        ways = ((self.cursor + step * distance) % self.count for distance in range(1, self.count + 1))
        index = next((index for index in ways if wanted(index)), None)
        if index is None:
            self.app.say("nothing here needs anybody")
        else:
            self.move_cursor(index)

    def keep_in_view(self) -> bool:
        """Re-centre when the cursor is out of view; whether that was so."""
        height = self.size.height
        top = self.scroll_offset.y
        if not height or top <= self.cursor < top + height:
            return False
        self.scroll_to(y=max(0, self.cursor - height // 2), animate=False, immediate=True, force=True)
        return True

    # keys

    def action_move(self, rows: int) -> None:
        """So many rows down, or up."""
        self.move_cursor(self.cursor + rows)

    def action_page(self, direction: int) -> None:
        """A page down, or up."""
        self.move_cursor(self.cursor + direction * max(self.size.height - 1, 1))

    def action_half(self, direction: int) -> None:
        """Half a page down, or up."""
        self.move_cursor(self.cursor + direction * max(self.size.height // 2, 1))

    def action_first(self) -> None:
        """The first row."""
        self.move_cursor(0)

    def action_last(self) -> None:
        """The last row."""
        self.move_cursor(self.count - 1)

    # drawing

    def on_resize(self) -> None:
        """Share the width anew, and keep the cursor where it can be seen."""
        self._fit()
        self.keep_in_view()

    def on_focus(self) -> None:
        """The terminal's own cursor comes along."""
        self._point(self.cursor - self.scroll_offset.y)

    def notify_style_update(self) -> None:
        """Everything drawn so far may look different."""
        super().notify_style_update()
        self._forget()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows are visible: what was drawn at a place is no longer there."""
        super().watch_scroll_y(old_value, new_value)
        self._drawn.clear()

    def watch_show_vertical_scrollbar(self, shown: bool) -> None:
        """A bar that appears has not heard of what was scrolled before."""
        if shown:
            self.vertical_scrollbar.position = self.scroll_y

    def render_line(self, y: int) -> Strip:
        """One visible line."""
        index = self.scroll_offset.y + y
        if index >= self.count:
            empty = self.when_empty() if not self.count else ()
            return self._strip(empty[y] if y < len(empty) else (), cursor=False)
        if index == self.cursor:
            self._point(y)
        self._drawn[index], strip = self._make(index)
        return strip

    def render_lines(self, crop: Region) -> list[Strip]:
        """The visible lines without Textual's own cache, which would build each twice; needs no border, no padding."""
        lines = [self.render_line(y) for y in crop.line_range]
        first, last = crop.column_span
        if (first, last) != (0, self.size.width):
            return [line.crop(first, last) for line in lines]
        return lines

    def _point(self, y: int) -> None:
        """Braille lines and magnifiers follow the terminal's own cursor: it stands on the row that has the focus."""
        if self.has_focus and self.screen.is_active:
            self.app.cursor_position = self.region.offset + Offset(0, y)

    def _make(self, index: int) -> tuple[Line, Strip]:
        cursor = index == self.cursor
        key = (cursor, self.row_key(index))
        made = self._made.get(key)
        if made is None:
            mark = self.app.appearance.glyphs.cursor if cursor else " "
            line = [(mark + " ", Token.MARK), *self.row(index, self._places)]
            made = line, self._strip(line, cursor=cursor)
            self._made.set(key, made)
        return made

    def _strip(self, line: Line, *, cursor: bool) -> Strip:
        strip = strip_of(line, self.size.width, self.app.appearance, cursor=cursor)
        for line_filter in self.get_line_filters():
            strip = strip.apply_filter(line_filter, self.background_colors[1])
        return strip

    def _fit(self) -> None:
        size = self.scrollable_content_region.size
        places = share(self.columns, size.width, self.INDENT)
        if places != self._places:
            self._places = places
            self._forget()
            if self.head is not None:
                self.head.update()
        self.virtual_size = Size(size.width, self.count)
        self._drawn.clear()

    def _forget(self) -> None:
        self._made.clear()
        self._drawn.clear()


class TableHead(OneLine):
    """The titles over a list's columns."""

    def __init__(self, table: LineTable) -> None:
        super().__init__()
        self._table = table
        table.head = self

    def title(self, column: Column) -> str:
        """What stands over a column."""
        return column.title

    def line(self, width: int) -> Line:
        """The titles, where the columns are."""
        line: list[Piece] = []
        x = 0
        for place in self._table.places:
            line.append((" " * (place.start - x), Token.MUTED))
            title = cut_end(self.title(place.column), place.width, self.app.appearance.glyphs.ellipsis)
            line.append((fit(title, place.width, right=place.column.right), Token.HEAD))
            x = place.start + place.width
        return line


def _difference(old: Line, new: Line) -> tuple[int, int]:
    """From which cell to which cell two lines differ; (0, 0) when they do not."""
    first = last = x = 0
    for before, after in zip(old, new, strict=False):
        width = width_of(after[0])
        if before != after:
            first = first if last else x
            last = x + max(width, width_of(before[0]))
        x += width
    if len(old) != len(new):
        return 0, x + sum(width_of(text) for text, _ in old)
    return first, last
