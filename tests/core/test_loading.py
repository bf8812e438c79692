"""Images on their way into devices: checked, kept, loaded, cut off and taken up again."""

from typing import Any, cast

import pytest

from core import rpc
from core.engine import jobs
from core.errors import Kind
from core.lifecycle import Status, reason, status
from core.models import Device, JobState, StepState, StoredImage, TaskState
from core.paths import StateDirectory
from core.rpc import AddImage, CancelJob, Discover, RemoveImage, RetryJob
from core.store import views
from core.store.database import open_reader
from drivers.base import Found, Image
from tests.core.conftest import Site, refusal
from tests.core.fake_driver import FakeDevice, World, image

IMAGE = image(program_id="P2", model=7, firmware=3)


async def images(site: Site) -> list[str]:
    return [stored.name for stored in await site.engine.read(views.images)]


def files(site: Site) -> set[str]:
    return {file.name for file in site.directory.images.iterdir()}


async def knows(site: Site, *devices: Found) -> None:
    """The record says of the devices what a search saw."""
    site.world.found = list(devices)
    await site.client.call(Discover(port="FT"))


# ---- the repository


async def test_an_image_is_checked_and_kept_with_what_it_says_of_itself(site: Site) -> None:
    stored = await site.add_image("VAV.apb", image(program_id="P2", model=7, firmware=3))
    assert (stored.protocol, stored.type, stored.program_id, stored.model, stored.firmware) == (
        "fake",
        "fake",
        "P2",
        7,
        3,
    )
    assert (stored.size, stored.added_by, stored.opaque) == (len(IMAGE), "olga", False)
    assert files(site) == {stored.sha256}


async def test_adding_what_is_there_already_changes_nothing(site: Site) -> None:
    first = await site.add_image("VAV.apb", IMAGE)
    before = await site.engine.read(views.revision)
    assert await site.add_image("VAV.apb", IMAGE) == first
    assert await site.add_image("again.apb", IMAGE) == first
    assert await site.engine.read(views.revision) == before


async def test_another_image_of_the_same_name_is_refused(site: Site) -> None:
    await site.add_image("VAV.apb", IMAGE)
    refused = await refusal(site.add_image("VAV.apb", image(9)))
    assert refused.kind is Kind.DUPLICATE_NAME
    assert "fieldhand image remove" in str(refused)
    assert len(files(site)) == 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [("", Kind.IMAGE), ("aGVsbG8=", Kind.IMAGE), ("not base64", Kind.INVALID), ("aGVsbG8", Kind.INVALID)],
)
async def test_what_is_no_image_is_not_kept(site: Site, data: str, kind: Kind) -> None:
    assert (await refusal(site.client.call(AddImage(name="VAV.apb", data=data)))).kind is kind
    assert await images(site) == []
    assert not site.directory.images.exists()


async def test_an_image_is_removed_by_name_or_hash_but_not_while_a_job_needs_it(site: Site) -> None:
    (device,) = await site.furnish("A1")
    stored = await site.add_image("VAV.apb", IMAGE)
    fake = site.world.device("A1")
    fake.hang("record 1")
    job = await site.start_job("load", device, image="VAV.apb")
    await site.hangs(fake)
    refused = await refusal(site.client.call(RemoveImage(image="VAV.apb")))
    assert (refused.kind, f"job {job}" in str(refused)) == (Kind.IN_USE, True)
    fake.let_go()
    await site.end_of(job)

    await site.client.call(RemoveImage(image=stored.sha256[:8]))
    assert (await images(site), files(site)) == ([], set())
    assert (await refusal(site.client.call(RemoveImage(image="VAV.apb")))).kind is Kind.UNKNOWN_IMAGE


async def test_what_a_killed_worker_left_in_the_repository_is_cleared_away(
    directory: StateDirectory, world: World
) -> None:
    before = Site(directory, world)
    await before.start()
    stored = await before.add_image("VAV.apb", IMAGE)
    await before.stop()
    (directory.images / "0123.part").write_bytes(b"half of it")
    after = Site(directory, world)
    await after.start()
    assert files(after) == {stored.sha256}
    await after.stop()


# ---- the plan


async def test_a_plan_names_the_image_and_carries_its_hash(site: Site) -> None:
    (device,) = await site.furnish("A1")
    stored = await site.add_image("VAV.apb", IMAGE)
    plan = await site.plan("load", device, image="VAV.apb")
    assert (plan.title, plan.subject) == ("Load Image VAV.apb", "device A1")
    assert (plan.parameters, plan.typed) == ({"image": stored.sha256, "force": False}, "")
    assert plan == await site.plan("load", device, image=stored.sha256)
    assert any("Resume Load goes on" in warning for warning in plan.warnings)
    assert (await refusal(site.plan("load", device, image="HVAC.apb"))).kind is Kind.UNKNOWN_IMAGE


