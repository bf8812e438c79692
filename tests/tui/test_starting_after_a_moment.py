"""The moment between starting a job and its first byte."""

from __future__ import annotations

import pytest

from core.rpc import CancelJob, RetryJob, StartJob
from tests.tui.conftest import OpenConsole
from tests.tui.field import NOW, FakeEngine, plant
from tui.console import GRACE_SECONDS
from tui.screens.device import DeviceScreen


async def test_a_job_counts_down_before_it_begins(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("p")
        await operator.up_to_date()
        assert [call.grace for call in engine.called(StartJob)] == [GRACE_SECONDS]
        assert "Provision 1 starts in 3 s, Esc cancels" in operator.screen()
        operator.clock.time = NOW + 1.5
        await operator.press("j")
        assert "Provision 1 starts in 2 s" in operator.screen()
        operator.clock.time = NOW + GRACE_SECONDS
        await operator.press("j")
        assert "starts in" not in operator.screen()
        assert "0/1" in operator.screen()


@pytest.mark.parametrize("before", [(), ("i",), ("slash",)], ids=["list", "device", "filter"])
async def test_escape_cancels_it_wherever_the_operator_is(
    engine: FakeEngine, open_console: OpenConsole, before: tuple[str, ...]
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("p")
        await operator.up_to_date()
        await operator.press(*before, "escape")
        assert engine.called(CancelJob) == [CancelJob(job=2)]
        await operator.up_to_date()
        await operator.until(lambda: operator.message == "Provision 1 cancelled: nothing was sent")
        assert isinstance(operator.app.screen, DeviceScreen) is (before == ("i",))
        assert "○ unprovisioned" in operator.screen()


async def test_escape_is_itself_again_when_the_job_has_begun(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("p")
        await operator.up_to_date()
        operator.clock.time = NOW + GRACE_SECONDS
        await operator.press("i", "escape")
        assert engine.called(CancelJob) == []
        assert not isinstance(operator.app.screen, DeviceScreen)


async def test_x_cancels_it_without_asking(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("p")
        await operator.up_to_date()
        await operator.press("3")
        assert "◐ waiting" in operator.line("Provision  ")
        await operator.press("x")
        assert engine.called(CancelJob) == [CancelJob(job=2)]


async def test_the_job_of_somebody_else_is_not_cancelled_by_escape(
    engine: FakeEngine, open_console: OpenConsole
) -> None:
    await plant(engine)
    async with open_console() as operator:
        job = await engine.start_job("provision", "Provision", [1])
        await engine.change(f"UPDATE job SET not_before = {NOW + 3}, operator = 'olga', rev = :rev WHERE id = {job}")
        await operator.up_to_date()
        await operator.press("escape")
        assert "Provision 1 starts in 3 s, started by olga" in operator.screen()
        assert engine.called(CancelJob) == []


async def test_a_retry_can_be_thought_over_too(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("3", "r")
        await operator.up_to_date()
        assert engine.called(RetryJob) == [RetryJob(job=1, grace=GRACE_SECONDS)]


@pytest.mark.parametrize("key", ["w", "t"])
async def test_a_wink_or_a_test_of_one_device_goes_out_at_once(
    engine: FakeEngine, open_console: OpenConsole, key: str
) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press(key)
        assert [call.grace for call in engine.called(StartJob)] == [0.0]


async def test_a_reset_is_thought_over(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        await operator.press("e", "right", "enter")
        assert [call.grace for call in engine.called(StartJob)] == [GRACE_SECONDS]
