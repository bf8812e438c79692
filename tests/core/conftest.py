"""A site of fake devices, with an engine at work and a client of it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from core import licensing
from core.client import EngineClient
from core.engine import ports, registry
from core.engine.engine import Engine
from core.engine.in_process import InProcessClient
from core.engine.requests import Caller
from core.errors import FieldhandError
from core.models import Device, Job, JobState, JournalStep, StoredImage, Task
from core.paths import StateDirectory
from core.planning import Plan
from core.rpc import AddDevice, AddImage, AddLicense, AddPort, MakePlan, Selection, StartJob, TrustKey
from core.store import views
from tests.core.fake_driver import FakeDevice, FakeDriver, World

PRIVATE_KEY, PUBLIC_KEY = licensing.generate_key()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """The fake protocol is the only one there is; its ports come back at once when they were lost."""
    FakeDriver.world = World()
    monkeypatch.setattr(registry, "drivers", lambda: {"fake": FakeDriver})
    monkeypatch.setattr(ports, "FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(ports, "LONGEST_RETRY_SECONDS", 0.001)
    return FakeDriver.world


@pytest.fixture
def directory(tmp_path: Path) -> StateDirectory:
    directory = StateDirectory(tmp_path / "state")
    directory.create()
    return directory


async def refusal(asking: Awaitable[Any]) -> FieldhandError:
    """What must be refused, is; with this."""
    with pytest.raises(FieldhandError) as refused:
        await asking
    return refused.value


class Site:
    """An engine, an operator's client, and short ways to look."""

    def __init__(self, directory: StateDirectory, world: World) -> None:
        self.directory = directory
        self.world = world
        self.engine: Engine
        self.client: EngineClient
        self._running = AsyncExitStack()

    async def start(self) -> None:
        self.engine = await self._running.enter_async_context(Engine.run(self.directory))
        self.client = await InProcessClient.connect(self.engine, "olga")

    async def stop(self) -> None:
        await self._running.aclose()

    async def furnish(self, *uids: str, seats: int = 100, port: str = "FT") -> list[int]:
        """Seats, a port and devices on it."""
        await self.client.call(TrustKey(key=PUBLIC_KEY))
        await self.client.call(AddLicense(text=licensing.issue(PRIVATE_KEY, seats)))
        await self.client.call(AddPort(url=f"fake://{port}", name=port))
        return [await self.client.call(AddDevice(name=f"device {uid}", uid=uid, port=port)) for uid in uids]

    async def start_job(self, action: str, *devices: int, **parameters: Any) -> int:
        start = StartJob(action=action, selection=Selection(devices=devices), parameters=parameters)
        return await self.client.call(start)

    async def do(self, action: str, *devices: int, **parameters: Any) -> Job:
        """A whole job, to its end."""
        return await self.end_of(await self.start_job(action, *devices, **parameters))

    async def plan(self, action: str, *devices: int, **parameters: Any) -> Plan:
        plan = MakePlan(action=action, selection=Selection(devices=devices), parameters=parameters)
        return await self.client.call(plan)

    async def add_image(self, name: str, data: bytes) -> StoredImage:
        return await self.client.call(AddImage(name=name, data=base64.b64encode(data).decode()))

    async def end_of(self, job: int) -> Job:
        async def ended() -> bool:
            return (await self.job(job)).state is not JobState.RUNNING

        await self.until(ended)
        return await self.job(job)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a condition on the store; looked at again after each change."""
        changed = asyncio.Event()
        unsubscribe = self.engine.subscribe(lambda _: changed.set())
        try:
            while not await holds():
                await changed.wait()
                changed.clear()
        finally:
            unsubscribe()

    async def hangs(self, *devices: FakeDevice) -> None:
        """Wait until the devices hang in the middle of a step."""
        for device in devices:
            await device.entered.wait()

    async def device(self, device: int) -> Device:
        return (await self.engine.read(lambda db: views.devices_by_id(db, [device])))[0]

    async def devices(self) -> list[Device]:
        return await self.engine.read(views.devices)

    async def job(self, job: int) -> Job:
        return await self.engine.read(lambda db: views.job(db, job))

    async def tasks(self, job: int) -> list[Task]:
        return await self.engine.read(lambda db: views.tasks(db, job))

    async def journal(self, task: int) -> list[JournalStep]:
        return await self.engine.read(lambda db: views.steps(db, task))

    def viewer(self) -> EngineClient:
        return InProcessClient(self.engine, Caller("vera", "viewer"))


@pytest.fixture
async def site(directory: StateDirectory, world: World) -> AsyncIterator[Site]:
    site = Site(directory, world)
    await site.start()
    yield site
    await site.stop()
