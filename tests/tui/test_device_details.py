from __future__ import annotations

import pytest

from core.rpc import Acknowledge, StartJob
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, plant
from tui.screens.device import DeviceScreen


@pytest.mark.parametrize("key", ["i", "l", "right"])
async def test_details_show_every_field_and_the_journal(
    engine: FakeEngine, open_console: OpenConsole, key: str
) -> None:
    await plant(engine)
    async with open_console((100, 40)) as operator:
        await operator.press("j", key)
        assert isinstance(operator.app.screen, DeviceScreen)
        await operator.until(lambda: "Nothing was done" in operator.screen())
        assert "1/14   subnet 1  node 14   given here" in operator.screen()
        assert "00D071150907" in operator.screen()
        await operator.press("escape", "j", key)
        await operator.until(lambda: "write domain" in operator.screen())
        assert "no answer at write domain after 4 tries" in operator.screen()


async def test_what_is_still_read_when_the_page_is_closed_harms_nobody(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("i")
        page = operator.app.screen
        assert isinstance(page, DeviceScreen)
        await operator.press("escape")
        page.refresh_keys()
        assert "1 Devices" in operator.screen()


async def test_looking_at_a_failure_acknowledges_it(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("j", "j", "i")
        assert "✖ failed" in operator.line("AHU-05")
        await operator.press("left")
        assert engine.called(Acknowledge) == [Acknowledge(devices=(3,))]
        await operator.up_to_date()
        assert "○ unprovisioned" in operator.line("AHU-05")


async def test_a_viewer_looks_without_acknowledging(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    engine.greeting = engine.greeting.model_copy(update={"role": "viewer"})
    async with open_console() as operator:
        await operator.press("j", "j", "i")
        assert "read-only" in operator.screen()
        await operator.press("left")
        assert engine.called(Acknowledge) == []


async def test_actions_start_from_the_details_too(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("i", "p")
        assert [start.selection.devices for start in engine.called(StartJob)] == [(1,)]
