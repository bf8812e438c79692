"""The console paints before it connects, and loads what a frame does not need when somebody needs it."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from core.client import EngineClient
from core.errors import FieldhandError, Kind
from tests.tui.field import FakeEngine, StillClock, plant
from tests.tui.operator import Operator
from tui import flows
from tui.app import FieldhandApp
from tui.lazy import on_first_use
from tui.model.site import Link

NOT_FOR_A_FRAME = (
    "pydantic",
    "core.rpc",
    "core.client",
    "cryptography",
    "tomllib",
    "tui.flows.actions",
    "tui.screens.job",
)


def test_a_frame_needs_neither_the_requests_to_the_worker_nor_the_dialogs() -> None:
    program = f"import sys, tui.start; sys.exit(str([name for name in {NOT_FOR_A_FRAME} if name in sys.modules] or ''))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


async def test_the_tabs_are_there_before_the_worker_answers(engine: FakeEngine) -> None:
    await plant(engine)
    answers = asyncio.Event()

    async def connect() -> EngineClient:
        await answers.wait()
        return engine

    clock = StillClock()
    app = FieldhandApp(None, engine.store, clock=clock, connect=connect)
    async with app.run_test(size=(80, 24)) as pilot:
        operator = Operator(app, pilot, engine, clock)
        await operator.until(lambda: "5 Licenses" in operator.screen())
        assert "opening" in operator.screen()
        assert app.site.link is Link.STARTING
        await operator.press("6", "n")
        assert operator.message == "no worker: it has not answered yet"
        await operator.press("1")
        answers.set()
        await operator.until(lambda: app.site.loaded)
        await operator.settled()
        assert "AHU-03" in operator.screen()
        assert "● worker" in operator.screen()


async def test_a_console_that_finds_no_worker_ends_with_the_reason(engine: FakeEngine) -> None:
    async def connect() -> EngineClient:
        raise FieldhandError(Kind.NO_WORKER, reason="the disk is full")

    app = FieldhandApp(None, engine.store, clock=StillClock(), connect=connect)
    await app.run_async(headless=True)
    assert str(app.refusal) == "no worker: the disk is full"


def test_what_is_loaded_on_first_use_can_be_misspelt_like_anything_else() -> None:
    assert flows.jobs.__name__ == "tui.flows.jobs"
    with pytest.raises(AttributeError, match="jops"):
        on_first_use("tui.flows")("jops")
