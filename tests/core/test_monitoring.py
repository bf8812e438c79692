"""Monitoring: who is polled and how fairly, what is kept of it, what health follows, and what pauses it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from core.engine import events, monitoring
from core.engine.events import EVENTS_KEPT, EventLog, Rates
from core.engine.monitoring import health
from core.errors import FieldhandError, Kind
from core.models import Event, EventKind, Health, JobState, Pausing, PortMonitoring
from core.paths import StateDirectory
from core.rpc import (
    AddDevice,
    AddPort,
    CancelJob,
    EditSite,
    MakePlan,
    Measured,
    PauseMonitoring,
    ReadEvents,
    ReadMonitoring,
    Selection,
    StartJob,
)
from core.store import inventory, views
from drivers.base import Capability, DriverError, Facts, Found, NetworkState, Reading, Report
from tests.core.conftest import Site
from tests.core.fake_driver import FakeDriver, World, address

FOREVER = 86_400.0


@pytest.fixture
def world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Devices that can be monitored, by an engine in a hurry."""
    monkeypatch.setattr(FakeDriver, "capabilities", frozenset(Capability))
    monkeypatch.setattr(FakeDriver, "polls_per_second", 1000.0)
    monkeypatch.setattr(monitoring, "FOLLOW_SECONDS", 0.001)
    monkeypatch.setattr(monitoring, "MEASURE_SECONDS", 0.005)
    return world


async def poll_every(site: Site, seconds: float) -> None:
    """Also below the second that an operator may ask for."""
    await site.engine.writer.run(lambda tx: inventory.edit_site(tx, lambda site: replace(site, poll_seconds=seconds)))


async def monitored_site(site: Site, *uids: str) -> list[int]:
    """Provisioned devices, polled all the time."""
    devices = await site.furnish(*uids)
    await poll_every(site, 0.01)
    await site.do("provision", *devices)
    await until(lambda: len(site.engine.monitoring.watched.to_poll("FT")) == len(uids))
    return devices


async def until(holds: Callable[[], bool]) -> None:
    """Until the engine has followed the store so far, of which it tells nobody."""
    while not holds():  # noqa: ASYNC110 - there is no event for what nobody is told of
        await asyncio.sleep(0.001)


def add(uid: str, port: str = "FT") -> AddDevice:
    return AddDevice(name=f"device {uid}", uid=uid, port=port)


def forget_polls(world: World) -> None:
    """What was polled until now."""
    while not world.polls.empty():
        world.polls.get_nowait()


async def next_polls(world: World, count: int) -> list[str]:
    return [await world.polls.get() for _ in range(count)]


async def kept(site: Site, *kinds: EventKind) -> list[Event]:
    return [event for event in await site.client.call(ReadEvents(limit=2000)) if not kinds or event.kind in kinds]


async def until_event(site: Site, *texts: str) -> None:
    """Until these have been said, in this order and perhaps with others between them."""

    async def said() -> bool:
        heard = iter([event.text for event in await kept(site)])
        return all(text in heard for text in texts)

    await site.until(said)


async def until_monitoring_is(site: Site, paused: str, port: str = "FT") -> None:
    """Until the engine goes by it; a request is answered from the store."""
    await until(lambda: site.engine.monitoring.watched.paused(port) == paused)


async def monitoring_of(site: Site, port: str = "FT") -> PortMonitoring:
    return next(one for one in await site.client.call(ReadMonitoring()) if one.port == port)


async def refusal(asking: Awaitable[Any]) -> FieldhandError:
    with pytest.raises(FieldhandError) as refused:
        await asking
    return refused.value


# ---- counting and keeping


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_rate_is_what_there_was_in_the_last_ten_seconds() -> None:
    clock = Clock()
    rates = Rates(clock)
    for _ in range(50):
        clock.now += 0.2
        rates.count("FT")
    assert rates.per_second("FT") == 5.0
    assert rates.per_second("attic") == 0.0
    clock.now += 5.0
    assert rates.per_second("FT") == 2.5
    clock.now += 5.0
    assert rates.per_second("FT") == 0.0


