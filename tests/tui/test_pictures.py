"""Snapshots of screens that somebody looked at and found good. Clock, size and looks are fixed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from core.models import TaskState
from tests.tui.field import NOW, FakeEngine, StillClock, plant
from tests.tui.operator import Operator
from tui.app import FieldhandApp
from tui.theme import Appearance, Depth

NARROW, WIDE = (80, 24), (120, 40)


async def work_in_progress(engine: FakeEngine) -> None:
    await plant(engine)
    job = await engine.start_job("provision", "Provision Selected", list(range(25, 37)), NOW - 3)
    for device in range(25, 30):
        await engine.end_task(job, device)
    await engine.end_task(job, 30, TaskState.FAILED, "no answer at write domain after 4 tries")
    await engine.run_task(job, 31, percent=60)


async def finished(folder: Path, fill: Callable[[FakeEngine], Awaitable[None]]) -> FakeEngine:
    """An engine whose store is filled and closed: the picture is taken in an event loop of its own."""
    engine = await FakeEngine.start(folder)
    await fill(engine)
    await engine.stop()
    return engine


@pytest.mark.parametrize(
    ("keys", "size", "depth", "busy"),
    [
        pytest.param(("j", "j"), NARROW, Depth.FULL, False, id="devices-narrow"),
        pytest.param(("space", "space", "space"), WIDE, Depth.FULL, True, id="devices-wide-with-a-job"),
        pytest.param(("j", "j", "space"), NARROW, Depth.NONE, True, id="devices-without-colour"),
        pytest.param(("j", "j", "space"), NARROW, Depth.SIXTEEN, True, id="devices-sixteen-colours"),
        pytest.param(("asterisk", "p"), NARROW, Depth.FULL, False, id="plan"),
        pytest.param(("asterisk", "p", "s", "tab"), NARROW, Depth.FULL, False, id="plan-skipped"),
        pytest.param(("space", "space", "a"), NARROW, Depth.FULL, False, id="palette"),
        pytest.param(("2", "j"), NARROW, Depth.FULL, False, id="groups"),
        pytest.param(("3",), NARROW, Depth.FULL, True, id="jobs"),
        pytest.param(("J", "G"), NARROW, Depth.FULL, True, id="job"),
        pytest.param(("j", "i"), NARROW, Depth.FULL, False, id="device"),
        pytest.param(("question_mark",), NARROW, Depth.FULL, False, id="help"),
    ],
)
def test_it_looks_as_it_did(
    snap_compare: Callable[..., bool],
    tmp_path: Path,
    keys: tuple[str, ...],
    size: tuple[int, int],
    depth: Depth,
    busy: bool,
) -> None:
    engine = asyncio.run(finished(tmp_path, work_in_progress if busy else plant))
    clock = StillClock()
    app = FieldhandApp(engine, engine.store, clock=clock, appearance=Appearance(depth))

    async def go_there(pilot: Pilot[Any]) -> None:
        operator = Operator(app, pilot, engine, clock)
        await operator.until(lambda: app.site.loaded)
        await operator.press(*keys)
        await operator.settled()

    assert snap_compare(app, terminal_size=size, run_before=go_there)
