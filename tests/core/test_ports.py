"""Keeping a port: what is let go of is closed to its end, whoever is cut short meanwhile."""

import asyncio
from typing import Any

import pytest

from core.engine.ports import PortKeeper
from core.models import Port, PortState
from drivers.base import SiteSettings
from tests.core.fake_driver import FakeDriver, World


class SlowToClose(FakeDriver):
    """A driver that takes its time to let go of its port."""

    begun: asyncio.Event
    go_on: asyncio.Event

    async def close(self) -> None:
        self.begun.set()
        await self.go_on.wait()
        await super().close()


async def test_a_port_is_closed_to_its_end_although_its_keeper_is_stopped_in_the_middle(world: World) -> None:
    SlowToClose.world, SlowToClose.begun, SlowToClose.go_on = world, asyncio.Event(), asyncio.Event()

    async def on_state(state: PortState, detail: str) -> None: ...

    def hear(said: Any) -> None:
        pytest.fail(str(said))

    port = Port(1, "FT", "fake://FT", "fake", PortState.OPEN, "", 0, 0)
    keeper = PortKeeper(port, SlowToClose, lambda: SiteSettings(b"", 1, 126), on_state, hear, hear, hear)
    keeper.start()
    driver = await keeper.ready()
    assert isinstance(driver, SlowToClose)
    driver.unplug()
    await driver.begun.wait()
    closing = asyncio.create_task(keeper.close())
    await asyncio.sleep(0)
    SlowToClose.go_on.set()
    await closing
    assert driver.closed