def test_events_are_numbered_from_one_on_and_the_oldest_are_forgotten() -> None:
    log = EventLog(clock=lambda: 7.0)
    assert (log.last, log.after(0, 10)) == (0, ())
    for number in range(1, EVENTS_KEPT + 6):
        log.add(EventKind.POLL, "FT", f"text {number}")
    assert log.last == EVENTS_KEPT + 5
    assert [event.number for event in log.after(0, 3)] == [6, 7, 8]
    assert [event.text for event in log.after(EVENTS_KEPT + 3, 10)] == ["text 2004", "text 2005"]
    assert log.after(EVENTS_KEPT + 5, 10) == log.after(EVENTS_KEPT + 99, 10) == ()


@pytest.mark.parametrize(
    ("before", "unanswered", "after"),
    [
        (Health.NASCENT, 0, Health.NORMAL),
        (Health.SUSPECT, 0, Health.NORMAL),
        (Health.DOWN, 0, Health.NORMAL),
        (Health.NASCENT, 1, Health.SUSPECT),
        (Health.NORMAL, 1, Health.SUSPECT),
        (Health.SUSPECT, 2, Health.SUSPECT),
        (Health.SUSPECT, 3, Health.DOWN),
        (Health.DOWN, 1, Health.DOWN),
    ],
)
def test_three_polls_in_a_row_without_an_answer_are_down(before: Health, unanswered: int, after: Health) -> None:
    assert health(before, unanswered) is after


# ---- who is polled


async def test_the_provisioned_devices_are_polled_and_no_others(site: Site) -> None:
    devices = await site.furnish("A1", "A2", "A3")
    await poll_every(site, 0.01)
    await site.do("provision", *devices[:2])
    assert set(await next_polls(site.world, 10)) == {"A1", "A2"}
    await site.do("deprovision", devices[0])
    await site.do("provision", devices[2])
    forget_polls(site.world)
    assert set(await next_polls(site.world, 10)) == {"A2", "A3"}


async def test_a_device_without_a_license_seat_is_not_polled(site: Site) -> None:
    await monitored_site(site, "A1", "A2")
    await next_polls(site.world, 2)
    await site.engine.writer.run(lambda tx: tx.db.execute("UPDATE device SET licensed = 0, rev = ?", (tx.rev,)))
    await until_nobody_is_polled(site)


async def until_nobody_is_polled(site: Site, port: str = "FT") -> None:
    await until(lambda: not site.engine.monitoring.watched.to_poll(port))


async def test_a_protocol_that_cannot_poll_is_not_polled(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeDriver, "capabilities", frozenset(Capability) - {Capability.POLL})
    await monitored_site(site, "A1")
    site.world.port.spoken.put_nowait(Report(Reading("temperature", "21.5"), uid="A1"))
    await until_event(site, "temperature 21.5")
    assert site.world.polls.empty()


@pytest.mark.parametrize("never", [0.0, -1.0])
async def test_a_driver_that_may_never_be_asked_is_not_polled(
    site: Site, monkeypatch: pytest.MonkeyPatch, never: float
) -> None:
    monkeypatch.setattr(FakeDriver, "polls_per_second", never)
    await monitored_site(site, "A1")
    site.world.port.spoken.put_nowait(Report(Reading("temperature", "21.5"), uid="A1"))
    await until_event(site, "temperature 21.5")
    assert site.world.polls.empty()


async def test_nobody_is_polled_twice_before_everybody_was_once(site: Site) -> None:
    uids = [f"A{number}" for number in range(7)]
    await monitored_site(site, *uids)
    while await next_polls(site.world, 1) != ["A6"]:  # they were provisioned one after the other
        pass
    await next_polls(site.world, 7)
    polled = await next_polls(site.world, 70)
    gaps = [polled[later:].index(uid) for later, uid in enumerate(polled, start=1) if uid in polled[later:]]
    assert max(gaps) <= 2 * (len(uids) - 1)
    for first in range(0, 70 - 7, 7):
        assert len(set(polled[first : first + 13])) == 7


async def test_interruptions_do_not_favour_those_who_come_first(site: Site) -> None:
    devices = await monitored_site(site, "A1", "A2", "A3")
    await next_polls(site.world, 20)
    await poll_every(site, FOREVER)  # one poll for each interruption
    polled = []
    forget_polls(site.world)
    for seconds in range(6):
        await poll_every(site, FOREVER + seconds)
        polled.append(await site.world.polls.get())
    assert sorted(polled) == ["A1", "A1", "A2", "A2", "A3", "A3"], devices