async def test_what_does_not_fit_is_skipped_before_anything_is_sent(site: Site) -> None:
    devices = await site.furnish("A1", "A2", "A3")
    await knows(site, Found("A1", "P2", model=7, firmware=3), Found("A2", "P1", model=7), Found("A3", "P2", model=8))
    await site.add_image("VAV.apb", IMAGE)

    plan = await site.plan("load", *devices, image="VAV.apb")
    assert [planned.uid for planned in plan.devices] == ["A1"]
    assert [skipped.reason for skipped in plan.skipped] == [
        "VAV.apb has program ID P2, the device P1",
        "VAV.apb is for model 7, the device is model 8",
    ]
    forced = await site.plan("load", *devices, image="VAV.apb", force=True)
    assert [planned.uid for planned in forced.devices] == ["A1", "A2"]
    assert forced.typed == "load"
    assert forced.warnings[0].startswith("1 get another program")
    assert site.world.order == []


# ---- loading


async def test_a_load_gives_the_device_its_program_and_says_how_far_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PROGRESS_SECONDS", 0.0)
    (device,) = await site.furnish("A1")
    await site.add_image("VAV.apb", IMAGE)
    fake = site.world.device("A1")
    fake.hang("record 2")
    job = await site.start_job("load", device, image="VAV.apb")
    await site.hangs(fake)

    (task,) = await site.tasks(job)
    assert (task.step, task.percent) == ("write", 50)
    assert task.detail.startswith("0.2 of 0.4 kB, ")
    during = await site.device(device)
    assert (during.application, during.pending and during.pending.percent) == (False, 50)
    fake.let_go()
    assert (await site.end_of(job)).done == 1

    after = await site.device(device)
    assert (after.application, after.program_id, after.model, after.firmware) == (True, "P2", 7, 3)
    assert after.interrupted is None
    assert (await site.tasks(job))[0].detail == ""
    assert fake.loads == [("VAV.apb", False)]


