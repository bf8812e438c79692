from __future__ import annotations

import pytest

from core.actions import ACTIONS
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant


@pytest.mark.parametrize(
    ("keys", "title"),
    [
        ((), "Devices"),
        (("2",), "Groups"),
        (("3",), "Jobs"),
        (("4",), "Images"),
        (("5",), "Licenses"),
        (("6",), "Ports"),
        (("7",), "Events"),
        (("i",), "Device"),
        (("L",), "Load Image"),
        (("3", "H"), "History"),
    ],
)
async def test_help_is_about_where_the_operator_is(
    engine: FakeEngine, open_console: OpenConsole, keys: tuple[str, ...], title: str
) -> None:
    await plant(engine)
    async with open_console((120, 80)) as operator:
        await operator.press(*keys, "question_mark")
        lines = operator.screen().splitlines()
        assert lines[1].strip() == title
        if title in ("Devices", "Groups", "Device"):
            assert all(action.help in operator.screen() for action in ACTIONS)


async def test_every_view_is_a_digit_or_a_tab_away(engine: FakeEngine, open_console: OpenConsole) -> None:
    async with open_console() as operator:
        await operator.press("tab")
        assert "No groups yet" in operator.screen()
        await operator.press("3")
        assert "No jobs yet" in operator.screen()
        await operator.press("1")
        assert "No devices" in operator.screen()


async def test_help_says_what_the_statuses_mean(engine: FakeEngine, open_console: OpenConsole) -> None:
    async with open_console() as operator:
        await operator.press("question_mark", "G")
        assert "holds no program" in operator.screen()


async def test_ctrl_c_leaves(engine: FakeEngine, open_console: OpenConsole) -> None:
    async with open_console() as operator:
        await operator.press("A", "ctrl+c")
        assert operator.app._exit