async def test_a_driver_is_never_asked_more_often_than_it_says(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeDriver, "polls_per_second", 50.0)
    await monitored_site(site, "A1", "A2", "A3", "A4")
    await next_polls(site.world, 5)
    began = asyncio.get_running_loop().time()
    await next_polls(site.world, 10)
    assert asyncio.get_running_loop().time() - began >= 9 / 50 * 0.9


async def test_devices_that_hang_do_not_hold_up_the_others_nor_are_they_asked_again_meanwhile(site: Site) -> None:
    await monitored_site(site, "A1", "A2", "A3")
    silent = site.world.device("A1")
    silent.hang("poll")
    await site.hangs(silent)
    forget_polls(site.world)
    assert set(await next_polls(site.world, 2)) <= {"A2", "A3"}
    silent.let_go()
    while "A1" not in await next_polls(site.world, 1):
        pass


async def test_a_fault_in_the_driver_does_not_stop_the_polling(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    (first, _) = await monitored_site(site, "A1", "A2")

    async def fault() -> None:
        raise RuntimeError("a fault in the driver")

    site.world.device("A1").hooks["poll"] = fault
    while (await next_polls(site.world, 20)).count("A1") < 5:
        pass
    assert (await site.device(first)).health is Health.NORMAL
    assert caplog.text.count("RuntimeError: a fault in the driver") == 1


async def test_polling_goes_on_when_a_lost_port_is_back(site: Site) -> None:
    (device,) = await monitored_site(site, "A1")
    await next_polls(site.world, 3)
    lost = site.world.port
    lost.unplug()

    async def is_back() -> bool:
        return site.world.port is not lost

    await site.until(is_back)
    forget_polls(site.world)
    await next_polls(site.world, 3)
    assert (await site.device(device)).health is Health.NORMAL


# ---- what follows from it


async def test_what_is_polled_and_reported_becomes_events(site: Site) -> None:
    (device,) = await monitored_site(site, "A1")
    site.world.device("A1").answers = [Facts(), Reading("temperature", "21.5\x1b[2J")]
    given = (await site.device(device)).address
    site.world.port.spoken.put_nowait(Report(Reading("alarm", "1"), uid="A1"))
    site.world.port.spoken.put_nowait(Report(Reading("alarm", "0"), address=given))
    await until_event(site, "alarm 1", "alarm 0")
    await until_event(site, "answers", "temperature 21.5[2J")
    for event in await kept(site, EventKind.POLL, EventKind.REPORT):
        assert (event.port, event.device, event.name) == ("FT", device, "device A1")


async def test_what_strangers_report_is_no_event(site: Site) -> None:
    await monitored_site(site, "A1")
    for report in (
        Report(Reading("alarm", "1"), uid="B7"),
        Report(Reading("alarm", "2"), address=address(99)),
        Report(Reading("alarm", "3")),
        Report(Reading("alarm", "4"), uid="A1"),
    ):
        site.world.port.spoken.put_nowait(report)
    await until_event(site, "alarm 4")
    assert [event.text for event in await kept(site, EventKind.REPORT)] == ["alarm 4"]


async def test_a_service_pin_is_an_event(site: Site) -> None:
    (device,) = await site.furnish("A1")
    await until(lambda: site.engine.monitoring.watched.speaker("FT", "A1") is not None)
    for uid in ("B7", "A1"):
        site.world.port.presses.put_nowait(Found(uid))
    await until_event(site, "service pin of B7", "service pin of A1")
    pins = await kept(site, EventKind.PIN)
    assert [(pin.device, pin.name) for pin in pins] == [(None, ""), (device, "device A1")]
    assert (await monitoring_of(site)).events_per_second == 0.0


async def test_a_device_that_falls_silent_is_suspect_then_down_and_normal_when_it_answers(site: Site) -> None:
    first, second = await monitored_site(site, "A1", "A2")
    site.world.device("A1").fail_at = "poll"
    suspect, down = "suspect: it does not answer", "down: 3 polls in a row were not answered"
    await until_event(site, suspect, down)
    assert ((await site.device(first)).health, (await site.device(second)).health) == (Health.DOWN, Health.NORMAL)
    site.world.device("A1").fail_at = None
    await until_event(site, suspect, down, "normal: it answers")
    assert (await site.device(first)).health is Health.NORMAL
    assert {event.name for event in await kept(site, EventKind.HEALTH)} == {"device A1"}


async def test_the_record_follows_what_a_device_says_of_itself(site: Site) -> None:
    (device,) = await monitored_site(site, "A1")
    site.world.device("A1").answers = [Facts(state=NetworkState.PROVISIONED, marginal="low battery")]
    await until_event(site, "reports a fault: low battery")
    assert (await site.device(device)).marginal == "low battery"
    site.world.device("A1").answers = [Facts(state=NetworkState.UNPROVISIONED, marginal="")]
    await until_event(site, "is not provisioned any more")
    after = await site.device(device)
    assert (after.state, after.ours, after.marginal) == (NetworkState.UNPROVISIONED, False, "")
    await until_nobody_is_polled(site)


async def test_an_answer_from_before_a_job_does_not_undo_what_the_job_did(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    (device,) = await monitored_site(site, "A1")
    there = site.world.device("A1")
    there.hang("poll")
    await site.hangs(there)
    there.answers = [Facts(state=NetworkState.PROVISIONED, marginal="late")]
    await site.do("deprovision", device)
    concluded = asyncio.Event()
    judged = site.engine.monitoring.judge

    async def judge(*arguments: Any) -> None:
        await judged(*arguments)
        concluded.set()

    monkeypatch.setattr(site.engine.monitoring, "judge", judge)
    there.let_go()
    await concluded.wait()
    after = await site.device(device)
    assert (after.state, after.marginal) == (NetworkState.UNPROVISIONED, "")


async def test_that_devices_were_seen_is_written_together_and_when_the_worker_ends(
    site: Site, directory: StateDirectory, world: World
) -> None:
    (device,) = await monitored_site(site, "A1")
    provisioned = await site.device(device)
    await next_polls(world, 20)
    assert await site.device(device) == provisioned  # no console had to read it again
    await site.stop()
    await site.start()
    assert ((await site.device(device)).seen_at or 0.0) > (provisioned.seen_at or 0.0)


async def test_that_devices_were_seen_is_written_now_and_then(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "SEEN_SECONDS", 0.01)
    await site.stop()
    await site.start()  # which begins to write at the new pace
    (device,) = await monitored_site(site, "A1")
    before = await site.device(device)

    async def seen_again() -> bool:
        return ((await site.device(device)).seen_at or 0.0) > (before.seen_at or 0.0)

    await site.until(seen_again)


# ---- figures


async def test_the_figures_are_told_until_nothing_happens_any_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "WINDOW_SECONDS", 0.1)
    await monitored_site(site, "A1")
    await until_figures(site, lambda port: port.events_per_second > 10 and not port.paused)
    assert (await monitoring_of(site)).events_per_second > 0
    await site.client.call(PauseMonitoring(port=None, paused=True))
    await until_figures(site, lambda port: port.events_per_second == 0 and port.paused == "by an operator")


async def until_figures(site: Site, holds: Callable[[PortMonitoring], bool]) -> None:
    async for notice in site.client.notices():
        if isinstance(notice, Measured) and notice.ports and all(holds(port) for port in notice.ports):
            return


# ---- pausing


async def test_what_an_operator_pauses_is_quiet_until_it_is_resumed(site: Site) -> None:
    (device,) = await monitored_site(site, "A1")
    await next_polls(site.world, 2)
    await site.client.call(PauseMonitoring(port="FT", paused=True))
    assert (await monitoring_of(site)).paused == "by an operator"
    await until_event(site, "paused by an operator")
    site.world.port.spoken.put_nowait(Report(Reading("alarm", "1"), uid="A1"))
    site.world.port.presses.put_nowait(Found("A1"))
    await until_event(site, "service pin of A1")
    assert [event.text for event in await kept(site, EventKind.REPORT)] == []
    forget_polls(site.world)

    await site.client.call(PauseMonitoring(port="FT", paused=False))
    await until_event(site, "paused by an operator", "resumed")
    await next_polls(site.world, 2)
    assert (await monitoring_of(site)).paused == ""
    assert (await site.device(device)).health is Health.NORMAL


async def test_a_pause_survives_the_worker_and_ends_with_the_operators_word(site: Site) -> None:
    await monitored_site(site, "A1")
    await site.client.call(PauseMonitoring(port=None, paused=True))
    await site.stop()
    forget_polls(site.world)
    await site.start()
    assert (await monitoring_of(site)).paused == "by an operator"
    assert site.world.polls.empty()
    await site.client.call(PauseMonitoring(port=None, paused=False))
    await next_polls(site.world, 2)


async def test_a_poll_that_was_under_way_when_it_was_paused_makes_nobody_suspect(site: Site) -> None:
    (device,) = await monitored_site(site, "A1")
    there, release = site.world.device("A1"), asyncio.Event()

    async def no_answer() -> None:
        del there.hooks["poll"]
        there.entered.set()
        await release.wait()
        raise DriverError(Kind.NO_REPLY, step="poll", attempts=3)

    there.hooks["poll"] = no_answer
    await site.hangs(there)
    await site.client.call(PauseMonitoring(port="FT", paused=True))
    await until_monitoring_is(site, "by an operator")
    await site.client.call(PauseMonitoring(port="FT", paused=False))
    await until_monitoring_is(site, "")
    release.set()
    await next_polls(site.world, 5)
    assert (await site.device(device)).health is Health.NORMAL
    assert await kept(site, EventKind.HEALTH) == []


async def test_after_a_pause_the_count_of_silent_polls_begins_anew(site: Site) -> None:
    (device,) = await monitored_site(site, "A1")
    monitor = site.engine.monitoring._ports["FT"]
    site.world.device("A1").fail_at = "poll"
    await until_event(site, "suspect: it does not answer")
    await site.client.call(PauseMonitoring(port="FT", paused=True))
    await until_monitoring_is(site, "by an operator")
    assert monitor._unanswered == {}
    assert (await site.device(device)).health in (Health.SUSPECT, Health.DOWN)


@pytest.mark.parametrize("port", ["attic", ""])
async def test_a_port_that_is_not_there_cannot_be_paused(site: Site, port: str) -> None:
    await site.furnish()
    assert (await refusal(site.client.call(PauseMonitoring(port=port, paused=True)))).kind is Kind.UNKNOWN_PORT


async def test_only_an_operator_may_pause(site: Site) -> None:
    await site.furnish()
    refused = await refusal(site.viewer().call(PauseMonitoring(port="FT", paused=True)))
    assert refused.kind is Kind.NOT_ALLOWED
    assert (await site.viewer().call(ReadMonitoring()))[0].paused == ""
    assert await site.viewer().call(ReadEvents()) == ()


# ---- jobs that pause


async def a_job_that_pauses(site: Site, *devices: int) -> int:
    """It hangs in the middle of its last device."""
    there = site.world.device((await site.device(devices[-1])).uid)
    there.hang("write")
    job = await site.client.call(StartJob(action="provision", selection=Selection(devices=devices), pause=True))
    await until_event(site, f"paused by job {job}")
    await site.hangs(there)
    return job


async def test_a_job_holds_monitoring_and_lets_it_go_when_it_is_done(site: Site) -> None:
    await monitored_site(site, "A1", "A2")
    new = await site.client.call(add("A3"))
    job = await a_job_that_pauses(site, new)
    assert (await monitoring_of(site)).paused == f"by job {job}"
    site.world.device("A3").let_go()
    assert (await site.end_of(job)).pauses
    assert (await monitoring_of(site)).paused == ""
    await until_event(site, f"paused by job {job}", "resumed")
    assert set(await next_polls(site.world, 30)) >= {"A1", "A2", "A3"}


async def test_a_job_holds_only_the_ports_it_works_on(site: Site) -> None:
    await monitored_site(site, "A1")
    await site.client.call(AddPort(url="fake://attic", name="attic"))
    new = await site.client.call(add("B1", "attic"))
    job = await a_job_that_pauses(site, new)
    assert (await monitoring_of(site, "attic")).paused == f"by job {job}"
    assert (await monitoring_of(site, "FT")).paused == ""
    await next_polls(site.world, 5)
    site.world.device("B1").let_go()


@pytest.mark.parametrize("ends", ["fails", "is cancelled"])
async def test_monitoring_is_let_go_when_the_job(site: Site, ends: str) -> None:
    await monitored_site(site, "A1")
    new = await site.client.call(add("A2"))
    job = await a_job_that_pauses(site, new)
    if ends == "fails":
        site.world.device("A2").fail_at = "write"
    else:
        await site.client.call(CancelJob(job=job))
    site.world.device("A2").let_go()
    assert (await site.end_of(job)).done == 0
    await until_event(site, f"paused by job {job}", "resumed")
    await next_polls(site.world, 5)


async def test_what_the_operator_paused_stays_paused_when_the_job_ends(site: Site) -> None:
    await monitored_site(site, "A1")
    new = await site.client.call(add("A2"))
    job = await a_job_that_pauses(site, new)
    await site.client.call(PauseMonitoring(port="FT", paused=True))
    assert (await monitoring_of(site)).paused == f"by an operator, by job {job}"
    site.world.device("A2").let_go()
    await site.end_of(job)
    assert (await monitoring_of(site)).paused == "by an operator"


async def test_the_next_worker_holds_monitoring_for_the_job_it_takes_over_and_lets_it_go(site: Site) -> None:
    await monitored_site(site, "A1")
    new = await site.client.call(add("A2"))
    job = await a_job_that_pauses(site, new)
    await site.stop()
    await site.start()
    assert (await site.job(job)).state is JobState.RUNNING
    assert (await monitoring_of(site)).paused == f"by job {job}"
    site.world.device("A2").let_go()
    assert (await site.end_of(job)).done == 1
    assert (await monitoring_of(site)).paused == ""
    forget_polls(site.world)
    assert set(await next_polls(site.world, 10)) == {"A1", "A2"}


# ---- plans


async def plan_of(site: Site, action: str, *devices: int) -> Any:
    return (await site.client.call(MakePlan(action=action, selection=Selection(devices=devices)))).monitoring


async def test_a_plan_proposes_a_pause_above_the_threshold(site: Site) -> None:
    await monitored_site(site, "A1")
    new = await site.client.call(add("A2"))
    await until_figures(site, lambda port: port.events_per_second > 1)
    await site.client.call(EditSite(pause_above=1, pausing=Pausing.ASK))
    asked = await plan_of(site, "provision", new)
    assert asked.events_per_second > 1
    assert (asked.pauses, asked.asks) == (True, True)
    await site.client.call(EditSite(pausing=Pausing.AUTO))
    auto = await plan_of(site, "provision", new)
    assert (auto.pauses, auto.asks) == (True, False)
    await site.client.call(EditSite(pausing=Pausing.NEVER))
    never = await plan_of(site, "provision", new)
    assert (never.pauses, never.asks) == (False, False)
    await site.client.call(EditSite(pausing=Pausing.ASK, pause_above=10_000))
    quiet = await plan_of(site, "provision", new)
    assert (quiet.pauses, quiet.asks) == (False, False)
    assert await plan_of(site, "wink", new) is None


@pytest.mark.parametrize(("said", "pauses"), [(None, True), (False, False), (True, True)])
async def test_the_operator_has_the_last_word_on_the_pause(site: Site, said: bool | None, pauses: bool) -> None:
    await monitored_site(site, "A1")
    new = await site.client.call(add("A2"))
    await until_figures(site, lambda port: port.events_per_second > 0)
    await site.client.call(EditSite(pause_above=0, pausing=Pausing.ASK))
    start = StartJob(action="provision", selection=Selection(devices=(new,)), pause=said)
    assert (await site.end_of(await site.client.call(start))).pauses is pauses


async def test_the_events_that_a_job_holds_back_count_in_the_next_plan(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "WINDOW_SECONDS", 0.1)
    await monitored_site(site, "A1")
    first, second = [await site.client.call(add(uid)) for uid in ("A2", "A3")]
    await until_figures(site, lambda port: port.events_per_second > 10)
    await a_job_that_pauses(site, first)
    await until_figures(site, lambda port: port.events_per_second == 0)
    assert (await plan_of(site, "provision", second)).pauses
    site.world.device("A2").let_go()


async def test_an_action_that_leaves_monitoring_alone_cannot_be_asked_to_pause_it(site: Site) -> None:
    (device,) = await monitored_site(site, "A1")
    start = StartJob(action="wink", selection=Selection(devices=(device,)), pause=True)
    assert (await refusal(site.client.call(start))).kind is Kind.INVALID


async def test_how_the_site_is_monitored_is_kept(site: Site) -> None:
    await site.client.call(EditSite(pausing=Pausing.NEVER, pause_above=2.5, poll_seconds=60))
    await site.client.call(EditSite(name="plant"))
    after = await site.engine.read(views.site)
    assert (after.name, after.pausing, after.pause_above, after.poll_seconds) == ("plant", Pausing.NEVER, 2.5, 60)
