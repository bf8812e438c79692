"""The catalogue's actions as the operator starts them: by key, through the palette, on whatever is meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from textual.widget import Widget

from core.actions import BY_NAME, Action, LoadParameters, ReplaceParameters
from core.errors import FieldhandError, Kind
from core.models import Device
from core.rpc import Selection
from tui.bindings import EVERYWHERE, Command
from tui.console import Console
from tui.flows.starting import NOTHING_SAID, Subject, start
from tui.screens.ask import AskDialog
from tui.screens.load import LoadScreen
from tui.screens.palette import Chosen, Palette
from tui.screens.replace import ReplaceScreen
from tui.screens.winking import WinkDialog

TESTS: Final = 10
"""How often a device is tested when it is tested many times, unless the operator says otherwise."""
MOST_TESTS: Final = 1000
"""See `core.actions.TestParameters`."""
_ON_SCREENS: Final = frozenset({LoadParameters, ReplaceParameters})
"""Parameters that are asked for on a screen, which is not opened for nothing; the other plans say so themselves."""


def act(app: Console, action: Action, subject: Subject) -> None:
    """Start an action; one that needs to know more opens its screen first."""
    if subject.selection.scope not in action.scopes:
        app.say(f"{action.label} is for one device at a time, and {subject.words} is meant", bad=True)
    elif action.parameters in _ON_SCREENS and app.site.complete and (why := _why_none(app, action, subject)):
        app.say(f"nothing to {action.label.lower()} on {subject.words}: {why}", bad=True)
    elif action.parameters is LoadParameters:
        app.push_screen(LoadScreen(action, subject))
    elif action.parameters is ReplaceParameters:
        app.push_screen(ReplaceScreen(action, subject))
    else:
        app.begin(_start(app, action, subject))


def choose(app: Console, subject: Subject, widget: Widget, commands: Sequence[Command]) -> None:
    """Offer the catalogue and the commands of the place where the widget is, then do what was chosen."""

    async def chosen(choice: Chosen | Command | None) -> None:
        if isinstance(choice, Command):
            await widget.run_action(choice.action)
        elif choice is not None:
            act(app, choice.action, everything(app) if choice.everywhere else subject)

    more = (*commands, *EVERYWHERE)
    palette = Palette(f"Actions: {subject.words}", subject.selection.scope, _devices(app, subject), more)
    app.push_screen(palette, chosen)


def choose_command(app: Console, title: str, widget: Widget, commands: Sequence[Command]) -> None:
    """Offer the commands of a place that has no devices."""

    async def chosen(choice: Chosen | Command | None) -> None:
        if isinstance(choice, Command):
            await widget.run_action(choice.action)

    app.push_screen(Palette(title, None, (), (*commands, *EVERYWHERE)), chosen)


def everything(app: Console) -> Subject:
    """All devices of the site."""
    ids = tuple(app.site.devices.rows)
    return Subject(Selection(), f"all {len(ids):,} devices", ids)


def just(device: Device, words: str) -> Subject:
    """One device."""
    return Subject(Selection(devices=(device.id,)), words, (device.id,))


async def test_often(app: Console, subject: Subject) -> None:
    """Ask how often, then test."""
    count = TESTS

    async def take(text: str) -> None:
        nonlocal count
        count = int(text) if text.isascii() and text.isdigit() else 0
        if not 1 <= count <= MOST_TESTS:
            raise FieldhandError(
                Kind.INVALID, what="count", value=text, reason=f"it takes a number from 1 to {MOST_TESTS}"
            )

    if await app.push_screen_wait(AskDialog(f"Test {subject.words}", "How often", str(TESTS), "Test", take)):
        await _start(app, BY_NAME["test"], subject, {"count": count})


def wink_on(app: Console, subject: Subject) -> None:
    """Let the devices wink again and again, until the operator has found them."""
    wink = BY_NAME["wink"]
    if why := _why_none(app, wink, subject):
        app.say(f"nothing to wink at on {subject.words}: {why}", bad=True)
    else:
        able = [device for device in _devices(app, subject) if app.site.offered(wink, [device])]
        app.push_screen(WinkDialog(subject.words, able))


def _why_none(app: Console, action: Action, subject: Subject) -> str:
    """Why the action is offered on none of the devices, "" where it is on some."""
    reasons = app.site.refusals(action, _devices(app, subject))
    if None in reasons:
        return ""
    return ", ".join(sorted({reason for reason in reasons if reason})) or "there is no device in it"


async def _start(app: Console, action: Action, subject: Subject, parameters: Mapping[str, Any] = NOTHING_SAID) -> None:
    await start(app, action, subject, parameters)


def _devices(app: Console, subject: Subject) -> list[Device]:
    rows = app.site.devices.rows
    return [rows[identity].device for identity in subject.devices if identity in rows]
