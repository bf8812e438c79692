"""Where there is no room for a screen."""

from __future__ import annotations

import pytest

from core.rpc import StartJob
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant


@pytest.mark.parametrize("size", [(59, 24), (80, 14), (10, 3)])
async def test_below_60x15_a_plain_message_says_so(
    engine: FakeEngine, open_console: OpenConsole, size: tuple[int, int]
) -> None:
    await plant(engine)
    async with open_console(size) as operator:
        assert operator.screen().split()[:4] == ["The", "terminal", "is", "{}x{}.".format(*size)]
        assert "AHU" not in operator.screen()


async def test_at_60x15_the_list_is_there(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console((60, 15)) as operator:
        assert "▸   ○ unprovisioned" in operator.screen()
        assert "? help" in operator.screen()


async def test_no_key_does_what_cannot_be_seen(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("j", "asterisk", "p")
        await operator.pilot.resize_terminal(40, 10)
        await operator.press("y", "escape", "enter", "j")
        assert "The terminal is 40x10." in operator.screen()
        assert "Provision" not in operator.screen()
        await operator.pilot.resize_terminal(80, 24)
        await operator.settled()
        assert "▸ Cancel      Provision" in operator.screen()
        assert engine.called(StartJob) == []
        await operator.press("y")
        assert len(engine.called(StartJob)) == 1


async def test_the_cursor_is_where_it_was_when_there_is_room_again(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("G", "k")
        before = operator.line("▸")
        for size in ((40, 10), (70, 16), (80, 24)):
            await operator.pilot.resize_terminal(*size)
            await operator.settled()
        assert operator.line("▸") == before
        await operator.press("k")
        assert operator.devices.index == operator.devices.position[operator.devices.view[-3]]


async def test_ctrl_c_leaves_also_then(engine: FakeEngine, open_console: OpenConsole) -> None:
    async with open_console((40, 10)) as operator:
        await operator.pilot.press("ctrl+c")
        assert operator.app.return_code == 0
