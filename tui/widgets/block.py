"""Lines of text in tokens: what everything but the lists is drawn with. Nothing in it is ever parsed as markup."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual import getters
from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from tui.console import Console
from tui.text import in_ascii, width_of
from tui.theme import Appearance, Token

Piece = tuple[str, Token]
Line = Sequence[Piece]


def width_of_line(line: Line) -> int:
    """How many cells the line takes."""
    return sum(width_of(text) for text, _ in line)


def spread(left: Line, right: Line, width: int) -> list[Piece]:
    """The two on one line, at its ends; where there is no room the right one goes."""
    space = width - width_of_line(left) - width_of_line(right)
    if space < 1:
        return list(left)
    return [*left, (" " * space, Token.TEXT), *right]


def strip_of(line: Line, width: int, appearance: Appearance, *, cursor: bool = False) -> Strip:
    """The line as Textual draws it, exactly that wide."""
    shown = ((in_ascii(text) if appearance.ascii_only else text, token) for text, token in line if text)
    segments = [Segment(text, appearance.style(token, cursor=cursor)) for text, token in shown]
    fill = appearance.style(Token.TEXT, cursor=cursor)
    return Strip(segments).adjust_cell_length(width, fill).simplify()


class Block(Widget):
    """As many lines as `lines` gives; `changed` makes it ask again."""

    app = getters.app(Console)
    _made: tuple[int, Sequence[Line]] | None = None

    def lines(self, width: int) -> Sequence[Line]:
        """What to show in this width."""
        raise NotImplementedError

    def changed(self) -> None:
        """There is something else to show."""
        self._made = None
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As high as there are lines."""
        return len(self._lines(width))

    def render_line(self, y: int) -> Strip:
        """One line of it."""
        lines = self._lines(self.size.width)
        return strip_of(lines[y] if y < len(lines) else (), self.size.width, self.app.appearance)

    def _lines(self, width: int) -> Sequence[Line]:
        if self._made is None or self._made[0] != width:
            self._made = width, self.lines(width)
        return self._made[1]


class OneLine(Block):
    """A block of a single line that repaints only when it looks different."""

    _shown: Line | None = None

    def line(self, width: int) -> Line:
        """What to show in this width."""
        raise NotImplementedError

    def lines(self, width: int) -> Sequence[Line]:
        """The one line."""
        return (self.line(width),)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One."""
        return 1

    def render_line(self, y: int) -> Strip:
        """The line."""
        self._shown = self.line(self.size.width)
        return strip_of(self._shown, self.size.width, self.app.appearance)

    def update(self) -> None:
        """Repaint if there is something new to see."""
        if not self.size.width or self.line(self.size.width) != self._shown:  # no width: it is about to be shown
            self.refresh()
