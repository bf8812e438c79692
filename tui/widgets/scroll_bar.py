"""The bar beside what is longer than the screen."""

from typing import ClassVar

from textual.scrollbar import ScrollBarRender


class WholeCells(ScrollBarRender):
    """A bar of whole cells: any terminal can show it, and over a slow line it changes less often than in eighths."""

    VERTICAL_BARS: ClassVar = [" "]
    HORIZONTAL_BARS: ClassVar = [" "]
