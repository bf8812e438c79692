"""Devices from a CSV file: all or nothing, and provisioned as soon as there is a seat."""

from pathlib import Path

import pytest

from core import licensing
from core.engine import engine
from core.models import TaskState
from core.rpc import AddGroup, AddLicense, AddPort, ImportDevices, ImportReport
from core.store import journal, views
from tests.core.conftest import PRIVATE_KEY, Site

HEADING = "name,deviceType,protocol,uid,longitude,group,location"


@pytest.fixture
async def furnished(site: Site) -> Site:
    await site.furnish("A1")
    return site


async def read(site: Site, *rows: str, heading: str = HEADING, **more: object) -> ImportReport:
    return await site.client.call(ImportDevices.model_validate({"text": "\n".join((heading, *rows)), **more}))


async def test_devices_and_their_groups_are_made_of_the_rows(furnished: Site) -> None:
    await furnished.client.call(AddGroup(name="roof"))
    report = await read(furnished, "AHU,fan,fake,B1,-1.5,roof,hall", "VAV,,FAKE,auto,,cellar,")
    assert (report.added, report.known, report.groups, report.problems) == (("AHU", "VAV"), (), ("cellar",), ())
    _, first, second = await furnished.devices()
    assert (first.name, first.uid, first.type, first.group, first.location) == ("AHU", "B1", "fan", "roof", "hall")
    assert first.carried == {"longitude": "-1.5"}
    assert (second.uid, second.group, second.port) == ("", "cellar", "FT")


async def test_a_dry_run_says_the_same_and_changes_nothing(furnished: Site) -> None:
    before = await furnished.engine.read(views.revision)
    report = await read(furnished, "AHU,,fake,B1,,roof,", dry_run=True)
    assert (report.added, report.groups) == (("AHU",), ("roof",))
    assert await furnished.engine.read(views.revision) == before


async def test_what_is_there_already_is_left_alone(furnished: Site) -> None:
    report = await read(furnished, "device A1,,fake,'a1,,,")
    assert (report.added, report.known) == ((), ("device A1",))
    assert len(await furnished.devices()) == 1


@pytest.mark.parametrize(
    ("row", "column", "said"),
    [
        ("AHU,,fake,A1,,,", "uid", "it is 'device A1'"),
        ("device A1,,fake,B1,,,", "name", "is taken"),
        ("AHU,,lon,B1,,,", "protocol", "no driver for 'lon'"),
        ("AHU,,fake,!!,,,", "uid", "letters and digits"),
        (f"{'x' * 81},,fake,B1,,,", "name", "longer than 80"),
        (f"AHU,,fake,B1,,{'x' * 81},", "group", "longer than 80"),
    ],
)
async def test_one_wrong_row_keeps_all_out_and_is_named(furnished: Site, row: str, column: str, said: str) -> None:
    report = await read(furnished, "good,,fake,C1,,,", row)
    assert [(problem.line, problem.column) for problem in report.problems] == [(3, column)]
    assert said in report.problems[0].reason
    assert len(await furnished.devices()) == 1


async def test_where_there_are_two_ports_the_row_or_the_operator_says_which(furnished: Site) -> None:
    assert (await read(furnished, "AHU,FX", heading="name,protocol")).problems[0].column == "protocol"
    await furnished.client.call(AddPort(url="fake://second", name="second"))
    row, heading = "AHU,fake", "name,protocol"
    (problem,) = (await read(furnished, row, heading=heading)).problems
    assert (problem.column, problem.reason) == ("port", "port '': it can be FT, second: say which")
    assert (await read(furnished, row, heading=heading, port="second")).problems == ()
    assert (await read(furnished, "VAV,fake,FT", heading="name,protocol,port", port="second")).problems == ()
    assert [device.port for device in await furnished.devices()] == ["FT", "second", "FT"]


async def test_a_port_that_is_not_there_is_a_problem_of_its_row(furnished: Site) -> None:
    (problem,) = (await read(furnished, "AHU,fake,attic", heading="name,protocol,port")).problems
    assert (problem.line, problem.column) == (2, "port")


async def test_what_is_imported_is_provisioned_in_one_job(furnished: Site) -> None:
    report = await read(furnished, "AHU,,fake,B1,,,", "VAV,,fake,B2,,,", "later,,fake,,,,", provision=True)
    assert report.job is not None
    job = await furnished.end_of(report.job)
    assert (job.total, job.done) == (2, 2)


async def test_those_without_a_seat_wait_for_one_and_say_so(site: Site) -> None:
    await site.furnish("A1", seats=2)
    report = await read(site, "AHU,,fake,B1,,,", "VAV,,fake,B2,,,", provision=True)
    assert report.seats_short == 1
    assert report.job is not None
    job = report.job

    async def first_done() -> bool:
        return (await site.job(job)).done == 1

    await site.until(first_done)
    first, second = await site.tasks(job)
    assert (first.state, second.state, second.step) == (TaskState.DONE, TaskState.QUEUED, journal.AWAITING_SEAT)
    await site.client.call(AddLicense(text=licensing.issue(PRIVATE_KEY, 1)))
    assert (await site.end_of(job)).done == 2


async def test_nobody_waits_for_a_seat_for_ever(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEAT_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(engine, "SEAT_CHECK_SECONDS", 0.01)
    await site.furnish("A1", seats=1)
    report = await read(site, "AHU,,fake,B1,,,", provision=True)
    assert report.job is not None
    assert (await site.end_of(report.job)).failed == 1
    (task,) = await site.tasks(report.job)
    assert task.reason.startswith("no license seat within")


async def test_a_file_of_ten_thousand_is_taken_in_one_go(furnished: Site, tmp_path: Path) -> None:
    report = await read(furnished, *(f"D{n},,fake,U{n},,g{n % 7}," for n in range(10_000)))
    assert len(report.added) == 10_000
    assert len(await furnished.devices()) == 10_001
