"""Saving, restoring, replacing and reports against the virtual field: whole devices, real time, real bytes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from core.errors import Kind
from drivers.base import Address, Checkpoint, DriverError, NetworkState, Reading, Snapshot, Target
from drivers.lon.driver import LonDriver

from .model import events_of, facts_of
from .test_against_virtual_field import SITE, Field, field, found_in, opened, provision_all

__all__ = ["field"]  # a fixture is found by its name here

QUICK = ("--rate", "unlimited", "--write-ms", "0", "--reset-ms", "50")
ADDRESS = Address("1/1", {"domain": "55", "subnet": 1, "node": 1})
MODULE = "9FFFFF0510000401"


async def snapshot_of(driver: LonDriver, uid: str) -> Snapshot:
    events = await events_of(driver.snapshot(Target(uid)))
    return next(event for event in events if isinstance(event, Snapshot))


def changed(snapshot: Snapshot) -> Snapshot:
    """Another configuration of the same device, different in every part that can be restored."""
    document: dict[str, Any] = dict(snapshot.document)
    document["addresses"] = ["0100000000", *document["addresses"][1:-1], "8501220807"]
    document["variables"] = ["012301", *document["variables"][1:]]
    document["configuration"] = "0007" + document["configuration"][4:]
    document["properties"] = [{"at": 0x4000, "content": "5A" * 32}]
    return Snapshot(snapshot.version, document)


def without_place(snapshot: Snapshot) -> dict[str, Any]:
    return {name: value for name, value in snapshot.document.items() if name != "domains"}


async def test_a_configuration_goes_into_a_device_and_comes_back_as_it_was(field: Field) -> None:
    async with opened(field) as driver:
        targets = await provision_all(driver, await found_in(driver))
        uid, target = next(iter(targets.items()))
        before = await snapshot_of(driver, uid)
        assert before.document["refused"] == []
        assert len(before.document["addresses"]) == 15
        other = changed(before)
        facts = facts_of(await events_of(driver.restore(Target(uid, snapshot=other))))
        assert facts.note == "5 entries restored"
        assert (await snapshot_of(driver, uid)).document == other.document
        await events_of(driver.restore(Target(uid, snapshot=before)))
        assert await snapshot_of(driver, uid) == before
        assert (await field.truth())[uid]["state"] == "configured"
        assert facts_of(await events_of(driver.poll(target))).marginal == ""


async def test_configurations_of_many_devices_are_saved_at_the_same_time_on_a_bad_channel(field: Field) -> None:
    await field.tell("faults loss=0.03 corrupt=0.01 duplicate=0.01")
    async with opened(field) as driver:
        found = await found_in(driver)
        saved = await asyncio.gather(*(snapshot_of(driver, uid) for uid in found))
    assert len({str(snapshot.document) for snapshot in saved}) == 1  # they are all fresh, and all alike
    assert saved[0].document["refused"] == []


@pytest.mark.parametrize("alive", [True, False])
async def test_a_new_unit_takes_the_place_of_a_device_that_lives_or_does_not(field: Field, alive: bool) -> None:
    async with opened(field) as driver:
        old, new, *_ = await found_in(driver)
        await events_of(driver.provision(Target(old, None, ADDRESS)))
        await events_of(driver.restore(Target(old, snapshot=changed(await snapshot_of(driver, old)))))
        kept = await snapshot_of(driver, old)
        if not alive:
            await field.tell(f"power-off {old}")
        events = await events_of(driver.replace(Target(old, None, ADDRESS, None if alive else kept), uid=new))
        facts = facts_of(events)
        assert (facts.uid, facts.state) == (new, NetworkState.PROVISIONED)
        assert (facts.note or "").endswith("configuration restored")
        assert without_place(await snapshot_of(driver, new)) == without_place(kept)
        truth = await field.truth()
        assert truth[new]["state"] == "configured"
        assert [(place["subnet"], place["node"]) for place in truth[new]["domains"]] == [(1, 1)]
        if alive:
            assert (truth[old]["state"], truth[old]["domains"]) == ("unconfigured", [])
        assert (await driver.identify(new)).address == ADDRESS


async def test_a_bad_channel_delays_a_replacement_and_does_not_spoil_it(field: Field) -> None:
    async with opened(field) as driver:
        old, new, *_ = await found_in(driver)
        await events_of(driver.provision(Target(old, None, ADDRESS)))
        await events_of(driver.restore(Target(old, snapshot=changed(await snapshot_of(driver, old)))))
        kept = await snapshot_of(driver, old)
        await field.tell("faults loss=0.05 corrupt=0.01 duplicate=0.02")
        await events_of(driver.replace(Target(old, None, ADDRESS), uid=new))
        assert without_place(await snapshot_of(driver, new)) == without_place(kept)


async def test_discovery_tells_model_and_firmware(field: Field) -> None:
    async with opened(field) as driver:
        found = await found_in(driver)
        assert {(device.model, device.firmware) for device in found.values()} == {(36, 21)}
        uid = next(iter(found))
        facts = facts_of(await events_of(driver.provision(Target(uid, None, ADDRESS))))
        assert (facts.model, facts.firmware) == (36, 21)


@pytest.mark.parametrize("field", [(2, *QUICK, "--kind", "module")], indirect=True)
async def test_a_module_takes_a_place_only_after_somebody_has_pressed_its_reset_button(field: Field) -> None:
    async with opened(field) as driver:
        old, new = await found_in(driver)
        target = Target(old, MODULE, ADDRESS)
        with pytest.raises(DriverError) as refusal:
            await events_of(driver.provision(target))
        assert refusal.value.kind is Kind.NEEDS_HAND
        await field.tell(f"reset {old}")
        await events_of(driver.provision(target))
        before = (await field.truth())[old]
        with pytest.raises(DriverError) as refusal:
            await events_of(driver.replace(target, uid=new))
        assert (refusal.value.kind, refusal.value.fields["device"]) == (Kind.NEEDS_HAND, new)
        assert LonDriver.by_hand(MODULE, SITE)[0] in str(refusal.value)
        assert (await field.truth())[old] == before
        await field.tell(f"reset {new}")
        assert facts_of(await events_of(driver.replace(target, uid=new))).uid == new
        assert (await field.truth())[new]["state"] == "configured"


@pytest.mark.parametrize("field", [(4, *QUICK)], indirect=True)
async def test_what_devices_say_unasked_is_reported_with_their_address(field: Field) -> None:
    async with opened(field) as driver:
        targets = await provision_all(driver, await found_in(driver))
        reports = driver.reports()
        await field.tell("updates lon0 200")
        heard = [await anext(reports) for _ in range(40)]
        await reports.aclose()
        addresses = [target.address for target in targets.values()]
        assert all(report.address in addresses for report in heard)
        assert all(any(report.address == address for report in heard) for address in addresses)
        assert {report.reading.point for report in heard} == {"nv selector 3FFE"}
        assert all(len(bytes.fromhex(report.reading.value)) == 2 for report in heard)


async def test_points_are_polled_while_the_channel_is_busy(field: Field) -> None:
    async with opened(field) as driver:
        targets = await provision_all(driver, await found_in(driver))
        await field.tell("updates lon0 100")
        polls = [
            driver.poll(Target(uid, None, target.address, points=("nv 0", "nv 1", "nv 2")))
            for uid, target in targets.items()
        ]
        for events in await asyncio.gather(*map(events_of, polls)):
            assert [event.point for event in events if isinstance(event, Reading)] == ["nv 0", "nv 1"]
            assert facts_of(events).note == "cannot be polled: nv 2"


async def test_a_device_that_loses_power_while_it_is_restored_is_restored_by_the_next_try(tmp_path: Path) -> None:
    running = Field(tmp_path, 1, "--rate", "unlimited", "--write-ms", "20", "--reset-ms", "50")
    try:
        async with opened(running) as driver:
            uid = next(iter(await found_in(driver)))
            await events_of(driver.provision(Target(uid, None, next(LonDriver.addresses(SITE)))))
            other = changed(await snapshot_of(driver, uid))
            checkpoint = None
            with pytest.raises(DriverError) as silence:
                async for event in driver.restore(Target(uid, snapshot=other)):
                    checkpoint = event if isinstance(event, Checkpoint) else checkpoint
                    if getattr(event, "name", "") == "write network variables":
                        await running.tell(f"power-off {uid}")
            assert silence.value.kind is Kind.NO_REPLY
            await running.tell(f"power-on {uid}")
            await events_of(driver.restore(Target(uid, snapshot=other, checkpoint=checkpoint)))
            assert (await running.truth())[uid]["state"] == "configured"
            assert (await snapshot_of(driver, uid)).document == other.document
    finally:
        running.end()
