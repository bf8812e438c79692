"""The Images view: the repository of image files."""

from __future__ import annotations

from collections.abc import Sequence

from textual import work
from textual.app import ComposeResult

from core.errors import FieldhandError
from core.models import StoredImage
from core.store import views
from tui.bindings import COMMANDS, Place, bindings
from tui.console import READ
from tui.flows.images import import_image, remove_image
from tui.model.devices import Change
from tui.screens.pages import Page
from tui.screens.view import View
from tui.text import clean, fit, local, size, wrap
from tui.theme import Token
from tui.widgets.block import Block, Line
from tui.widgets.image_table import ImageTable
from tui.widgets.table import LineTable, TableHead

LABEL = 13


class ImageBlock(Block):
    """Everything about an image."""

    def __init__(self, image: StoredImage) -> None:
        super().__init__()
        self._image = image

    def lines(self, width: int) -> Sequence[Line]:
        """Field by field."""
        image = self._image
        fields = (
            ("SHA-256", image.sha256),
            ("Protocol", image.protocol),
            ("Type", f"{image.type}{'   opaque: passed on unread' if image.opaque else ''}"),
            ("Program ID", image.program_id or "not said by the file"),
            ("Model", "not said by the file" if image.model is None else str(image.model)),
            ("Firmware", "not said by the file" if image.firmware is None else str(image.firmware)),
            ("Size", f"{size(image.size)}   {image.size:,} bytes"),
            ("Added", f"{local(image.added_at)} by {image.added_by}"),
        )
        lines: list[Line] = [((f" {clean(image.name)}", Token.STRONG),), ()]
        for label, text in fields:
            for place, line in enumerate(wrap(clean(text), width - LABEL - 2)):
                lines.append(((f" {fit(label if not place else '', LABEL)}", Token.MUTED), (line, Token.TEXT)))
        return lines


class ImagePage(Page):
    """Everything about an image."""

    def __init__(self, image: StoredImage) -> None:
        super().__init__()
        self._image = image

    def text(self) -> Block:
        """Its fields."""
        return ImageBlock(self._image)


class ImagesView(View):
    """Titles and list."""

    PLACE = Place.IMAGES
    BINDINGS = bindings(*COMMANDS[Place.IMAGES])

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._table = ImageTable()

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        self._table.invitation = (
            "No images yet.",
            "{images.import}  imports a file: .apb, .ndl, .nx, .nxi",
            "{load}  on devices loads one",
        )
        yield TableHead(self._table)
        yield self._table

    @property
    def table(self) -> ImageTable:
        """The list."""
        return self._table

    def store_changed(self, change: Change) -> None:
        """Images may have come or gone."""
        self._read()

    def action_import(self) -> None:
        """Take a file in."""
        self.app.begin(import_image(self.app))

    def action_remove(self) -> None:
        """Take an image out."""
        if self.table.current:
            self.app.begin(remove_image(self.app, self.table.current))

    def action_details(self) -> None:
        """Everything about it."""
        if self.table.current:
            self.app.push_screen(ImagePage(self.table.current))

    @work(exclusive=True, group=READ)
    async def _read(self) -> None:
        try:
            images = await views.images(self.app.store)
        except FieldhandError as error:
            self.app.say(str(error), bad=True)
            return
        self.table.show_items(images)
        self.post_message(LineTable.Moved())  # there may be rows now, or none: the key line says other keys
