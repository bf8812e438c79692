"""The whole driver against the virtual field: another process behind a real pseudo-terminal."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from core.errors import FieldhandError, Kind
from drivers.base import (
    Address,
    Capability,
    DriverError,
    Facts,
    Found,
    NetworkState,
    PortError,
    Priority,
    Progress,
    SiteSettings,
    Step,
    Target,
)
from drivers.lon.driver import LonDriver

from .model import events_of, facts_of, step_names

ROOT = Path(__file__).parents[3]
SITE = SiteSettings(b"\x55", 1, 126)


class Field:
    """A running virtual field with one LON channel."""

    def __init__(self, directory: Path, devices: int, *arguments: str) -> None:
        command = [sys.executable, "-m", "drivers.virtual", "--directory", str(directory), "--lon", str(devices)]
        self.process = subprocess.Popen(
            [*command, "--until-eof", *(arguments or ("--rate", "unlimited", "--write-ms", "0"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.path = str(directory / "lon0")
        self.url = f"lon://{self.path}"
        self._line()

    def _line(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    async def tell(self, command: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = await asyncio.to_thread(self._line)
        assert answer["ok"], answer
        return answer

    async def truth(self) -> dict[str, Any]:
        return {device["uid"]: device for device in (await self.tell("truth"))["devices"]}

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


@pytest.fixture
def field(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Field]:
    running = Field(tmp_path, *getattr(request, "param", (12,)))
    yield running
    running.end()


@asynccontextmanager
async def opened(field: Field, site: SiteSettings = SITE, options: str = "") -> AsyncIterator[LonDriver]:
    driver = await LonDriver.open(field.url + options, site)
    try:
        yield driver
    finally:
        await driver.close()


async def found_in(driver: LonDriver) -> dict[str, Found]:
    return {event.uid: event async for event in driver.discover() if isinstance(event, Found)}


async def provision_all(driver: LonDriver, found: dict[str, Found], site: SiteSettings = SITE) -> dict[str, Target]:
    addresses = LonDriver.addresses(site)
    targets = {uid: Target(uid, device.program_id, next(addresses)) for uid, device in found.items()}
    limit = asyncio.Semaphore(driver.at_once(Capability.PROVISION))

    async def provision(target: Target) -> None:
        async with limit:
            assert facts_of(await events_of(driver.provision(target))).state is NetworkState.PROVISIONED

    await asyncio.gather(*(provision(target) for target in targets.values()))
    return targets


async def test_every_device_is_found_once_with_what_it_is(field: Field) -> None:
    async with opened(field) as driver:
        events = [event async for event in driver.discover()]
        found = [event for event in events if isinstance(event, Found)]
        truth = await field.truth()
        assert sorted(device.uid for device in found) == sorted(truth)
        for device in found:
            assert device.program_id == truth[device.uid]["program_id"]
            assert (device.state, device.address) == (NetworkState.UNPROVISIONED, None)
        last = [event for event in events if isinstance(event, Progress)][-1]
        assert (last.done, last.total) == (12, 12)


@pytest.mark.parametrize("domain", [b"\x55", b"", b"\x4d\x41\x4c", b"sixsix"])
async def test_provisioned_devices_are_where_the_record_says_and_are_found_there(field: Field, domain: bytes) -> None:
    site = SiteSettings(domain, 1, 126)
    async with opened(field, site) as driver:
        targets = await provision_all(driver, await found_in(driver), site)
        truth = await field.truth()
        for uid, target in targets.items():
            assert target.address is not None
            assert truth[uid]["state"] == "configured"
            assert {"id": domain.hex().upper(), "subnet": 1, "node": target.address.parts["node"]} in [
                {**entry, "id": entry["id"].upper()} for entry in truth[uid]["domains"]
            ]
        again = await found_in(driver)
        assert {uid: device.address for uid, device in again.items()} == {
            uid: target.address for uid, target in targets.items()
        }
        assert {device.state for device in again.values()} == {NetworkState.PROVISIONED}


async def test_the_steps_of_provisioning_are_announced_one_by_one(field: Field) -> None:
    async with opened(field) as driver:
        uid, device = next(iter((await found_in(driver)).items()))
        target = Target(uid, device.program_id, next(LonDriver.addresses(SITE)))
        names = step_names(await events_of(driver.provision(target)))
        assert names[0] == "identify"
        assert names[-4:] == ["configured", "online", "check status", "read back"]
        assert len(names) <= 7
        again = step_names(await events_of(driver.provision(target)))
        assert again == ["identify", "check domain", "online", "check status", "read back"]
        frames = driver.frames(uid)
        assert any("response" in line for line in frames)


async def test_a_device_that_works_at_another_place_is_left_alone(field: Field) -> None:
    async with opened(field) as driver:
        uid, device = next(iter((await found_in(driver)).items()))
        first, other, *_ = itertools.islice(LonDriver.addresses(SITE), 2)
        await events_of(driver.provision(Target(uid, device.program_id, first)))
        before = (await field.truth())[uid]
        facts: list[Facts] = []
        with pytest.raises(DriverError) as refused:
            async for event in driver.provision(Target(uid, device.program_id, other)):
                facts += [event] if isinstance(event, Facts) else []
        assert refused.value.kind is Kind.ELSEWHERE
        assert [fact.address for fact in facts] == [first]
        assert (await field.truth())[uid] == before
        names = step_names(await events_of(driver.reprovision(Target(uid, device.program_id, other))))
        assert "unconfigured" in names
        assert (await field.truth())[uid]["domains"][0]["node"] == other.parts["node"]


async def test_a_reset_is_waited_for_and_proved_by_its_cause(field: Field) -> None:
    async with opened(field) as driver:
        uid = next(iter(await found_in(driver)))
        facts = facts_of(await events_of(driver.reset(Target(uid))))
        assert facts.note == "it started anew"


async def test_a_step_is_announced_before_a_byte_of_it_is_sent(field: Field) -> None:
    async with opened(field) as driver:
        uid, device = next(iter((await found_in(driver)).items()))
        steps = driver.provision(Target(uid, device.program_id, next(LonDriver.addresses(SITE))))
        async for event in steps:
            if isinstance(event, Step) and event.name == "write domain":
                break
        await steps.aclose()
        assert (await field.truth())[uid]["domains"] == [] or (await field.truth())[uid]["state"] == "unconfigured"


async def test_deprovisioned_devices_forget_their_place(field: Field) -> None:
    async with opened(field) as driver:
        targets = await provision_all(driver, await found_in(driver))
        for target in targets.values():
            facts = facts_of(await events_of(driver.deprovision(target)))
            assert facts.state is NetworkState.UNPROVISIONED
        for device in (await field.truth()).values():
            assert (device["state"], device["domains"]) == ("unconfigured", [])


async def test_another_program_than_the_record_says_is_refused_before_anything_is_written(field: Field) -> None:
    async with opened(field) as driver:
        uid = next(iter(await found_in(driver)))
        before = (await field.truth())[uid]
        target = Target(uid, "9FFFFF0000000499", next(LonDriver.addresses(SITE)))
        with pytest.raises(DriverError) as failure:
            await events_of(driver.provision(target))
        assert failure.value.kind is Kind.WRONG_PROGRAM
        assert failure.value.fields["expected"] == "9FFFFF0000000499"
        assert (await field.truth())[uid] == before


async def test_a_device_without_an_address_cannot_be_provisioned(field: Field) -> None:
    async with opened(field) as driver:
        with pytest.raises(DriverError, match="no logical address"):
            await events_of(driver.provision(Target("00D071000001")))


async def test_two_devices_at_one_address_are_noticed(field: Field) -> None:
    async with opened(field) as driver:
        first, second = list(await found_in(driver))[:2]
        address = next(LonDriver.addresses(SITE))
        await events_of(driver.provision(Target(first, None, address)))
        outcomes = set()
        for _ in range(3):  # which of the two answers first is chance
            try:
                await events_of(driver.provision(Target(second, None, address)))
            except FieldhandError as failure:
                outcomes.add(failure.kind)
        assert outcomes <= {Kind.WRONG_DEVICE}


async def test_a_test_counts_its_answers_and_falls_back_to_the_neuron_id(field: Field) -> None:
    async with opened(field) as driver:
        uid, other = list(await found_in(driver))[:2]
        target = Target(uid, None, Address("1/1", {"domain": "55", "subnet": 1, "node": 1}))
        await events_of(driver.provision(target))
        events = await events_of(driver.test(target, count=3))
        assert [event.done for event in events if isinstance(event, Progress)] == [1, 2, 3]
        assert (facts_of(events).note or "").startswith("3 of 3 answered, ")
        assert "Neuron ID" not in (facts_of(events).note or "")
        unprovisioned = Target(other, None, Address("1/2", {"domain": "55", "subnet": 1, "node": 2}))
        facts = facts_of(await events_of(driver.test(unprovisioned)))
        assert "by Neuron ID only: it is not at 1/2" in (facts.note or "")
        assert facts.state is NetworkState.UNPROVISIONED


async def test_a_wink_is_seen_and_a_poll_tells_the_state(field: Field) -> None:
    async with opened(field) as driver:
        uid = next(iter(await found_in(driver)))
        await events_of(driver.perform(Capability.WINK, Target(uid), {}, Priority.INTERACTIVE))
        assert (await field.truth())[uid]["winks"] == 1
        assert facts_of(await events_of(driver.poll(Target(uid)))).state is NetworkState.UNPROVISIONED
        await events_of(driver.provision(Target(uid, None, next(LonDriver.addresses(SITE)))))
        facts = facts_of(await events_of(driver.poll(Target(uid))))
        assert (facts.state, facts.application, facts.marginal) == (NetworkState.PROVISIONED, True, "")


async def test_a_device_without_power_does_not_reply_and_the_others_go_on(field: Field) -> None:
    async with opened(field) as driver:
        found = list(await found_in(driver))
        await field.tell(f"power-off {found[0]}")
        results = await asyncio.gather(*(events_of(driver.test(Target(uid))) for uid in found), return_exceptions=True)
        assert isinstance(results[0], DriverError)
        assert results[0].kind is Kind.NO_REPLY
        assert not any(isinstance(result, BaseException) for result in results[1:])
        await field.tell(f"power-on {found[0]}")
        await asyncio.sleep(1)
        await events_of(driver.test(Target(found[0])))


async def test_a_pressed_service_pin_is_reported_with_the_state_of_its_device(field: Field) -> None:
    async with opened(field) as driver:
        uid, device = next(iter((await found_in(driver)).items()))
        address = next(LonDriver.addresses(SITE))
        await events_of(driver.provision(Target(uid, None, address)))
        pins = driver.service_pins()
        waiting = asyncio.create_task(anext(pins))
        await asyncio.sleep(0.05)
        await field.tell(f"press {uid}")
        pressed = await waiting
        assert (pressed.uid, pressed.program_id) == (uid, device.program_id)
        assert (pressed.state, pressed.address) == (NetworkState.PROVISIONED, address)
        await pins.aclose()


async def test_unplugging_ends_everything_and_plugging_in_brings_a_port_that_opens_again(field: Field) -> None:
    driver = await LonDriver.open(field.url, SITE)
    lost = asyncio.create_task(driver.wait_lost())
    uid = next(iter(await found_in(driver)))
    await field.tell("unplug lon0")
    error = await lost
    assert (error.kind, error.fields["port"]) == (Kind.PORT_LOST, field.path)
    with pytest.raises(PortError) as failure:
        await events_of(driver.test(Target(uid)))
    assert failure.value.kind is Kind.PORT_LOST
    await driver.close()
    with pytest.raises(PortError) as refusal:
        await LonDriver.open(field.url, SITE)
    assert refusal.value.kind is Kind.PORT_ABSENT
    await field.tell("plug lon0")
    async with opened(field) as again:
        await events_of(again.test(Target(uid)))


async def test_work_under_way_fails_with_the_loss_of_the_port(field: Field) -> None:
    async with opened(field) as driver:
        found = await found_in(driver)
        jobs = [asyncio.create_task(events_of(driver.test(Target(uid), count=500))) for uid in found]
        await asyncio.sleep(0.05)
        await field.tell("unplug lon0")
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert {type(result) for result in results} == {PortError}


async def test_a_port_in_use_is_refused(field: Field) -> None:
    async with opened(field):
        with pytest.raises(PortError) as refusal:
            await LonDriver.open(field.url, SITE)
        assert refusal.value.kind is Kind.PORT_BUSY


async def test_closing_while_work_is_under_way_ends_it(field: Field) -> None:
    driver = await LonDriver.open(field.url, SITE)
    found = await found_in(driver)
    jobs = [asyncio.create_task(events_of(driver.test(Target(uid), count=500))) for uid in found]
    await asyncio.sleep(0.05)
    await driver.close()
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert all(isinstance(result, PortError | asyncio.CancelledError) for result in results)


async def test_a_cancelled_discovery_leaves_the_port_usable(field: Field) -> None:
    async with opened(field) as driver:
        events = driver.discover()
        async for event in events:
            if isinstance(event, Found):
                break
        await events.aclose()
        assert len(await found_in(driver)) == 12


@pytest.mark.parametrize("field", [(60, "--rate", "unlimited", "--write-ms", "5")], indirect=True)
async def test_no_device_is_missed_or_left_behind_when_packets_get_lost(field: Field) -> None:
    await field.tell("faults loss=0.05 corrupt=0.01 duplicate=0.01")
    async with opened(field) as driver:
        found = await found_in(driver)
        assert len(found) == 60
        targets = await provision_all(driver, found)
    truth = await field.truth()
    for uid, target in targets.items():
        assert target.address is not None
        assert [(entry["subnet"], entry["node"]) for entry in truth[uid]["domains"]] == [
            (target.address.parts["subnet"], target.address.parts["node"])
        ]
        assert truth[uid]["state"] == "configured"


@pytest.mark.parametrize("field", [(120, "--rate", "unlimited", "--mix")], indirect=True)
async def test_in_a_building_everybody_within_reach_is_found_and_dressed_in_words(field: Field) -> None:
    async with opened(field) as driver:
        found = await found_in(driver)
    truth = await field.truth()
    reachable = {uid for uid, device in truth.items() if device["powered"] and device["state"] != "configured"}
    assert set(found) == reachable
    for uid, device in found.items():
        assert device.application is (truth[uid]["state"] != "applicationless")
        assert device.documentation.isprintable()
        assert not device.documentation.startswith("&")
    assert any(device.documentation for device in found.values())


@pytest.mark.parametrize("field", [(12, "--rate", "unlimited", "--write-ms", "0", "--interface", "u61")], indirect=True)
async def test_the_older_interface_family_does_the_same_work(field: Field) -> None:
    async with opened(field, options="?interface=u61") as driver:
        targets = await provision_all(driver, await found_in(driver))
        assert len(targets) == 12
    assert {device["state"] for device in (await field.truth()).values()} == {"configured"}
