"""Snapshots of screens that somebody looked at and found good. Clock, size and looks are fixed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from core.models import Event, EventKind, TaskState
from core.planning import MonitoringPlan, Plan
from core.rpc import FoundDevice
from drivers.base import Found
from tests.tui.field import NOW, FakeEngine, StillClock, plant
from tests.tui.operator import Operator
from tui.app import FieldhandApp
from tui.theme import Appearance, Depth

NARROW, WIDE = (80, 24), (120, 40)
Fill = Callable[[FakeEngine], Awaitable[None]]


async def work_in_progress(engine: FakeEngine) -> None:
    await plant(engine)
    job = await engine.start_job("provision", "Provision Selected", list(range(25, 37)), NOW - 3)
    for device in range(25, 30):
        await engine.end_task(job, device)
    await engine.end_task(job, 30, TaskState.FAILED, "no answer at write domain after 4 tries")
    await engine.run_task(job, 31, percent=60)


async def everything(engine: FakeEngine) -> None:
    """A plant with images, a saved configuration, a past, and ports that say why they are not open."""
    await plant(engine)
    await engine.add_port("FT-2", "lost", "unplugged")
    await engine.change("UPDATE port SET paused = 1, rev = :rev WHERE name = 'FT-2'")
    for name, program_id, size in (("fan-2.1.apb", "9FFFFF0501840450", 48_700), ("valve.nxi", None, 1_240_000)):
        await engine.add_image(name, program_id, size)
    await engine.add_snapshot(2)
    await engine.cut_off(5, percent=40)
    job = await engine.start_job("test", "Test Selected", [2, 4], NOW - 600, ended=True)
    await engine.end_task(job, 2, TaskState.DONE, "10 of 10 answered")
    await engine.end_task(job, 4, TaskState.FAILED, "3 of 10 answered")
    kinds = (EventKind.POLL, EventKind.POLL, EventKind.REPORT)
    engine.events = [
        Event(number, NOW - 60 + number, kinds[number % 3], "FT-1", 2, "AHU-04 supply fan", f"nvoTemp {number / 10}")
        for number in range(1, 60)
    ]
    engine.units["00D07AAA0001"] = FoundDevice(
        found=Found("00D07AAA0001", "9FFFFF0501840460", model=50, firmware=21), name="new", known=False
    )
    engine.adjust = _adjusted


def _adjusted(made: Plan) -> Plan:
    made = replace(made, monitoring=MonitoringPlan(12.4, pauses=True, asks=True))
    if made.action == "replace":
        return replace(made, by_hand=("Hold the button of the new module for 5 s", "Put the new module in"))
    if made.action == "remove":
        text = "still reachable: a search may find it again; take it off the channel first"
        return replace(made, warnings=(text,), typed="remove")
    return made


async def finished(folder: Path, fill: Fill) -> FakeEngine:
    """An engine whose store is filled and closed: the picture is taken in an event loop of its own."""
    engine = await FakeEngine.start(folder)
    await fill(engine)
    await engine.stop()
    return engine


@pytest.mark.parametrize(
    ("keys", "size", "depth", "fill"),
    [
        pytest.param(("j", "j"), NARROW, Depth.FULL, plant, id="devices-narrow"),
        pytest.param(("space", "space", "space"), WIDE, Depth.FULL, work_in_progress, id="devices-wide-with-a-job"),
        pytest.param(("j", "j", "space"), NARROW, Depth.NONE, work_in_progress, id="devices-without-colour"),
        pytest.param(("j", "j", "space"), NARROW, Depth.SIXTEEN, work_in_progress, id="devices-sixteen-colours"),
        pytest.param(("asterisk", "p"), NARROW, Depth.FULL, plant, id="plan"),
        pytest.param(("asterisk", "p", "s", "tab"), NARROW, Depth.FULL, plant, id="plan-skipped"),
        pytest.param(("space", "space", "a"), NARROW, Depth.FULL, plant, id="palette"),
        pytest.param(("2", "j"), NARROW, Depth.FULL, plant, id="groups"),
        pytest.param(("3",), NARROW, Depth.FULL, work_in_progress, id="jobs"),
        pytest.param(("J", "G"), NARROW, Depth.FULL, work_in_progress, id="job"),
        pytest.param(("j", "i"), NARROW, Depth.FULL, plant, id="device"),
        pytest.param(("question_mark",), NARROW, Depth.FULL, plant, id="help"),
        pytest.param(("4",), NARROW, Depth.FULL, everything, id="images"),
        pytest.param(("5",), NARROW, Depth.FULL, everything, id="licenses"),
        pytest.param(("6", "j"), NARROW, Depth.FULL, everything, id="ports"),
        pytest.param(("7",), NARROW, Depth.FULL, everything, id="events"),
        pytest.param(("space", "space", "L"), NARROW, Depth.FULL, everything, id="load"),
        pytest.param(("asterisk", "L"), WIDE, Depth.FULL, everything, id="load-wide"),
        pytest.param(("j", "c", *"00D07AAA0001", "enter"), NARROW, Depth.FULL, everything, id="replace"),
        pytest.param(("X",), NARROW, Depth.FULL, everything, id="remove"),
        pytest.param(("3", "H"), NARROW, Depth.FULL, everything, id="history"),
        pytest.param(("E",), NARROW, Depth.FULL, everything, id="edit"),
    ],
)
def test_it_looks_as_it_did(
    snap_compare: Callable[..., bool],
    tmp_path: Path,
    keys: tuple[str, ...],
    size: tuple[int, int],
    depth: Depth,
    fill: Fill,
) -> None:
    engine = asyncio.run(finished(tmp_path, fill))
    clock = StillClock()
    app = FieldhandApp(engine, engine.store, clock=clock, appearance=Appearance(depth))

    async def go_there(pilot: Pilot[Any]) -> None:
        operator = Operator(app, pilot, engine, clock)
        await operator.until(lambda: app.site.loaded)
        await operator.press(*keys)
        await operator.settled()

    assert snap_compare(app, terminal_size=size, run_before=go_there)
