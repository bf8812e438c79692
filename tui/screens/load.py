"""The Load Image view: the repository, and beside it the devices it is for, each with "fits" or the reason why not."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from textual import events, on, work
from textual.containers import Container, Vertical
from textual.widget import Widget

from core.actions import Action
from core.errors import FieldhandError
from core.models import StoredImage
from core.planning import Plan
from core.rpc import MakePlan
from core.store import views
from tui.bindings import COMMANDS, Place, bindings
from tui.console import READ
from tui.flows.images import import_image
from tui.flows.starting import Subject, start
from tui.model.columns import Column
from tui.model.columns import Place as ColumnPlace
from tui.model.devices import Change
from tui.screens.screen import PushedScreen
from tui.text import clean, cut_end, cut_middle, plural
from tui.theme import Token
from tui.widgets.block import Block, Line, OneLine, Piece
from tui.widgets.image_table import ImageTable
from tui.widgets.list_table import ListTable
from tui.widgets.table import LineTable, TableHead

SIDE_BY_SIDE_FROM: Final = 110
"""Cells from which on the two lists stand side by side; narrower, one above the other."""
PAUSE_BEFORE_PLAN: Final = 0.15
"""Seconds the cursor has to rest on an image before the engine is asked for which devices it is."""

TARGETS = (
    Column("name", "Device", 16, 40, good=22, grow=1),
    Column("fits", "Fits", 20, 200, good=50, grow=2),
    Column("uid", "UID", 12, 12, drop=8),
)


@dataclass(frozen=True, slots=True)
class Fit:
    """A device the image would be loaded into, or why not ("" for it fits)."""

    device: int
    name: str
    uid: str
    refusal: str


class TargetTable(ListTable[Fit]):
    """One line a device."""

    def identity(self, item: Fit) -> Hashable:
        """Its id."""
        return item.device

    def cell(self, item: Fit, place: ColumnPlace) -> Sequence[Piece]:
        """Which, and whether it fits."""
        glyphs = self.app.appearance.glyphs
        match place.column.name:
            case "name":
                return ((cut_middle(clean(item.name), place.width, glyphs.ellipsis), Token.TEXT),)
            case "uid":
                return ((item.uid, Token.MUTED),)
            case _ if item.refusal:
                return ((f"{glyphs.no_link} {clean(item.refusal)}", Token.WARNING),)
            case _:
                return ((f"{glyphs.check} fits", Token.GOOD),)


class Side(Vertical):
    """One of the two lists with its titles."""


class Sides(Container):
    """Side by side where there is room, else one above the other."""

    def on_resize(self, event: events.Resize) -> None:
        """Look how much room there is."""
        self.set_class(event.size.width >= SIDE_BY_SIDE_FROM, "-wide")


class SideTitle(OneLine):
    """What a list is, marked when keys go there."""

    def __init__(self, title: str, table: LineTable) -> None:
        super().__init__()
        self.title = title
        self._table = table

    def line(self, width: int) -> Line:
        """The cursor's mark and the words."""
        here = self.screen.focused is self._table
        mark = self.app.appearance.glyphs.cursor if here else " "
        text = cut_end(f"{mark} {self.title}", width, self.app.appearance.glyphs.ellipsis)
        return ((text, Token.ACCENT if here else Token.MUTED),)


class Caution(Block):
    """What the plan warns of."""

    warnings: Sequence[str] = ()

    def lines(self, width: int) -> Sequence[Line]:
        """A line each."""
        cut = (cut_end(f"   {clean(text)}", width, self.app.appearance.glyphs.ellipsis) for text in self.warnings)
        return [((text, Token.WARNING),) for text in cut]


