"""Plan, job, outcome: what the engine does with devices, and what it does when things go wrong."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiosqlite
import pytest

from core import licensing, rpc
from core.actions import BY_NAME
from core.engine import jobs, registry
from core.engine.requests import HANDLERS
from core.errors import FieldhandError, Kind
from core.models import Device, JobState, PortState, StepState, TaskState
from core.paths import StateDirectory
from core.rpc import (
    Acknowledge,
    AddDevice,
    AddGroup,
    AddLicense,
    AddPort,
    Adopt,
    AssignGroup,
    CancelJob,
    Discover,
    EditDevice,
    EditSite,
    FoundDevice,
    MakePlan,
    RemovePort,
    RetryJob,
    Selection,
    StartJob,
    StopWorker,
)
from core.store import views
from core.store.database import open_reader
from drivers.base import AddressScope, Found, NetworkState, PortError
from tests.core.conftest import PRIVATE_KEY, Site, refusal
from tests.core.fake_driver import FakeDriver, World, address


def numbers(devices: list[Device]) -> list[int]:
    return [int(device.address.parts["number"]) for device in devices if device.address]


# ---- plan, job, outcome


async def test_a_plan_is_carried_out_and_its_outcome_kept(site: Site) -> None:
    first, second = await site.furnish("A1", "A2")
    plan = await site.client.call(MakePlan(action="provision", selection=Selection(devices=(first, second))))
    assert [planned.uid for planned in plan.devices] == ["A1", "A2"]
    assert site.world.order == []

    job = await site.do("provision", first, second)

    assert (job.state, job.done, job.total, job.operator) == (JobState.DONE, 2, 2, "olga")
    for device in await site.devices():
        assert (device.state, device.ours, device.pending) == (NetworkState.PROVISIONED, True, None)
        assert device.address == site.world.device(device.uid).address
    assert [task.reason for task in await site.tasks(job.id)] == ["verified", "verified"]


async def test_deprovisioning_frees_the_address(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.do("provision", device)
    await site.do("deprovision", device)
    after = await site.device(device)
    assert (after.state, after.ours, after.address) == (NetworkState.UNPROVISIONED, False, None)
    await site.client.call(EditSite(domain="55"))  # nobody holds an address in the old one any more


async def test_what_is_skipped_stands_in_the_outcome_with_its_reason(site: Site) -> None:
    first, second = await site.furnish("A1", "A2", seats=1)
    job = await site.do("provision", first, second)
    assert (job.done, job.skipped) == (1, 1)
    assert [task.reason for task in await site.tasks(job.id)] == ["verified", "no license seat"]
    assert site.world.order == ["A1"]


async def test_a_job_with_nothing_to_do_is_not_started(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.do("provision", device)
    refused = await refusal(site.start_job("provision", device))
    assert refused.kind is Kind.NOTHING_ELIGIBLE
    assert "already provisioned" in str(refused)


async def test_only_what_was_agreed_to_is_touched(site: Site) -> None:
    first, _ = await site.furnish("A1", "A2")
    job = await site.client.call(StartJob(action="provision", selection=Selection(), agreed=(first,)))
    assert (await site.end_of(job)).total == 1
    assert site.world.order == ["A1"]


async def test_a_whole_group_is_worked_on_and_the_job_says_which(site: Site) -> None:
    first, _, third = await site.furnish("A1", "A2", "A3")
    await site.client.call(AddGroup(name="roof"))
    await site.client.call(AssignGroup(devices=(first, third), group="roof"))
    job = await site.end_of(await site.client.call(StartJob(action="provision", selection=Selection(group="roof"))))
    assert job.title == "Provision All Devices: group roof"
    assert sorted(site.world.order) == ["A1", "A3"]


async def test_two_operators_who_start_the_same_at_once_do_not_get_in_each_others_way(site: Site) -> None:
    devices = await site.furnish("A1", "A2")
    outcomes = await asyncio.gather(*(site.start_job("provision", *devices) for _ in range(3)), return_exceptions=True)
    started = [job for job in outcomes if isinstance(job, int)]
    refused = [error for error in outcomes if isinstance(error, FieldhandError)]
    assert len(started) == 1
    assert [error.kind for error in refused] == [Kind.NOTHING_ELIGIBLE] * 2
    assert (await site.end_of(started[0])).done == 2


@pytest.mark.parametrize("parameters", [{"count": 0}, {"count": 1001}, {"count": "many"}, {"times": 3}], ids=str)
async def test_parameters_are_checked_before_anything_is_done(site: Site, parameters: dict[str, Any]) -> None:
    (device,) = await site.furnish("A1")
    plan = MakePlan(action="test", selection=Selection(devices=(device,)), parameters=parameters)
    assert (await refusal(site.client.call(plan))).kind is Kind.INVALID


async def test_parameters_reach_the_driver(site: Site) -> None:
    (device,) = await site.furnish("A1")
    start = StartJob(action="test", selection=Selection(devices=(device,)), parameters={"count": 5})
    job = await site.end_of(await site.client.call(start))
    assert [task.reason for task in await site.tasks(job.id)] == ["5 of 5 answered"]


# ---- the journal


async def test_the_intent_is_on_the_disk_before_a_byte_is_sent(site: Site) -> None:
    (device,) = await site.furnish("A1")
    seen: list[list[tuple[str, StepState]]] = []

    async def look() -> None:
        db: aiosqlite.Connection = await open_reader(site.directory.store)  # as another process would see it
        seen.append([(step.name, step.state) for step in await views.steps(db, 1)])
        await db.close()

    fake = site.world.device("A1")
    fake.hooks = {"identify": look, "write": look, "verify": look}
    await site.do("provision", device)

    started, done = StepState.STARTED, StepState.DONE
    assert seen == [
        [("identify", started)],
        [("identify", done), ("write", started)],
        [("identify", done), ("write", done), ("verify", started)],
    ]
    assert [step.state for step in await site.journal(1)] == [done, done, done]


async def test_a_failure_keeps_its_reason_and_the_last_frames(site: Site) -> None:
    (device,) = await site.furnish("A1")
    site.world.device("A1").fail_at = "write"
    job = await site.do("provision", device)

    assert (job.failed, job.state) == (1, JobState.DONE)
    after = await site.device(device)
    assert after.failure is not None
    assert after.failure.reason == "no answer at write after 3 tries: check its power and its wiring"
    last = (await site.journal(1))[-1]
    assert (last.name, last.state) == ("write", StepState.FAILED)
    assert last.detail.splitlines() == [after.failure.reason, "-> A1 hello", "<- A1 go away"]

    await site.client.call(Acknowledge(devices=(device,)))
    assert (await site.device(device)).failure is None


async def test_a_fault_in_a_driver_fails_the_device_and_not_the_worker(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await site.furnish("A1", "A2")

    async def stumble() -> None:
        raise ZeroDivisionError("on purpose")

    def no_frames(driver: FakeDriver, uid: str) -> list[str]:
        raise ZeroDivisionError("here too")

    site.world.device("A1").hooks["write"] = stumble
    monkeypatch.setattr(FakeDriver, "frames", no_frames)
    job = await site.do("provision", first, second)
    assert (job.failed, job.done) == (1, 1)
    assert "ZeroDivisionError: on purpose" in (await site.tasks(job.id))[0].reason
    assert not site.engine.ended.done()


# ---- cancel and retry


async def test_cancelling_stops_at_the_next_step_border(site: Site) -> None:
    devices = await site.furnish("A1", "A2", "A3", "A4")
    fakes = [site.world.device(uid) for uid in ("A1", "A2")]
    for fake in fakes:
        fake.hang("write")
    job = await site.start_job("provision", *devices)
    await site.hangs(*fakes)

    await site.client.call(CancelJob(job=job))
    assert [task.state for task in await site.tasks(job)] == [TaskState.RUNNING] * 2 + [TaskState.CANCELLED] * 2
    for fake in fakes:
        fake.let_go()
    ended = await site.end_of(job)

    assert (ended.state, ended.cancelled) == (JobState.CANCELLED, 4)
    assert [fake.done for fake in fakes] == [["identify", "write"]] * 2  # finished what it had begun, and no more
    assert site.world.order == ["A1", "A2"]


async def test_addresses_of_devices_nothing_was_sent_to_are_free_again(site: Site) -> None:
    site.world.room = 3
    devices = await site.furnish("A1", "A2", "A3")
    fakes = [site.world.device(uid) for uid in ("A1", "A2")]
    for fake in fakes:
        fake.hang("write")
    job = await site.start_job("provision", *devices)
    await site.hangs(*fakes)
    await site.client.call(CancelJob(job=job))
    for fake in fakes:
        fake.let_go()
    await site.end_of(job)

    other = await site.client.call(AddDevice(name="newcomer", uid="A9", port="FT"))
    assert (await site.do("provision", other)).done == 1


async def test_a_job_is_forgotten_by_the_runner_when_its_last_device_has_stopped(site: Site) -> None:
    (device,) = await site.furnish("A1")
    fake = site.world.device("A1")
    fake.hang("write")
    job = await site.start_job("provision", device)
    await site.hangs(fake)
    await site.client.call(CancelJob(job=job))
    runner = site.engine.ports["FT"].jobs
    assert runner._cancelling == {job}
    fake.let_go()
    await site.end_of(job)
    await asyncio.sleep(0)
    assert runner._cancelling == set()
    await site.do("provision", device)
    await refusal(site.client.call(CancelJob(job=job)))
    assert runner._cancelling == set()


async def test_a_job_that_has_ended_cannot_be_cancelled(site: Site) -> None:
    (device,) = await site.furnish("A1")
    job = await site.do("provision", device)
    assert (await refusal(site.client.call(CancelJob(job=job.id)))).kind is Kind.NOT_ALLOWED
    assert (await refusal(site.client.call(CancelJob(job=99)))).kind is Kind.UNKNOWN_JOB


async def test_starting_and_cancelling_at_once_ends_one_way_or_the_other(site: Site) -> None:
    devices = await site.furnish(*(f"A{number}" for number in range(20)))
    job = await site.start_job("provision", *devices)
    await site.client.call(CancelJob(job=job))
    ended = await site.end_of(job)
    assert ended.state is JobState.CANCELLED
    assert ended.done + ended.cancelled == 20
    for task in await site.tasks(job):
        assert task.state in (TaskState.DONE, TaskState.CANCELLED)


async def test_only_what_failed_is_tried_again(site: Site) -> None:
    first, second = await site.furnish("A1", "A2")
    site.world.device("A1").fail_at = "verify"
    job = await site.do("provision", first, second)
    held = site.world.device("A1").address

    site.world.device("A1").fail_at = None
    again = await site.end_of(await site.client.call(RetryJob(job=job.id)))

    assert (again.total, again.done) == (1, 1)
    assert site.world.order == ["A1", "A2", "A1"]
    assert site.world.device("A1").address == held  # a failed device keeps the address it may have by now
    assert (await site.device(first)).failure is None
    assert (await refusal(site.client.call(RetryJob(job=again.id)))).kind is Kind.NOTHING_ELIGIBLE


# ---- addresses


async def test_no_address_is_given_twice(site: Site) -> None:
    devices = await site.furnish(*(f"A{number}" for number in range(30)))
    one, other = await asyncio.gather(
        site.start_job("provision", *devices[:20]), site.start_job("provision", *devices[10:])
    )
    await site.end_of(one)
    await site.end_of(other)
    held = numbers(await site.devices())
    assert len(set(held)) == len(held) == 30


async def test_an_address_seen_on_a_device_of_another_tool_is_not_given(site: Site) -> None:
    first, second = await site.furnish("A1", "A2")
    site.world.found = [Found("A1", state=NetworkState.PROVISIONED, address=address(1))]
    await site.client.call(Discover(port="FT"))
    await site.do("provision", second)
    assert numbers([await site.device(first)]) == [1]
    assert numbers([await site.device(second)]) == [2]


async def test_a_site_that_is_full_starts_nothing(site: Site) -> None:
    site.world.room = 1
    devices = await site.furnish("A1", "A2")
    assert (await refusal(site.start_job("provision", *devices))).kind is Kind.NOT_ALLOWED
    assert site.world.order == []
    assert [device.pending for device in await site.devices()] == [None, None]


async def test_where_addresses_are_unique_by_port_each_port_has_all_of_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDriver, "address_scope", AddressScope.PORT)
    site.world.room = 2
    devices = await site.furnish("A1", "A2")
    await site.client.call(AddPort(url="fake://attic", name="attic"))
    devices += [await site.client.call(AddDevice(name=uid, uid=uid, port="attic")) for uid in ("B1", "B2")]
    assert (await site.do("provision", *devices)).done == 4
    assert numbers(await site.devices()) == [1, 2, 1, 2]


# ---- a person before a job


async def test_a_person_overtakes_a_job_that_fills_the_port(site: Site) -> None:
    devices = await site.furnish("A1", "A2", "A3", "A4")
    fakes = [site.world.device(uid) for uid in ("A1", "A2")]
    for fake in fakes:
        fake.hang("write")
    job = await site.start_job("provision", *devices[:3])
    await site.hangs(*fakes)

    wink = await site.do("wink", devices[3])

    assert wink.done == 1
    assert [task.state for task in await site.tasks(job)][2] is TaskState.QUEUED
    for fake in fakes:
        fake.let_go()
    assert (await site.end_of(job)).done == 3


async def test_no_more_devices_at_once_than_the_driver_makes_use_of(site: Site) -> None:
    devices = await site.furnish(*(f"A{number}" for number in range(6)))
    at_once: list[int] = []
    busy: set[str] = set()

    def hook(uid: str, change: Callable[[str], None]) -> Callable[[], Any]:
        async def run() -> None:
            change(uid)
            at_once.append(len(busy))

        return run

    for number in range(6):
        fake = site.world.device(f"A{number}")
        fake.hooks = {"identify": hook(fake.uid, busy.add), "verify": hook(fake.uid, busy.remove)}
    assert (await site.do("provision", *devices)).done == 6
    assert max(at_once) == FakeDriver.at_once(BY_NAME["provision"].capability)


# ---- ports come and go


async def test_a_lost_port_holds_the_work_up_and_gives_no_address_twice(site: Site) -> None:
    devices = await site.furnish("A1", "A2", "A3", "A4")
    fakes = [site.world.device(uid) for uid in ("A1", "A2")]
    for fake in fakes:
        fake.hang("verify")
    job = await site.start_job("provision", *devices)
    await site.hangs(*fakes)
    held = [fake.address for fake in fakes]

    for fake in fakes:
        fake.release = None
    site.world.port.unplug()
    ended = await site.end_of(job)

    assert ended.done == 4
    assert [driver.closed for driver in site.world.opened] == [True, False]
    assert [fake.address for fake in fakes] == held
    given = numbers(await site.devices())
    assert len(set(given)) == 4
    states = [(step.attempt, step.name, step.state) for step in await site.journal(1)]
    assert (1, "verify", StepState.INTERRUPTED) in states
    assert states[-1] == (2, "verify", StepState.DONE)


async def test_cancelling_does_not_wait_for_a_port_that_is_gone(site: Site) -> None:
    (device,) = await site.furnish("A1")
    fake = site.world.device("A1")
    fake.hang("write")
    job = await site.start_job("provision", device)
    await site.hangs(fake)
    site.world.opening = asyncio.Event()  # the port stays away
    await site.client.call(CancelJob(job=job))
    site.world.port.unplug()
    assert (await site.end_of(job)).state is JobState.CANCELLED
    site.world.opening.set()


async def test_work_that_finds_the_port_lost_has_it_opened_afresh(site: Site) -> None:
    (device,) = await site.furnish("A1")
    site.world.port._gone.set()  # the driver itself does not notice
    assert (await site.do("provision", device)).done == 1
    assert len(site.world.opened) == 2


async def test_a_device_at_which_the_port_is_lost_again_and_again_fails(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MOST_ATTEMPTS", 2)
    (device,) = await site.furnish("A1")

    async def lose_the_port() -> None:
        raise PortError(Kind.PORT_LOST, port="fake", reason="it hung up")

    site.world.device("A1").hooks["write"] = lose_the_port
    ended = await site.do("provision", device)
    assert (ended.done, ended.failed) == (0, 1)
    assert "it hung up" in (await site.tasks(ended.id))[0].reason
    assert site.world.device("A1").done == ["identify", "identify"]


async def test_who_waits_too_long_for_a_port_gets_an_answer(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PORT_PATIENCE_SECONDS", 0.01)
    (device,) = await site.furnish("A1")
    fake = site.world.device("A1")
    fake.hang("write")
    job = await site.start_job("provision", device)
    await site.hangs(fake)
    site.world.opening = asyncio.Event()
    site.world.port.unplug()
    ended = await site.end_of(job)
    assert ended.failed == 1
    assert "is gone" in (await site.tasks(job))[0].reason
    site.world.opening.set()


@pytest.mark.parametrize("fault", ["wait_lost", "open"])
async def test_a_driver_that_breaks_down_is_opened_afresh(site: Site, fault: str) -> None:
    (device,) = await site.furnish("A1")
    if fault == "open":
        site.world.absent = ZeroDivisionError("on purpose")
        site.world.port.unplug()

        async def told() -> bool:
            (port,) = await site.engine.read(views.ports)
            return "ZeroDivisionError" in port.detail

        await site.until(told)
        assert "ZeroDivisionError" in str(await refusal(site.start_job("provision", device)))
        site.world.absent = None
    else:
        site.world.port.break_down()

    async def open_again() -> bool:
        (port,) = await site.engine.read(views.ports)
        return port.state is PortState.OPEN and len(site.world.opened) == 2

    await site.until(open_again)
    assert (await site.do("provision", device)).done == 1


async def test_a_press_that_could_not_be_read_does_not_deafen_the_port(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    await site.furnish("A1")
    notices = site.client.notices()
    site.world.port.presses.put_nowait(ZeroDivisionError("on purpose"))
    site.world.port.presses.put_nowait(Found("A1"))
    while not isinstance(pressed := await anext(notices), rpc.PinPressed):
        pass
    assert (pressed.device.name, pressed.device.known) == ("device A1", True)
    assert "service pins on FT" in caplog.text
    assert not site.world.port.closed


async def test_a_port_is_kept_once_however_many_want_to_add_it(site: Site) -> None:
    adding = [site.client.call(AddPort(url="fake://FT", name=name)) for name in ("FT", "again", "and again")]
    outcomes = await asyncio.gather(*adding, return_exceptions=True)
    assert [error.kind for error in outcomes if isinstance(error, FieldhandError)] == [Kind.INVALID] * 2
    assert len([driver for driver in site.world.opened if not driver.closed]) == 1


async def test_a_port_that_cannot_be_opened_is_not_added(site: Site) -> None:
    site.world.absent = FieldhandError(Kind.PORT_ABSENT, port="FT", reason="no such file")
    assert (await refusal(site.client.call(AddPort(url="fake://FT", name="FT")))).kind is Kind.PORT_ABSENT
    assert await site.engine.read(views.ports) == []


async def test_removing_a_port_lets_go_of_it(site: Site) -> None:
    await site.furnish()
    await site.client.call(RemovePort(port="FT"))
    assert site.world.port.closed
    await site.client.call(AddPort(url="fake://FT", name="FT"))
    assert not site.world.port.closed


async def test_a_new_domain_reaches_the_ports_once_each(site: Site) -> None:
    await site.furnish()
    await asyncio.gather(*(site.client.call(EditSite(domain=domain)) for domain in ("55", "AA", "BB")))
    await site.do("wink", await site.client.call(AddDevice(name="A1", uid="A1", port="FT")))
    assert len([driver for driver in site.world.opened if not driver.closed]) == 1
    assert site.world.port.site.domain == b"\xbb"


# ---- devices are found and changed


async def test_a_search_tells_who_is_known_and_takes_over_what_it_saw(site: Site) -> None:
    first, second, third = await site.furnish("A1", "A2", "A3")
    await site.do("provision", first, second, third)
    given = {device.uid: device.address for device in await site.devices()}
    site.world.found = [
        Found("A1", state=NetworkState.PROVISIONED, address=given["A1"]),
        Found("A2", state=NetworkState.PROVISIONED, address=address(99)),
        Found("A3"),
        Found("B1", documentation="boiler\x1b[2J"),
        Found("B2", documentation="boiler\x1b[2J"),
    ]

    found = await site.client.call(Discover(port="FT"))

    assert [(device.name, device.known) for device in found] == [
        ("device A1", True),
        ("device A2", True),
        ("device A3", True),
        ("boiler[2J", False),
        ("boiler[2J B2", False),
    ]
    assert [(device.state.value, device.ours) for device in await site.devices()] == [
        ("provisioned", True),
        ("provisioned", False),
        ("unprovisioned", False),
    ]


async def test_devices_are_adopted_once_however_often_it_is_asked(site: Site) -> None:
    await site.furnish()
    site.world.found = [Found("B1"), Found("B2")]
    found = await site.client.call(Discover(port="FT"))
    outcomes = await asyncio.gather(*(site.client.call(Adopt(port="FT", devices=found)) for _ in range(2)))
    assert sorted(len(ids) for ids in outcomes) == [0, 2]
    assert [device.uid for device in await site.devices()] == ["B1", "B2"]


async def test_a_device_named_like_a_uid_does_not_hide_the_one_that_has_it(site: Site) -> None:
    await site.furnish()
    await site.client.call(AddDevice(name="B1", port="FT"))
    site.world.found = [Found("B1")]
    (found,) = await site.client.call(Discover(port="FT"))
    assert not found.known
    await site.client.call(Adopt(port="FT", devices=(found,)))
    assert [device.uid for device in await site.devices()] == ["", "B1"]


async def test_a_long_text_of_its_own_still_makes_a_name_that_nobody_else_has(site: Site) -> None:
    await site.furnish()
    documentation = "x" * 76 + " and so on"  # the cut falls on the blank
    for uid in ("B1", "B2", "B3"):
        site.world.found = [Found(uid, documentation=documentation)]
        found = await site.client.call(Discover(port="FT"))
        await site.client.call(Adopt(port="FT", devices=found))
    assert [device.uid for device in await site.devices()] == ["B1", "B2", "B3"]


async def test_what_a_client_says_was_found_is_checked(site: Site) -> None:
    await site.furnish()
    false = FoundDevice(found=Found("'; DROP"), name="x", known=False)
    assert (await refusal(site.client.call(Adopt(port="FT", devices=(false,))))).kind is Kind.INVALID_UID


async def test_a_device_at_work_keeps_its_uid_and_port_but_may_be_renamed(site: Site) -> None:
    (device,) = await site.furnish("A1")
    fake = site.world.device("A1")
    fake.hang("write")
    job = await site.start_job("provision", device)
    await site.hangs(fake)
    for edit in (EditDevice(device=device, uid="A2"), EditDevice(device=device, port="FT")):
        assert (await refusal(site.client.call(edit))).kind is Kind.IN_USE
    await site.client.call(EditDevice(device=device, name="AHU 1"))
    fake.let_go()
    await site.end_of(job)
    assert (await site.device(device)).name == "AHU 1"


# ---- seats, roles, notices


async def test_a_license_that_ends_sooner_than_the_others_is_watched_too(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: asyncio.Queue[float] = asyncio.Queue()
    timeout = asyncio.timeout

    def recorded(pause: float | None) -> asyncio.Timeout:
        pauses.put_nowait(pause or 0.0)
        return timeout(pause)

    monkeypatch.setattr(asyncio, "timeout", recorded)
    await site.furnish()
    ends = datetime.now(UTC) + timedelta(minutes=10)
    await site.client.call(AddLicense(text=licensing.issue(PRIVATE_KEY, 1, expires=ends)))
    while await pauses.get() > 601:
        pass  # until the watch looks again when this one has ended


def test_only_greeting_planning_reading_and_asking_a_unit_who_it_is_change_nothing() -> None:
    looking = {"hello", "plan", "unit.identify", "monitoring.read", "events.read", "port.find"}
    assert {request.method for request in HANDLERS if not request.changes} == looking


async def test_a_viewer_may_look_but_not_change_anything(site: Site) -> None:
    (device,) = await site.furnish("A1")
    viewer = site.viewer()
    one = Selection(devices=(device,))
    assert (await viewer.call(MakePlan(action="provision", selection=one))).devices
    for request in (StartJob(action="provision", selection=one), AddGroup(name="roof"), StopWorker()):
        refused = await refusal(viewer.call(request))
        assert refused.kind is Kind.NOT_ALLOWED
        assert "vera" in str(refused)
    assert (await site.device(device)).pending is None
    assert not site.engine.ended.done()


async def test_notices_are_kept_from_the_moment_they_are_asked_for(site: Site) -> None:
    notices = site.client.notices()
    await site.client.call(AddGroup(name="roof"))
    notice = await anext(notices)
    assert isinstance(notice, rpc.StoreChanged)
    assert notice.rev == await site.engine.read(views.revision)


async def test_notices_end_with_the_engine(directory: StateDirectory, world: World) -> None:
    site = Site(directory, world)
    await site.start()
    notices = site.client.notices()
    await site.stop()
    async for _ in notices:
        pass
    assert (await refusal(site.client.call(AddGroup(name="late")))).kind is Kind.NO_WORKER


# ---- the worker ends and begins


async def test_work_that_was_cut_off_is_taken_up_again(directory: StateDirectory, world: World) -> None:
    before = Site(directory, world)
    await before.start()
    devices = await before.furnish("A1", "A2", "A3")
    fakes = [world.device(uid) for uid in ("A1", "A2")]
    for fake in fakes:
        fake.hang("verify")
    job = await before.start_job("provision", *devices)
    await before.hangs(*fakes)
    held = [fake.address for fake in fakes]
    await before.stop()
    assert all(driver.closed for driver in world.opened)
    for fake in fakes:
        fake.release = None

    after = Site(directory, world)
    await after.start()
    ended = await after.end_of(job)
    assert ended.done == 3
    assert [fake.address for fake in fakes] == held
    assert [step.state for step in await after.journal(1)].count(StepState.INTERRUPTED) == 1
    await after.stop()


async def test_what_was_being_cancelled_is_not_taken_up_again(directory: StateDirectory, world: World) -> None:
    before = Site(directory, world)
    await before.start()
    devices = await before.furnish("A1", "A2")
    fake = world.device("A1")
    fake.hang("write")
    job = await before.start_job("provision", *devices)
    await before.hangs(fake)
    await before.client.call(CancelJob(job=job))
    await before.stop()

    after = Site(directory, world)
    await after.start()
    assert (await after.end_of(job)).state is JobState.CANCELLED
    assert world.order.count("A1") == 1
    await after.stop()


async def test_a_port_whose_driver_was_taken_away_does_not_keep_the_others_from_work(
    directory: StateDirectory, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Site(directory, world)
    await before.start()
    (device,) = await before.furnish("A1")
    await before.stop()

    other = type("OtherDriver", (FakeDriver,), {"protocol": "other"})
    monkeypatch.setattr(registry, "drivers", lambda: {"other": other})
    after = Site(directory, world)
    await after.start()
    (port,) = await after.engine.read(views.ports)
    assert (port.state, "'fake'" in port.detail) == (PortState.LOST, True)
    assert (await refusal(after.start_job("provision", device))).kind is Kind.NOTHING_ELIGIBLE
    assert (await refusal(after.client.call(Discover(port="FT")))).kind is Kind.UNKNOWN_PROTOCOL
    await after.client.call(AddPort(url="other://attic", name="attic"))
    await after.client.call(RemovePort(port="attic"))
    await after.stop()


async def test_an_engine_whose_store_fails_says_so_and_ends_in_order(site: Site) -> None:
    await site.furnish("A1")

    async def fail(tx: Any) -> None:
        await tx.db.execute("ROLLBACK")  # as SQLite does when the disk is full

    with pytest.raises(FieldhandError) as refused:
        await site.engine.writer.run(fail)
    assert refused.value.kind is Kind.DATABASE
    assert site.engine.ended.exception() is not None
    assert (await refusal(site.client.call(AddGroup(name="late")))).kind is Kind.DATABASE
