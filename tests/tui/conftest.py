from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.tui.field import FakeEngine, StillClock
from tests.tui.operator import Operator
from tui.app import FieldhandApp
from tui.theme import Appearance

OpenConsole = Callable[..., AbstractAsyncContextManager[Operator]]


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
