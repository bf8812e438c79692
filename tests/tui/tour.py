"""Everything the console can show, and how an operator gets there, whatever the keys are."""

from __future__ import annotations

import pkgutil
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib import import_module

from textual.screen import Screen

import tui.screens
import tui.widgets
from core.rpc import FoundDevice
from drivers.base import Found
from tests.tui.field import FakeEngine, place, plant
from tests.tui.operator import Operator
from tui.keymap import names
from tui.screens.main import MainScreen

VIEWS = ("devices", "groups", "jobs", "images", "licenses", "ports", "events")
ON_THE_WAY: dict[str, Sequence[str]] = {
    "DeviceScreen": ("devices.details",),
    "LoadScreen": ("load",),
    "ReplaceScreen": ("lists.first", "lists.move-down", "replace"),
    "HistoryScreen": ("devices.history",),
    "JobScreen": ("view-jobs", "jobs.open"),
    "ImagePage": ("view-images", "images.details"),
    "HelpPage": ("help",),
    "MessagesPage": ("messages",),
    "Palette": ("devices.palette",),
    "GroupPicker": ("devices.assign",),
    "OrderPicker": ("devices.order",),
    "SelectionPicker": ("devices.kept",),
    "IgnoredPicker": ("devices.ignored",),
    "ThemePicker": ("theme",),
    "PlanDialog": ("remove",),
    "FormDialog": ("devices.add",),
    "WinkDialog": ("devices.wink-on",),
    "AskDialog": ("devices.test-often",),
    "ConfirmDialog": ("view-images", "images.remove"),
    "FileDialog": ("view-licenses", "licenses.add"),
    "PortFinder": ("view-ports", "ports.add"),
    "PortTrial": ("view-ports", "ports.add", "enter"),
    "PortPicker": ("devices.discover",),
    "DiscoverDialog": ("devices.discover", "enter"),
}
"""Names of commands, or keys of dialogs, from the Devices view."""
MADE_BY_HAND = {"FirstScreen", "ImportDialog"}
"""Pushed as they are: what leads there takes more than keys."""


async def furnish(engine: FakeEngine) -> None:
    """Something to see wherever there can be."""
    await plant(engine)
    await engine.add_port("FT-2")
    await engine.change("INSERT INTO trusted_key (id, pem, added_at, added_by) VALUES ('key-1', 'pem', 0, 'ada')")
    await engine.change("UPDATE license SET id = 'LIC-1', key = 'key-1'")
    await engine.change("INSERT INTO ignored VALUES ('00D07ABB0001', 'spare', 'lon', 0, 'ada')")
    await engine.add_image("a.apb")
    await engine.start_job("wink", "Wink", [30], ended=True)
    engine.places = (place("/dev/ttyACM0"),)
    engine.found = (FoundDevice(found=Found("00D07AAA0001"), name="new one", known=False),)


def classes(base: type) -> Iterator[type]:
    """Every class of the console that is made from this one and stands for itself."""
    for package in (tui.screens, tui.widgets):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    todo: list[type] = [base]
    while todo:
        made: list[type] = todo.pop().__subclasses__()
        todo += made
        yield from (each for each in made if each.__module__.startswith("tui."))


def screens() -> set[str]:
    """What the tour has to show: every screen that nothing else is made from."""
    return {each.__name__ for each in classes(Screen) if not each.__subclasses__()}


async def press(operator: Operator, *steps: str) -> None:
    """Commands by name, with the keys they have now; or a key."""
    for step in steps:
        command = names().get(step)
        keys = operator.app.keymap.effective([command])[0].keys if command else (step,)
        await operator.press(keys[0])


async def tour(operator: Operator) -> AsyncIterator[str]:
    """Go everywhere; what is shown now, by the name of its class."""
    for view in VIEWS:
        await press(operator, f"view-{view}")
        assert isinstance(operator.app.screen, MainScreen)
        yield type(operator.app.screen.view).__name__
    for name, way in ON_THE_WAY.items():
        await press(operator, "view-devices", *way)
        if type(operator.app.screen).__name__ == name:
            yield name
        while not isinstance(operator.app.screen, MainScreen):
            leave = "back" if hasattr(operator.app.screen, "action_back") else "escape"
            await press(operator, leave)
