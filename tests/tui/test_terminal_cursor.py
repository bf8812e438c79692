"""The terminal's own cursor, which braille lines and magnifiers follow, stands where the focus is."""

from __future__ import annotations

from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tests.tui.operator import Operator


def under_the_cursor(operator: Operator) -> str:
    """From there to the end of the line."""
    column, row = operator.app.cursor_position
    return operator.screen().splitlines()[row][column:]


async def test_it_stands_on_the_row_of_the_list(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        assert under_the_cursor(operator).startswith("▸   ○ unprovisioned    AHU-03")
        await operator.press("j")
        assert under_the_cursor(operator).startswith("▸   ● ok               AHU-04")
        await operator.press("G")
        assert under_the_cursor(operator).startswith("▸   ○ unprovisioned    VAV 5.12")
        await operator.pilot.resize_terminal(80, 16)
        await operator.settled()
        assert under_the_cursor(operator).startswith("▸   ○ unprovisioned    VAV 5.12")
        await operator.press("2", "j")
        assert under_the_cursor(operator).startswith("▸ plant room")


async def test_it_follows_into_the_filter_and_back(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("slash")
        await operator.type("pump")
        assert operator.app.cursor_position.y == 2
        await operator.press("enter")
        assert under_the_cursor(operator).startswith("▸   ● ok               Pump")


async def test_it_stands_on_the_button_whatever_changes_behind(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "p")
        assert under_the_cursor(operator).startswith("▸ Cancel")
        await engine.change("UPDATE device SET name = 'AHU-03 other', rev = :rev WHERE id = 1")
        await operator.up_to_date()
        assert under_the_cursor(operator).startswith("▸ Cancel")
        await operator.press("right")
        assert under_the_cursor(operator).startswith("▸ Provision")
        await operator.press("escape")
        assert under_the_cursor(operator).startswith("▸")
