from __future__ import annotations

import pytest
from textual.widgets import Input

from core.actions import ACTIONS
from tests.tui import tour
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.bindings import HELP, at
from tui.screens.dialog import Dialog
from tui.screens.pages import HelpBlock, HelpPage
from tui.screens.screen import FullScreen
from tui.screens.view import View


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


@pytest.mark.parametrize("read_only", [False, True], ids=["", "read-only"])
async def test_wherever_no_text_is_typed_help_tells_of_every_key_that_is_there(
    engine: FakeEngine, open_console: OpenConsole, read_only: bool
) -> None:
    await tour.furnish(engine)
    helped = set()
    async with open_console((120, 50), read_only=read_only) as operator:
        async for name in tour.tour(operator):
            screen = operator.app.screen
            assert isinstance(screen, FullScreen | Dialog)
            if isinstance(operator.app.focused, Input) or isinstance(screen, HelpPage):
                continue
            await operator.press(*HELP.keys)
            if not isinstance(operator.app.screen, HelpPage):
                assert name == "WinkDialog"  # any key ends it
                continue
            helped.add(name)
            lines = operator.app.screen.query_one(HelpBlock).lines(1000)
            said = {"".join(text for text, _ in line).strip() for line in lines}
            for command in at(screen.place()):
                line = next(
                    (line for line in said if line.startswith(f"{command.shown} ") and command.help in line), ""
                )
                assert bool(line) is not (read_only and command.changes), command.action
            await tour.press(operator, "back")
            assert operator.app.screen is screen
    views = {view.__name__ for view in tour.classes(View)}
    assert helped >= views | {"DeviceScreen", "JobScreen", "HistoryScreen", "ImagePage", "MessagesPage"}
    assert read_only or helped >= {"PlanDialog", "ConfirmDialog", "DiscoverDialog", "PortTrial", "LoadScreen"}
