"""Jobs that wait a moment before they begin: what is started by mistake can be cancelled as if it had never been."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from pydantic import ValidationError

from core.models import JobState, TaskState
from core.paths import StateDirectory
from core.rpc import AddDevice, CancelJob, RetryJob, Selection, StartJob
from core.store import journal
from drivers.base import NetworkState, Priority
from tests.core.conftest import Site
from tests.core.fake_driver import World

SOON = 0.05
LONG = 60.0


async def start(site: Site, action: str, *devices: int, grace: float) -> int:
    parameters = {"ignore": False} if action == "remove" else {}
    selection = Selection(devices=devices)
    return await site.client.call(StartJob(action=action, selection=selection, parameters=parameters, grace=grace))


async def test_a_job_begins_when_its_time_has_come(site: Site) -> None:
    (device,) = await site.furnish("A1")
    job = await start(site, "provision", device, grace=SOON)
    not_before = (await site.job(job)).not_before
    ended = await site.end_of(job)
    assert ended.done == 1
    (task,) = await site.tasks(job)
    assert task.started_at is not None
    assert task.started_at >= not_before


async def test_a_job_that_waits_holds_up_no_other(site: Site) -> None:
    first, second = await site.furnish("A1", "A2")
    waiting = await start(site, "provision", first, grace=LONG)
    assert (await site.do("provision", second)).done == 1
    assert site.world.order == ["A2"]
    assert (await site.job(waiting)).waits(time.time())
    assert [task.state for task in await site.tasks(waiting)] == [TaskState.QUEUED]


async def test_what_is_cancelled_before_it_begins_leaves_no_trace_on_the_devices(site: Site) -> None:
    site.world.room = 1
    (device,) = await site.furnish("A1")
    job = await start(site, "provision", device, grace=LONG)
    await site.client.call(CancelJob(job=job))
    ended = await site.job(job)
    assert (ended.state, ended.cancelled) == (JobState.CANCELLED, 1)
    assert site.world.order == []
    after = await site.device(device)
    assert (after.state, after.pending) == (NetworkState.UNPROVISIONED, None)
    other = await site.client.call(AddDevice(name="newcomer", uid="A9", port="FT"))
    assert (await site.do("provision", other)).done == 1  # the only address is free again


async def test_a_record_that_goes_without_telling_the_device_waits_as_well(site: Site) -> None:
    first, second = await site.furnish("A1", "A2")
    job = await start(site, "remove", first, grace=LONG)
    assert len(await site.devices()) == 2
    await site.client.call(CancelJob(job=job))
    assert len(await site.devices()) == 2
    await site.end_of(await start(site, "remove", second, grace=SOON))
    assert [device.id for device in await site.devices()] == [first]
    assert site.world.order == []


async def test_a_retry_waits_too(site: Site) -> None:
    (device,) = await site.furnish("A1")
    site.world.device("A1").fail_at = "write"
    failed = await site.do("provision", device)
    job = await site.client.call(RetryJob(job=failed.id, grace=LONG))
    assert (await site.job(job)).waits(time.time())


async def test_the_next_worker_lets_the_job_begin(
    directory: StateDirectory, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Site(directory, world)
    await before.start()
    told, untold = await before.furnish("A1", "A2")
    jobs = [
        await start(before, "provision", told, grace=LONG),
        await start(before, "remove", untold, grace=LONG),
    ]
    await before.stop()
    assert world.order == []

    now, offset = time.time, LONG - SOON
    monkeypatch.setattr(time, "time", lambda: now() + offset)
    after = Site(directory, world)
    await after.start()
    assert [(await after.end_of(job)).done for job in jobs] == [1, 1]
    assert world.order == ["A1"]
    await after.stop()


async def test_a_clock_that_is_set_back_holds_no_job_up(site: Site) -> None:
    (device,) = await site.furnish("A1")
    job = await start(site, "provision", device, grace=LONG)
    long_ago = time.time() - 86_400

    assert await site.engine.writer.run(lambda tx: journal.next_tasks(tx, 1, Priority.JOB, 10)) == []
    tasks = await site.engine.writer.run(lambda tx: journal.next_tasks(replace(tx, now=long_ago), 1, Priority.JOB, 10))
    assert [task.job for task in tasks] == [job]


@pytest.mark.parametrize("grace", [-1.0, 61.0, float("nan"), float("inf")])
def test_the_grace_is_a_minute_at_most(grace: float) -> None:
    with pytest.raises(ValidationError):
        StartJob(action="provision", selection=Selection(), grace=grace)
