from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.tui.field import FakeEngine, StillClock
from tests.tui.operator import Operator
from tui.app import FieldhandApp
from tui.theme import Appearance

OpenConsole = Callable[..., AbstractAsyncContextManager[Operator]]


@pytest.fixture(autouse=True)
def _the_clock_on_the_wall_is_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    engine = await FakeEngine.start(tmp_path)
    yield engine
    await engine.stop()


@pytest.fixture
def open_console(engine: FakeEngine) -> OpenConsole:
    @asynccontextmanager
    async def open_console(
        size: tuple[int, int] = (80, 24),
        appearance: Appearance | None = None,
        reconnect: Callable[[], Awaitable[FakeEngine]] | None = None,
        **more: Any,
    ) -> AsyncIterator[Operator]:
        clock = StillClock()
        app = FieldhandApp(
            engine, engine.store, clock=clock, appearance=appearance or Appearance(), reconnect=reconnect, **more
        )
        async with app.run_test(size=size) as pilot:
            operator = Operator(app, pilot, engine, clock)
            await operator.until(lambda: app.site.loaded)
            await operator.settled()
            yield operator

    return open_console
