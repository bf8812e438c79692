from __future__ import annotations

import pytest

from core.errors import FieldhandError, Kind
from core.rpc import StartJob, WinkUnit
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.screens.ask import AskDialog
from tui.screens.winking import WinkDialog


async def test_winking_goes_on_until_a_key(
    engine: FakeEngine, open_console: OpenConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.screens.winking.WINK_SECONDS", 0.01)
    await plant(engine)
    async with open_console() as operator:
        await operator.press("W")
        assert "winking every" in operator.screen()
        await operator.until(lambda: len(engine.called(WinkUnit)) > 2)
        assert {wink.uid for wink in engine.called(WinkUnit)} == {"00D071150900"}
        await operator.press("x")
        assert not isinstance(operator.app.screen, WinkDialog)
        assert "Remove" not in operator.screen()


async def test_all_selected_devices_wink_and_one_that_does_not_answer_is_named(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    engine.errors[WinkUnit] = FieldhandError(Kind.NO_REPLY, step="wink", attempts=3)
    async with open_console() as operator:
        await operator.press("space", "space", "W")
        await operator.until(lambda: len(engine.called(WinkUnit)) == 2)
        await operator.until(lambda: "AHU-04 supply fan: no answer at wink" in operator.screen())


async def test_what_cannot_wink_says_why(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("slash")
        await operator.type("Boiler 1")
        await operator.press("enter", "W")
        assert operator.message == "nothing to wink at on Boiler 1: no application"


async def test_a_test_is_repeated_as_often_as_the_operator_says(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("T", "ctrl+u")
        await operator.type("25")
        await operator.press("enter")
        assert [(start.action, start.parameters) for start in engine.called(StartJob)] == [("test", {"count": 25})]


async def test_the_plan_says_how_often_each_is_tested(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("asterisk", "T", "ctrl+u")
        await operator.type("25")
        await operator.press("enter")
        await operator.until(lambda: "25 times each" in operator.screen())


@pytest.mark.parametrize("count", ["0", "1001", "many", ""])
async def test_a_count_that_is_none_is_asked_for_again(
    engine: FakeEngine, open_console: OpenConsole, count: str
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("T", "ctrl+u")
        await operator.type(count)
        await operator.press("enter")
        await operator.until(lambda: "it takes a number from 1 to 1000" in operator.screen())
        assert isinstance(operator.app.screen, AskDialog)
        assert engine.calls == []
