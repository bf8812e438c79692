"""A console from which nothing can be changed: what changes something is not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.actions import ACTIONS
from core.errors import Exit
from core.rpc import Request
from tests.tui import tour
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.bindings import COMMANDS, EVERYWHERE, Place, at
from tui.command_line import main
from tui.screens.dialog import Dialog
from tui.screens.main import MainScreen

VIEWS = (Place.DEVICES, Place.GROUPS, Place.JOBS, Place.IMAGES, Place.LICENSES, Place.PORTS, Place.EVENTS)


def changing(calls: list[Request[object]]) -> list[Request[object]]:
    return [call for call in calls if call.changes]


@pytest.mark.parametrize("number", range(len(VIEWS)), ids=[place.value for place in VIEWS])
async def test_no_key_that_changes_something_does_anything(
    engine: FakeEngine, open_console: OpenConsole, number: int
) -> None:
    await plant(engine)
    await engine.add_image("a.apb")
    async with open_console(read_only=True) as operator:
        await operator.press(str(number + 1))
        for command in (*COMMANDS[VIEWS[number]], *EVERYWHERE):
            if command.changes:
                await operator.press(command.keys[0])
                assert isinstance(operator.app.screen, MainScreen), command.action
        assert operator.message == ""
        assert changing(engine.calls) == []


async def test_neither_palette_nor_key_line_nor_help_offers_it(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console((120, 80), read_only=True) as operator:
        assert "read-only" in operator.screen().splitlines()[0]
        assert "provision" not in operator.screen().splitlines()[-1]
        await operator.press("colon")
        assert isinstance(operator.app.screen, Dialog)
        assert not any(action.label in operator.screen() for action in ACTIONS)
        assert "Export Devices" in operator.screen()
        await operator.press("escape", "question_mark")
        assert not any(action.help in operator.screen() for action in ACTIONS)
        assert "add a device by hand" not in operator.screen()


@pytest.mark.parametrize("view", tour.VIEWS)
async def test_an_empty_list_names_no_key_that_is_not_there(
    engine: FakeEngine, open_console: OpenConsole, view: str
) -> None:
    place = Place[view.upper()]
    async with open_console(read_only=True) as operator:
        await tour.press(operator, f"view-{view}")
        if view in ("devices", "groups"):
            await operator.press("a")
        *lines, _ = operator.screen().splitlines()
        assert operator.message in ("", "no device here", "no group here")
        gone = {key for command in at(place) if command.changes for key in command.keys}
        named = {line.split()[0] for line in lines[2:] if line.strip()}
        assert not named & gone


async def test_looking_works_as_ever(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console(read_only=True) as operator:
        await operator.press("space", "j", "i")
        assert "no answer at write domain" in operator.screen()
        assert changing(engine.calls) == []


async def test_a_viewer_has_no_other_console(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.greeting = engine.greeting.model_copy(update={"role": "viewer"})
    async with open_console() as operator:
        await operator.press("p", "X")
        assert isinstance(operator.app.screen, MainScreen)
        assert "read-only" in operator.screen().splitlines()[0]
        assert changing(engine.calls) == []


async def test_an_operator_is_not_told_that_it_is_read_only(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        assert "read-only" not in operator.screen()


@pytest.mark.parametrize("words", [("group", "add", "roof"), ("--plain",)], ids=["command", "plain"])
def test_nothing_else_is_mistaken_for_read_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["--state", str(tmp_path), "--read-only", *words]) == Exit.USAGE
    assert "it is for the console" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
