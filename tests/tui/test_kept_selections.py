"""A selection is kept under a name, whatever the groups of the site are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tests.tui.operator import Operator


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the selections are kept."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "fieldhand" / "selections.json"


def content(file: Path) -> Any:
    return json.loads(file.read_text())


def write(file: Path, what: object) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(what))


async def keep(operator: Operator, name: str) -> None:
    await operator.press("K")
    await operator.type(name)
    await operator.press("enter")


async def test_what_was_kept_is_selected_again_also_by_the_next_console(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "space", "j", "space")
        chosen = set(operator.devices.selected)
        await keep(operator, "to do")
        assert operator.message == "3 devices kept as to do"
        assert operator.devices.selected == chosen
    async with open_console() as operator:
        await operator.press("G", "space", "K")
        assert "3 devices" in operator.line("to do")
        await operator.press("enter")
        assert operator.devices.selected == chosen
        assert operator.message == "to do is selected"
        assert "3 selected" in operator.screen()
        await operator.press("u", "V")
        assert operator.devices.selected == chosen


async def test_devices_that_are_gone_meanwhile_are_counted(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space", "space")
        await keep(operator, "two")
        await engine.remove(1)
        await operator.up_to_date()
        await operator.press("u", "K", "enter")
        assert operator.devices.selected == {2}
        assert operator.message == "two is selected; 1 device of it gone"


async def test_a_selection_is_kept_instead_of_another_or_forgotten(
    engine: FakeEngine, open_console: OpenConsole, file: Path
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("space")
        await keep(operator, "mine")
        await operator.press("space", "K")
        await operator.type("mine")
        assert "the 2 selected instead" in operator.line("Keep mine")
        await operator.press("down", "enter")
        assert list(content(file)[str(engine.store)].values()) == [[1, 2]]
        await operator.press("K", "ctrl+r")
        assert operator.message == "mine is forgotten; its devices stay"
        assert content(file) == {str(engine.store): {}}
        assert operator.devices.selected == {1, 2}


async def test_with_nothing_selected_and_nothing_kept_it_says_what_to_do(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("K", "enter")
        assert "none kept yet: select devices first, then keep them here" in operator.screen()
        await operator.press("escape", "space", "K", "enter")
        assert "none kept yet: type a name for the selection" in operator.screen()


async def test_those_of_a_site_that_is_no_more_go(engine: FakeEngine, open_console: OpenConsole, file: Path) -> None:
    await plant(engine)
    write(file, {"/gone/fieldhand.sqlite": {"old": [1]}})
    async with open_console() as operator:
        await operator.press("space")
        await keep(operator, "mine")
        assert list(content(file)) == [str(engine.store)]


async def test_a_file_that_holds_something_else_is_left_as_it_is(
    engine: FakeEngine, open_console: OpenConsole, file: Path
) -> None:
    await plant(engine)
    write(file, ["not", "selections"])
    async with open_console() as operator:
        await operator.press("K")
        assert "it holds no selections" in operator.message
        assert content(file) == ["not", "selections"]