class LoadScreen(PushedScreen):
    """Two lists; Enter goes to the plan."""

    PLACE = Place.LOAD
    BINDINGS = bindings(*COMMANDS[Place.LOAD])

    def __init__(self, action: Action, subject: Subject) -> None:
        super().__init__()
        self._action = action
        self._subject = subject
        self._images = ImageTable()
        self._targets = TargetTable(TARGETS)
        self._repository = SideTitle("Images", self._images)
        self._devices = SideTitle(f"Devices: {subject.words}", self._targets)
        self._caution = Caution()
        self._plan: Plan | None = None

    def body(self) -> Sequence[Widget]:
        """The two, and under them the warnings."""
        left = Side(self._repository, TableHead(self._images), self._images)
        right = Side(self._devices, TableHead(self._targets), self._targets)
        return Sides(left, right), self._caution

    def on_mount(self) -> None:
        """Start in the repository."""
        self._images.invitation = ("No images yet.", "{load.import}  imports a file")
        self.set_focus(self._images)
        self._read()

    def hint(self) -> str:
        """What does not fit and why, in full, for the device under the cursor."""
        fit = self._targets.current
        if self.focused is not self._targets or fit is None:
            return ""
        return f"{clean(fit.name)}: {clean(fit.refusal) or 'fits'}"

    def store_changed(self, change: Change) -> None:
        """Images may have come or gone."""
        self._read()

    @on(LineTable.Moved)
    def _moved(self) -> None:
        if self.focused is self._images:
            self._ask()
        self.refresh_keys()

    def action_other_list(self) -> None:
        """To the other list."""
        self.set_focus(self._targets if self.focused is self._images else self._images)
        self._titles()
        self.refresh_keys()

    def action_load(self, force: bool = False) -> None:
        """Show the plan, then load."""
        image = self._images.current
        if image is None:
            self.app.say("no image yet", hint="{load.import} imports a file")
        else:
            self.app.begin(self._load(image, force=force))

    def action_import(self) -> None:
        """Take another file into the repository."""
        self.app.begin(import_image(self.app))

    async def _load(self, image: StoredImage, *, force: bool) -> None:
        parameters = {"image": image.sha256, "force": force}
        job = await start(self.app, self._action, self._subject, parameters)
        if job is not None:
            self.dismiss()
            self.app.show_job(job)

    @work(exclusive=True, group=READ)
    async def _read(self) -> None:
        try:
            images = await views.images(self.app.store)
        except FieldhandError as error:
            self.app.say(str(error), bad=True)
            return
        before = self._images.current
        self._images.show_items(images)
        self._repository.title = f"Images: {len(images)} in the repository"
        self._titles()
        if self._images.current != before or (self._plan is None and images):
            self._ask()

    def _ask(self) -> None:
        image = self._images.current
        if image is not None and (self._plan is None or self._plan.parameters.get("image") != image.sha256):
            self._plan = None
            self._fit(image)

    @work(exclusive=True, group=f"{READ} fits")
    async def _fit(self, image: StoredImage) -> None:
        await asyncio.sleep(PAUSE_BEFORE_PLAN)
        request = MakePlan(
            action=self._action.name, selection=self._subject.selection, parameters={"image": image.sha256}
        )
        try:
            plan = await self.app.call(request)
        except FieldhandError as error:
            self._caution.warnings = (str(error),)
            self._caution.changed()
            return
        self._plan = plan
        self._show(image, plan)

    def _show(self, image: StoredImage, plan: Plan) -> None:
        fits = [Fit(planned.device, planned.name, planned.uid, "") for planned in plan.devices]
        fits += [Fit(skipped.device, skipped.name, skipped.uid, skipped.reason) for skipped in plan.skipped]
        self._targets.show_items(fits)
        name = cut_middle(clean(image.name), 30, self.app.appearance.glyphs.ellipsis)
        self._devices.title = f"{plural(len(fits), 'device')}: {name} fits {len(plan.devices):,}"
        self._caution.warnings = plan.warnings
        self._caution.changed()
        self._titles()
        self.refresh_keys()

    def _titles(self) -> None:
        self._repository.update()
        self._devices.update()
