"""A new unit in the place of a device, its configuration saved and given back, and who a unit on a port is."""

import json
import sqlite3

from core import rpc
from core.errors import Kind
from core.models import Health, Ignored
from core.rpc import AddDevice, Adopt, EditDevice, FoundDevice, IdentifyUnit, Selection, WinkUnit
from core.store import views
from core.store.journal import SNAPSHOTS_KEPT
from drivers.base import Found, NetworkState
from tests.core.conftest import Site, refusal
from tests.core.fake_driver import image


async def provisioned(site: Site, *uids: str) -> list[int]:
    devices = await site.furnish(*uids)
    await site.do("provision", *devices)
    return devices


# ---- the configuration


async def test_a_configuration_is_on_the_disk_before_the_driver_goes_on(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    fake = site.world.device("A1")
    fake.configuration = [1, 2]
    seen: list[str] = []

    async def look() -> None:
        with sqlite3.connect(site.directory.store) as db:  # as another process would see it
            seen.extend(document for (document,) in db.execute("SELECT document FROM snapshot"))
        db.close()

    fake.hooks["after"] = look
    job = await site.do("snapshot", device)
    assert [json.loads(document) for document in seen] == [{"values": [1, 2]}]
    (kept,) = await site.engine.read(lambda db: views.snapshots(db, device))
    (task,) = await site.tasks(job.id)
    assert (kept.uid, kept.task, kept.version) == ("A1", task.id, 1)


async def test_the_newest_configuration_is_restored(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    fake = site.world.device("A1")
    for value in (1, 2):
        fake.configuration = [value]
        await site.do("snapshot", device)
    fake.configuration = []
    assert (await site.do("restore", device)).done == 1
    assert fake.configuration == [2]


async def test_what_was_never_saved_is_not_restored(site: Site) -> None:
    saved, unsaved = await provisioned(site, "A1", "A2")
    await site.do("snapshot", saved)
    plan = await site.plan("restore", saved, unsaved)
    assert [(one.device, one.reason) for one in plan.skipped] == [(unsaved, "its configuration was never saved")]
    assert [one.device for one in plan.devices] == [saved]


async def test_old_configurations_go(site: Site) -> None:
    first, second = await provisioned(site, "A1", "A2")
    await site.do("snapshot", second)
    for number in range(SNAPSHOTS_KEPT + 2):
        site.world.device("A1").configuration = [number]
        await site.do("snapshot", first)
    kept = await site.engine.read(lambda db: views.snapshots(db, first))
    assert [snapshot.document["values"] for snapshot in kept] == [[number] for number in range(11, 1, -1)]
    assert len(await site.engine.read(lambda db: views.snapshots(db, second))) == 1


# ---- replacing


async def test_the_new_unit_takes_over_the_record_and_the_configuration(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    site.world.device("A1").configuration = [1, 2]
    await site.do("snapshot", device)
    before = await site.device(device)

    job = await site.do("replace", device, uid="b1")

    after = await site.device(device)
    assert (after.uid, after.program_id, after.model, after.firmware) == ("B1", "P2", 8, 5)
    assert (after.name, after.group, after.address, after.ours) == (before.name, before.group, before.address, True)
    assert site.world.device("B1").configuration == [1, 2]
    (kept,) = await site.engine.read(lambda db: views.snapshots(db, device))
    assert kept.uid == "A1"
    (task,) = await site.tasks(job.id)
    assert (task.uid, task.reason) == ("A1", "replaced")
    assert (await site.do("test", device)).done == 1
    assert site.world.order[-1] == "B1"


async def test_what_the_old_unit_left_behind_is_not_said_of_the_new_one(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    await site.add_image("VAV.apb", image())
    site.world.device("A1").fail_at = "record 2"
    await site.do("load", device, image="VAV.apb")
    await site.do("replace", device, uid="B1")
    after = await site.device(device)
    assert (after.interrupted, after.application, after.health) == (None, True, Health.NORMAL)


async def test_a_replacement_that_fails_half_way_leaves_the_record_as_it_was(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    before = await site.device(device)
    site.world.device("B1").fail_at = "write"
    assert (await site.do("replace", device, uid="B1")).failed == 1
    after = await site.device(device)
    assert after.failure is not None
    assert after.failure.reason == "no answer at write after 3 tries: check its power and its wiring"
    assert (after.uid, after.program_id, after.health) == ("A1", before.program_id, before.health)


async def test_a_uid_that_cannot_be_the_new_one_is_refused_with_the_reason(site: Site) -> None:
    first, _ = await provisioned(site, "A1", "A2")
    refused = await refusal(site.plan("replace", first, uid="A2"))
    assert (refused.kind, "device A2" in str(refused)) == (Kind.DUPLICATE_UID, True)
    refused = await refusal(site.plan("replace", first, uid="a1"))
    assert (refused.kind, "'device A1' has now" in str(refused)) == (Kind.INVALID, True)
    assert (await refusal(site.plan("replace", first, uid="A-1"))).kind is Kind.INVALID_UID


async def test_a_uid_that_a_replacement_is_about_to_give_is_given_to_nobody_else(site: Site) -> None:
    first, second = await provisioned(site, "A1", "A2")
    unit = site.world.device("B1")
    unit.hang("write")
    job = await site.start_job("replace", first, uid="B1")
    await site.hangs(unit)
    found = FoundDevice(found=Found("B1"), name="newcomer", known=False)
    for asking in (
        site.client.call(AddDevice(name="newcomer", uid="B1", port="FT")),
        site.client.call(Adopt(port="FT", devices=(found,))),
        site.plan("replace", second, uid="B1"),
    ):
        refused = await refusal(asking)
        assert (refused.kind, "device A1" in str(refused)) == (Kind.DUPLICATE_UID, True)
    unit.let_go()
    assert (await site.end_of(job)).done == 1


async def test_one_device_is_replaced_at_a_time(site: Site) -> None:
    devices = await provisioned(site, "A1", "A2")
    for selection in (Selection(), Selection(devices=tuple(devices))):
        plan = rpc.MakePlan(action="replace", selection=selection, parameters={"uid": "B1"})
        assert "one device at a time" in str(await refusal(site.client.call(plan)))
    nothing = rpc.StartJob(action="replace", selection=Selection(devices=()), parameters={"uid": "B1"})
    assert (await refusal(site.client.call(nothing))).kind is Kind.NOTHING_ELIGIBLE


async def test_the_plan_says_what_the_new_unit_gets_and_what_is_to_be_done_to_it_by_hand(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    await site.client.call(EditDevice(device=device, program_id="IOX"))
    plan = await site.plan("replace", device, uid="B1")
    assert plan.by_hand == ("Press the button.", "Wait for the light.")
    assert "no configuration was saved: an old unit that is silent gives its address only" in plan.warnings
    await site.do("snapshot", device)
    (warning,) = (await site.plan("replace", device, uid="B1")).warnings
    assert warning == "the new unit gets the configuration that was saved just now"


async def test_a_unit_that_was_ignored_is_not_any_more_when_it_takes_a_place(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    await site.engine.writer.run(
        lambda tx: tx.db.execute(
            "INSERT INTO ignored (uid, name, protocol, at, by) VALUES ('B1', 'spare', 'fake', 0, 'olga')"
        )
    )
    kept: list[Ignored] = await site.engine.read(views.ignored)
    assert [ignored.uid for ignored in kept] == ["B1"]
    await site.do("replace", device, uid="B1")
    assert await site.engine.read(views.ignored) == []


# ---- units that may not be known


async def test_a_unit_is_asked_who_it_is_and_no_record_changes(site: Site) -> None:
    (device,) = await provisioned(site, "A1")
    before = await site.engine.read(views.revision)
    unit = await site.client.call(IdentifyUnit(port="FT", uid="b1"))
    assert (unit.found.uid, unit.found.model, unit.known) == ("B1", 7, False)
    known = await site.client.call(IdentifyUnit(port="FT", uid="A1"))
    assert (known.name, known.known) == ("device A1", True)
    assert await site.engine.read(views.revision) == before
    assert (await site.device(device)).model is None

    site.world.device("B1").fail_at = "identify"
    assert (await refusal(site.client.call(IdentifyUnit(port="FT", uid="B1")))).kind is Kind.NO_REPLY
    assert (await refusal(site.client.call(IdentifyUnit(port="FT", uid="B-1")))).kind is Kind.INVALID_UID
    assert (await refusal(site.client.call(IdentifyUnit(port="roof", uid="B1")))).kind is Kind.UNKNOWN_PORT


async def test_a_unit_winks_without_a_job(site: Site) -> None:
    await site.furnish("A1")
    await site.client.call(WinkUnit(port="FT", uid="B1"))
    assert site.world.device("B1").done == ["wink"]
    assert await site.engine.read(views.jobs) == []


async def test_what_a_search_saw_of_model_and_firmware_is_kept(site: Site) -> None:
    (device,) = await site.furnish("A1")
    site.world.found = [Found("A1", state=NetworkState.UNPROVISIONED, model=7, firmware=3)]
    await site.client.call(rpc.Discover(port="FT"))
    site.world.found = [Found("A1", state=NetworkState.UNPROVISIONED)]
    await site.client.call(rpc.Discover(port="FT"))  # which asked for less
    after = await site.device(device)
    assert (after.model, after.firmware) == (7, 3)


async def test_a_device_whose_uid_follows_from_its_address_has_another_one_afterwards(site: Site) -> None:
    (device,) = await site.furnish("A1")
    site.world.device("A1").moves_to = "A7"
    assert (await site.do("provision", device)).done == 1
    assert (await site.device(device)).uid == "A7"


async def test_where_another_record_has_that_uid_the_job_fails_and_names_it(site: Site) -> None:
    device, other = await site.furnish("A1", "A7")
    site.world.device("A1").moves_to = "A7"
    job = await site.do("provision", device)
    assert job.failed == 1
    assert (await site.tasks(job.id))[0].reason == "UID A7 is already there: it is 'device A7'"
    assert [(await site.device(one)).uid for one in (device, other)] == ["A1", "A7"]
