"""The images of the repository as a list."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from core.models import StoredImage
from tui.model.columns import Column, Place
from tui.text import age, clean, cut_middle, size
from tui.theme import Token
from tui.widgets.block import Piece
from tui.widgets.list_table import ListTable

COLUMNS = (
    Column("name", "Image", 16, 48, good=24, grow=1),
    Column("type", "Type", 4, 6, drop=3),
    Column("program", "Program ID", 16, 16, drop=4),
    Column("model", "Model", 5, 6, drop=6, right=True),
    Column("size", "Size", 8, 9, right=True, drop=2),
    Column("added", "Added", 5, 5, drop=5, right=True),
    Column("by", "By", 6, 14, drop=7),
)


class ImageTable(ListTable[StoredImage]):
    """One line an image."""

    def __init__(self) -> None:
        super().__init__(COLUMNS)

    def identity(self, item: StoredImage) -> Hashable:
        """What is in it."""
        return item.sha256

    def cell(self, item: StoredImage, place: Place) -> Sequence[Piece]:
        """Name, what it is for, how large, since when."""
        if place.column.name == "name":
            return ((cut_middle(clean(item.name), place.width, self.app.appearance.glyphs.ellipsis), Token.STRONG),)
        texts = {
            "type": item.type,
            "program": item.program_id or ("opaque" if item.opaque else ""),
            "model": "" if item.model is None else str(item.model),
            "size": size(item.size),
            "added": age(self.app.clock.now() - item.added_at),
            "by": clean(item.added_by),
        }
        return ((texts[place.column.name], Token.TEXT if place.column.name == "size" else Token.MUTED),)
