"""Removing devices: out of service first where they can be reached, and what is left of them."""

import pytest

from core.errors import FieldhandError, Kind
from core.models import Mode
from core.rpc import Adopt, Discover, EditSite, FoundDevice, MakePlan, RetryJob, Selection, StartJob, StopIgnoring
from core.store import views
from drivers.base import Found
from tests.core.conftest import Site


async def remove(site: Site, *devices: int, ignore: bool = False) -> int:
    selection = Selection(devices=devices)
    return await site.client.call(StartJob(action="remove", selection=selection, parameters={"ignore": ignore}))


async def provisioned(site: Site, *uids: str) -> list[int]:
    devices = await site.furnish(*uids)
    await site.do("provision", *devices)
    return devices


async def test_a_provisioned_device_is_taken_out_of_service_and_its_record_goes(site: Site) -> None:
    first, second = await provisioned(site, "A1", "A2")
    job = await site.end_of(await remove(site, first))
    assert job.done == 1
    assert site.world.device("A1").address is None
    assert [device.id for device in await site.devices()] == [second]


async def test_those_who_read_by_revision_learn_of_it(site: Site) -> None:
    (device,) = await site.furnish("A1")
    before = await site.engine.read(views.revision)
    await site.end_of(await remove(site, device))
    assert await site.engine.read(lambda db: views.removed(db, before)) == [device]
    after = await site.engine.read(views.revision)
    assert await site.engine.read(lambda db: views.removed(db, after)) == []


async def test_a_device_that_was_never_provisioned_is_not_spoken_to(site: Site) -> None:
    (device,) = await site.furnish("A1")
    job = await site.end_of(await remove(site, device))
    assert job.done == 1
    assert site.world.order == []
    assert await site.devices() == []


async def test_a_device_that_does_not_answer_is_removed_all_the_same_and_the_outcome_says_so(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    site.world.device("A1").fail_at = "write"
    job = await site.end_of(await remove(site, device))
    assert job.done == 1
    (task,) = await site.tasks(job.id)
    assert task.reason == "only the record: no answer at write after 3 tries: check its power and its wiring"
    assert await site.devices() == []


async def test_a_device_on_a_port_that_is_gone_is_removed_at_once(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    site.world.absent = RuntimeError("no such port")
    site.world.port.unplug()

    async def lost() -> bool:
        return bool(site.engine.problems())

    await site.until(lost)
    job = await site.end_of(await remove(site, device))
    assert job.done == 1
    assert (await site.tasks(job.id))[0].reason == "only the record: the device was not told"


async def test_the_history_of_a_removed_device_stays(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    await site.end_of(await remove(site, device))
    history = await site.engine.read(lambda db: views.history(db, called="device A1"))
    assert [(job.action, task.uid, task.state.value) for job, task in history] == [
        ("remove", "A1", "done"),
        ("provision", "A1", "done"),
    ]
    assert await site.engine.read(lambda db: views.history(db, called="a1")) == history
    assert await site.journal(history[1][1].id) != []


async def test_its_license_seat_goes_to_the_next_in_line(site: Site) -> None:
    first, second = await site.furnish("A1", "A2", seats=1)
    assert not (await site.device(second)).licensed
    await site.end_of(await remove(site, first))
    assert (await site.device(second)).licensed


async def test_its_name_its_uid_and_its_address_are_free_again(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    address = (await site.device(device)).address
    await site.end_of(await remove(site, device))
    found = FoundDevice(found=Found(uid="A1"), name="device A1", known=False)
    (again,) = await site.client.call(Adopt(port="FT", devices=(found,)))
    assert again != device
    await site.do("provision", again)
    assert (await site.device(again)).address == address


async def test_a_device_that_is_removed_and_ignored_is_not_offered_again(site: Site) -> None:
    (device,) = await site.furnish("A1")
    site.world.found = [Found(uid="A1"), Found(uid="A2")]
    await site.end_of(await remove(site, device, ignore=True))
    (ignored,) = await site.engine.read(views.ignored)
    assert (ignored.uid, ignored.name, ignored.by) == ("A1", "device A1", "olga")
    assert [one.ignored for one in await site.client.call(Discover(port="FT"))] == [True, False]
    await site.client.call(StopIgnoring(uid="a1"))
    assert [one.ignored for one in await site.client.call(Discover(port="FT"))] == [False, False]


async def test_a_device_that_is_taken_back_on_purpose_is_ignored_no_longer(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.end_of(await remove(site, device, ignore=True))
    site.world.found = [Found(uid="A1")]
    await site.client.call(Adopt(port="FT", devices=await site.client.call(Discover(port="FT"))))
    assert await site.engine.read(views.ignored) == []


async def test_who_is_not_ignored_cannot_stop_being_it(site: Site) -> None:
    with pytest.raises(FieldhandError) as refused:
        await site.client.call(StopIgnoring(uid="A9"))
    assert refused.value.kind is Kind.UNKNOWN_DEVICE


async def test_a_worker_that_dies_while_it_removes_takes_it_up_again(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    fake = site.world.device("A1")
    fake.hang("write")
    job = await remove(site, device)
    await site.hangs(fake)
    await site.stop()
    fake.let_go()
    site = Site(site.directory, site.world)
    await site.start()
    assert (await site.end_of(job)).done == 1
    assert await site.devices() == []
    await site.stop()


@pytest.mark.parametrize("ignore", [False, True])
async def test_the_plan_warns_of_being_found_again_unless_the_device_is_ignored(site: Site, ignore: bool) -> None:
    (device,) = await site.furnish("A1")
    ask = MakePlan(action="remove", selection=Selection(devices=(device,)), parameters={"ignore": ignore})
    warned = any("may be found again" in warning for warning in (await site.client.call(ask)).warnings)
    assert warned is not ignore
    await site.client.call(EditSite(mode=Mode.IMM))
    assert not (await site.client.call(ask)).warnings


async def test_the_plan_says_who_cannot_be_told(site: Site) -> None:
    first, second = await provisioned(site, "A1", "A2")
    await site.client.call(EditSite(mode=Mode.IMM))
    plan = await site.client.call(MakePlan(action="remove", selection=Selection(devices=(first, second))))
    assert [planned.port for planned in plan.devices] == [None, None]
    assert any(warning.startswith("2 cannot be told") for warning in plan.warnings)


async def test_a_job_is_retried_for_those_that_are_still_there(site: Site) -> None:
    first, second = await site.furnish("A1", "A2")
    for uid in ("A1", "A2"):
        site.world.device(uid).fail_at = "identify"
    job = await site.do("provision", first, second)
    await site.end_of(await remove(site, first))
    site.world.device("A2").fail_at = None
    again = await site.end_of(await site.client.call(RetryJob(job=job.id)))
    assert (again.total, again.done) == (1, 1)
