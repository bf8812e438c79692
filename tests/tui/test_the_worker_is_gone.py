from __future__ import annotations

import pytest

from core.errors import FieldhandError, Kind
from tests.tui.conftest import OpenConsole
from tests.tui.field import FakeEngine, Spec, plant


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.feed.PAUSE_BEFORE_RECONNECT", 0.0)


async def test_the_top_line_says_that_the_worker_is_gone(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        engine.hang_up()
        await operator.until(lambda: "✖ no worker" in operator.screen())
        assert "what is shown may be old" in operator.message
        assert "AHU-03" in operator.screen()


async def test_it_connects_again_by_itself(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    attempts = 0

    async def reconnect() -> FakeEngine:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise FieldhandError(Kind.NO_WORKER, reason="not there yet")
        return engine

    async with open_console(reconnect=reconnect) as operator:
        engine.hang_up()
        await operator.until(lambda: operator.message == "the worker is back")
        await operator.settled()
        assert attempts == 3
        assert "● worker" in operator.screen()
        await engine.add(Spec("AAA while away"))
        await operator.up_to_date()
        assert "AAA while away" in operator.screen()


async def test_a_request_without_worker_says_so(engine: FakeEngine, open_console: OpenConsole) -> None:
    await plant(engine)
    async with open_console() as operator:
        from core.rpc import MakePlan

        engine.errors[MakePlan] = FieldhandError(Kind.NO_WORKER, reason="it hung up")
        await operator.press("p")
        assert operator.message == "no worker: it hung up"
