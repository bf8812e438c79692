"""The main screen: the tabs and the view that is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from textual import on
from textual.widget import Widget
from textual.widgets import ContentSwitcher

from tui import screens
from tui.bindings import EVERYWHERE, INTERRUPT, QUIT, VIEWS, Place, bindings
from tui.model.devices import Change
from tui.model.filter import exactly
from tui.screens.devices import DevicesView
from tui.screens.screen import FullScreen, Keys
from tui.screens.view import View
from tui.theme import Token
from tui.widgets.block import Line, OneLine, Piece
from tui.widgets.table import LineTable

NAMES: Final = ("devices", "groups", "jobs", "images", "licenses", "ports", "events")


class TabLine(OneLine):
    """The views by number, the one shown marked."""

    at = 0

    def line(self, width: int) -> Line:
        """Number and word."""
        line: list[Piece] = [(" ", Token.TEXT)]
        for place, command in enumerate(VIEWS[: len(NAMES)]):
            chosen = place == self.at
            text = f" {self.app.commands([command])[0].shown} {command.help} "
            line += [(text, Token.CHOSEN if chosen else Token.MUTED), (" ", Token.TEXT)]
        return line


class MainScreen(FullScreen[None]):
    """Tabs and views."""

    BINDINGS = bindings(QUIT, INTERRUPT, *VIEWS, *EVERYWHERE)

    def body(self) -> Sequence[Widget]:
        """The tabs, then the view."""
        return TabLine(), ContentSwitcher(DevicesView(id="devices"), initial="devices")

    def on_mount(self) -> None:
        """Start in the list."""
        self.set_focus(self.view.table)

    @property
    def view(self) -> View:
        """The view that is shown."""
        switcher = self.query_one(ContentSwitcher)
        return switcher.query_one(f"#{switcher.current}", View)

    def place(self) -> Place:
        """The view's."""
        return self.view.PLACE

    def keys(self) -> Keys:
        """The view's."""
        return self.view.keys()

    def hint(self) -> str:
        """The view's."""
        return self.view.hint()

    def store_changed(self, change: Change) -> None:
        """The view that is shown shows it; the others when they are."""
        self.view.store_changed(change)
        self.refresh_keys()

    @on(LineTable.Moved)
    def _moved(self) -> None:
        self.refresh_keys()

    async def action_view(self, name: str) -> None:
        """Show a view, which is made when it is shown first."""
        switcher = self.query_one(ContentSwitcher)
        if not switcher.query(f"#{name}"):
            view = _view(name)
            await switcher.add_content(view)
            view.table.when_moved = self.refresh_keys
        self._show(name)

    def _show(self, name: str) -> None:
        self.query_one(ContentSwitcher).current = name
        tabs = self.query_one(TabLine)
        tabs.at = NAMES.index(name)
        tabs.update()
        self.set_focus(self.view.table)
        self.store_changed(Change(frozenset(), moved=True))  # at once: the next key may be here already

    async def action_next_view(self) -> None:
        """Show the next."""
        await self.action_view(NAMES[(NAMES.index(self.view.id or NAMES[0]) + 1) % len(NAMES)])

    def show_members(self, group: str) -> None:
        """The devices of a group."""
        self._show("devices")
        self.query_one(DevicesView).show_filter(exactly("group", group))


def _view(name: str) -> View:
    match name:
        case "groups":
            return screens.groups.GroupsView(id=name)
        case "jobs":
            return screens.jobs.JobsView(id=name)
        case "images":
            return screens.images.ImagesView(id=name)
        case "licenses":
            return screens.licenses.LicensesView(id=name)
        case "ports":
            return screens.ports.PortsView(id=name)
        case _:
            return screens.events.EventsView(id=name)