async def test_an_image_is_read_once_for_all_devices_of_a_job(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = await site.furnish(*(f"A{number}" for number in range(6)))
    await site.add_image("VAV.apb", IMAGE)
    repository: Any = site.engine.images._repository
    reads: list[str] = []
    read = repository.read

    def counted(stored: StoredImage) -> Image:
        reads.append(stored.name)
        return cast(Image, read(stored))

    monkeypatch.setattr(repository, "read", counted)
    assert (await site.do("load", *devices, image="VAV.apb")).done == 6
    assert (await site.do("load", *devices[:2], image="VAV.apb")).done == 2
    assert reads == ["VAV.apb"] * 2  # what lies on a disk can be damaged from one job to the next


async def test_an_image_that_was_damaged_in_the_repository_fails_the_job_before_anything_is_sent(site: Site) -> None:
    (device,) = await site.furnish("A1")
    stored = await site.add_image("VAV.apb", IMAGE)
    (site.directory.images / stored.sha256).write_bytes(b"fake {}")
    job = await site.do("load", device, image="VAV.apb")
    assert "damaged: add it again" in (await site.tasks(job.id))[0].reason
    assert site.world.order == []


# ---- cut off, and taken up again


def cut_off(device: Device) -> tuple[str, str, int] | None:
    where = device.interrupted
    return None if where is None else (where.action, where.image, where.percent)


def checkpoints(fake: FakeDevice) -> list[int | None]:
    """The record at which the driver was told to go on, attempt by attempt."""
    return [target.checkpoint.data["record"] if target.checkpoint else None for target in fake.targets]


def records(fake: FakeDevice) -> list[int]:
    """The records that were written, in order, over all attempts."""
    return [int(step.removeprefix("record ")) for step in fake.done if step.startswith("record ")]


async def test_a_checkpoint_is_on_the_disk_before_the_record_is_sent(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.add_image("VAV.apb", IMAGE)
    seen: list[tuple[Any, bool]] = []

    async def look() -> None:
        db = await open_reader(site.directory.store)  # as another process would see it
        (there,) = await views.devices(db)
        seen.append((cut_off(there), there.application))
        await db.close()

    fake = site.world.device("A1")
    fake.hooks = {f"record {number}": look for number in range(4)}
    await site.do("load", device, image="VAV.apb")
    assert seen == [(("load", "VAV.apb", 25 * number), False) for number in range(4)]


async def test_a_device_is_said_to_have_no_application_from_the_moment_that_it_has_none(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.add_image("VAV.apb", IMAGE)
    fake = site.world.device("A1")
    fake.hang("erased")
    job = await site.start_job("load", device, image="VAV.apb")
    await site.hangs(fake)
    assert not (await site.device(device)).application
    fake.let_go()
    await site.end_of(job)


async def test_a_load_that_failed_says_where_and_is_resumed_there_by_another_job(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.add_image("VAV.apb", IMAGE)
    fake = site.world.device("A1")
    fake.fail_at = "record 2"
    assert (await site.do("load", device, image="VAV.apb", force=True)).failed == 1
    await site.client.call(rpc.Acknowledge(devices=(device,)))
    left = await site.device(device)
    assert status(left) is Status.NO_APPLICATION
    assert reason(left) == "load of VAV.apb cut off at 50 %: resume load"

    fake.fail_at = None
    assert (await site.do("test", device)).done == 1
    assert checkpoints(fake)[-1] is None  # that is not what was cut off
    assert (await site.do("resume", device)).done == 1
    assert records(fake) == [0, 1, 2, 3]
    assert fake.loads == [("VAV.apb", True)] * 2
    after = await site.device(device)
    assert (after.interrupted, after.application) == (None, True)
    assert "nothing was cut off" in str(await refusal(site.start_job("resume", device)))


async def test_a_retry_goes_on_where_it_was_and_another_image_begins_anew(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.add_image("VAV.apb", IMAGE)
    await site.add_image("other.apb", image(5))
    fake = site.world.device("A1")
    fake.fail_at = "record 2"
    job = await site.do("load", device, image="VAV.apb")
    again = await site.end_of(await site.client.call(RetryJob(job=job.id)))
    assert again.failed == 1
    fake.fail_at = None
    assert (await site.do("load", device, image="other.apb")).done == 1
    assert checkpoints(fake) == [None, 2, 2]  # the driver knows that it is of another image
    assert records(fake) == [0, 1, 0, 1, 2, 3, 4]


async def test_a_port_that_is_lost_in_the_middle_does_not_lose_what_was_loaded(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.add_image("VAV.apb", IMAGE)
    fake = site.world.device("A1")

    async def unplug() -> None:
        fake.hooks.clear()
        site.world.port.unplug()

    fake.hooks = {"record 3": unplug}
    assert (await site.do("load", device, image="VAV.apb")).done == 1
    assert checkpoints(fake) == [None, 3]
    assert records(fake) == [0, 1, 2, 3]


async def test_a_worker_that_ends_in_the_middle_goes_on_there(directory: StateDirectory, world: World) -> None:
    before = Site(directory, world)
    await before.start()
    (device,) = await before.furnish("A1")
    await before.add_image("VAV.apb", IMAGE)
    fake = world.device("A1")
    fake.hang("record 1")
    job = await before.start_job("load", device, image="VAV.apb")
    await before.hangs(fake)
    await before.stop()
    fake.release = None

    after = Site(directory, world)
    await after.start()
    assert (await after.end_of(job)).done == 1
    assert checkpoints(fake) == [None, 1]
    await after.stop()


async def test_cancelling_stops_a_load_at_the_next_record_and_says_how_the_device_is_left(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.add_image("VAV.apb", IMAGE)
    fake = site.world.device("A1")
    fake.hang("record 1")
    job = await site.start_job("load", device, image="VAV.apb")
    await site.hangs(fake)
    await site.client.call(CancelJob(job=job))
    fake.let_go()
    assert (await site.end_of(job)).state is JobState.CANCELLED

    assert records(fake) == [0, 1]
    (task,) = await site.tasks(job)
    assert (task.state, task.reason) == (
        TaskState.CANCELLED,
        "stopped by the operator at 50 % of VAV.apb",
    )
    assert [step.state for step in await site.journal(task.id)] == [StepState.DONE, StepState.INTERRUPTED]
    left = await site.device(device)
    assert (status(left), cut_off(left)) == (Status.NO_APPLICATION, ("load", "VAV.apb", 50))
    assert (await site.do("resume", device)).done == 1
    assert records(fake) == [0, 1, 2, 3]


async def test_what_cannot_be_resumed_because_the_image_is_gone_says_so(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.add_image("VAV.apb", IMAGE)
    site.world.device("A1").fail_at = "record 2"
    await site.do("load", device, image="VAV.apb")
    await site.client.call(RemoveImage(image="VAV.apb"))
    refused = await refusal(site.start_job("resume", device))
    assert "1 VAV.apb is not in the repository any more" in str(refused)


async def test_an_image_that_a_resumed_load_waits_for_is_not_removed(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.add_image("VAV.apb", IMAGE)
    fake = site.world.device("A1")
    fake.fail_at = "record 2"
    await site.do("load", device, image="VAV.apb")
    fake.fail_at = None
    fake.hang("record 3")
    job = await site.start_job("resume", device)
    await site.hangs(fake)
    assert (await refusal(site.client.call(RemoveImage(image="VAV.apb")))).kind is Kind.IN_USE
    fake.let_go()
    await site.end_of(job)


async def test_another_unit_does_not_go_on_with_what_was_cut_off(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await site.add_image("VAV.apb", IMAGE)
    site.world.device("A1").fail_at = "record 2"
    await site.do("load", device, image="VAV.apb")
    await site.client.call(rpc.EditDevice(device=device, uid="B1"))
    assert (await site.device(device)).interrupted is None
    assert (await site.do("load", device, image="VAV.apb")).done == 1
    assert site.world.device("B1").targets[0].checkpoint is None
