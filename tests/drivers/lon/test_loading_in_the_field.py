"""Loads against the virtual field: whole devices that lose power and packets, real time, real bytes."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from core.errors import Kind
from drivers.base import (
    Capability,
    Checkpoint,
    DriverError,
    Facts,
    Image,
    NetworkState,
    Priority,
    Progress,
    Snapshot,
    StepEvent,
    Target,
)
from drivers.lon.driver import LonDriver
from drivers.lon.images import Record, RecordKind, parse_apb
from drivers.lon.update import PACKET_SIZE

from .images import build_apb, build_ndl
from .model import events_of, facts_of
from .test_against_virtual_field import Field, field, found_in, opened, provision_all

__all__ = ["field"]  # a fixture is found by its name here

QUICK = ("--rate", "unlimited", "--write-ms", "1", "--reset-ms", "50")
PROGRAM_ID = bytes.fromhex("9FFFFF0501000401")
APB = build_apb(program_id=PROGRAM_ID)
RECORDS = parse_apb(APB).records
WORDS = 0x10000
LEFT_OUT = {*range(0xE800, 0xF000), 0xF00A, 0xF015, *range(0x4000, 0x4020)}


def image(name: str, data: bytes) -> Image:
    return Image(name, hashlib.sha256(data).hexdigest(), data)


def digest(records: Iterable[Record]) -> str:
    """What the field tells of a device that has been loaded with these."""
    content = {
        (WORDS if record.kind is RecordKind.WORDS else 0) + record.start + at: byte
        for record in records
        if record.kind is not RecordKind.VARIABLE
        for at, byte in enumerate(record.data)
    }
    kept = sorted(address for address in content if address not in LEFT_OUT)
    return hashlib.sha256(
        b"".join(address.to_bytes(4, "big") + bytes([content[address]]) for address in kept)
    ).hexdigest()


async def load(driver: LonDriver, target: Target, what: Image, **parameters: Any) -> list[StepEvent]:
    return await events_of(driver.perform(Capability.LOAD, target, {"image": what, **parameters}, Priority.JOB))


@pytest.mark.parametrize("field", [(3, *QUICK)], indirect=True)
@pytest.mark.parametrize(("name", "build"), [("a.apb", build_apb), ("b.NDL", build_ndl)])
async def test_a_loaded_device_has_the_program_and_still_its_place(field: Field, name: str, build: Any) -> None:
    async with opened(field) as driver:
        targets = await provision_all(driver, await found_in(driver))
        uid, target = next(iter(targets.items()))
        before = (await field.truth())[uid]
        events = await load(driver, target, image(name, build(program_id=PROGRAM_ID)))
        facts = facts_of(events)
        assert (facts.state, facts.application, facts.program_id) == (
            NetworkState.PROVISIONED,
            True,
            PROGRAM_ID.hex().upper(),
        )
        truth = (await field.truth())[uid]
        assert truth["application_sha256"] == digest(RECORDS)
        assert (truth["state"], truth["domains"]) == ("configured", before["domains"])
        assert facts_of(await events_of(driver.test(target))).note is not None


@pytest.mark.parametrize("field", [(1, *QUICK)], indirect=True)
async def test_an_image_for_another_program_needs_force(field: Field) -> None:
    other = image("a.apb", build_apb(records=40))
    async with opened(field) as driver:
        uid = next(iter(await found_in(driver)))
        before = (await field.truth())[uid]
        with pytest.raises(DriverError, match="it can be forced") as refusal:
            await load(driver, Target(uid), other)
        assert refusal.value.kind is Kind.INCOMPATIBLE
        assert (await field.truth())[uid] == before
        await load(driver, Target(uid), other, force=True)
        truth = (await field.truth())[uid]
        assert truth["application_sha256"] == digest(parse_apb(other.data).records)
        assert truth["state"] == "unconfigured"


async def cut_off(driver: LonDriver, target: Target, field: Field, after: int) -> tuple[Target, list[StepEvent]]:
    """Power fails when so many bytes are written, and comes back; what the next load will know of it."""
    events: list[StepEvent] = []
    with pytest.raises(DriverError) as failure:
        async for event in driver.load(target, image=image("a.apb", APB)):
            events.append(event)
            if isinstance(event, Progress) and event.done >= after and (await field.truth())[target.uid]["powered"]:
                await field.tell(f"power-off {target.uid}")
    assert failure.value.kind is Kind.NO_REPLY
    await field.tell(f"power-on {target.uid}")
    checkpoint = [event for event in events if isinstance(event, Checkpoint)][-1]
    snapshots = [event for event in events if isinstance(event, Snapshot)]
    return replace(target, checkpoint=checkpoint, snapshot=snapshots[-1] if snapshots else target.snapshot), events


@pytest.mark.parametrize("field", [(1, *QUICK)], indirect=True)
async def test_power_lost_in_the_middle_of_a_load_leaves_a_device_that_is_finished_by_the_next_one(
    field: Field,
) -> None:
    async with opened(field) as driver:
        target = next(iter((await provision_all(driver, await found_in(driver))).values()))
        before = (await field.truth())[target.uid]
        chance = random.Random(7)
        for _ in range(2):
            target, events = await cut_off(driver, target, field, chance.randrange(100, 5500))
            assert (await field.truth())[target.uid]["state"] == "applicationless"
            assert [event for event in events if isinstance(event, Facts)][-1].application is False
        await load(driver, target, image("a.apb", APB))
        truth = (await field.truth())[target.uid]
        assert truth["application_sha256"] == digest(RECORDS)
        assert (truth["state"], truth["domains"]) == ("configured", before["domains"])


@pytest.mark.parametrize("field", [(1, *QUICK)], indirect=True)
async def test_a_load_that_another_console_began_goes_on_where_it_was(field: Field) -> None:
    events: list[StepEvent] = []
    async with opened(field) as driver:
        target = next(iter((await provision_all(driver, await found_in(driver))).values()))
        steps = driver.load(target, image=image("a.apb", APB))
        async for event in steps:
            events.append(event)
            if isinstance(event, Progress) and event.done > 4000:
                break
        await steps.aclose()
    checkpoint = [event for event in events if isinstance(event, Checkpoint)][-1]
    snapshot = next(event for event in events if isinstance(event, Snapshot))
    async with opened(field) as driver:
        again = await load(driver, replace(target, checkpoint=checkpoint, snapshot=snapshot), image("a.apb", APB))
    written = [event.done for event in again if isinstance(event, Progress)]
    assert written[0] > 4000 - 64
    truth = (await field.truth())[target.uid]
    assert (truth["application_sha256"], truth["state"]) == (digest(RECORDS), "configured")


@pytest.mark.parametrize("field", [(8, "--rate", "unlimited", "--write-ms", "5", "--reset-ms", "50")], indirect=True)
async def test_many_devices_are_loaded_on_a_bad_channel(field: Field) -> None:
    what = image("a.apb", build_apb(program_id=PROGRAM_ID, records=50))
    async with opened(field) as driver:
        targets = await provision_all(driver, await found_in(driver))
        await field.tell("faults loss=0.05 corrupt=0.01 duplicate=0.01")
        await asyncio.gather(*(load(driver, target, what) for target in targets.values()))
        await field.tell("faults loss=0")
        truth = await field.truth()
    assert {device["application_sha256"] for device in truth.values()} == {digest(parse_apb(what.data).records)}
    assert {device["state"] for device in truth.values()} == {"configured"}


PACKETS = 80
OPAQUE = image("new.nx", random.Random(3).randbytes(PACKETS * PACKET_SIZE))
UPDATE = ("--kind", "update", "--rate", "unlimited", "--write-ms", "1", "--reset-ms", "50")


@pytest.mark.parametrize("field", [(6, *UPDATE)], indirect=True)
@pytest.mark.parametrize("loss", [0.0, 0.05])
async def test_an_opaque_image_goes_into_six_devices_in_about_one_pass(field: Field, loss: float) -> None:
    async with opened(field) as driver:
        targets = await provision_all(driver, await found_in(driver))
        before = await field.truth()
        await field.tell(f"faults loss={loss}")
        packets = (await field.tell("truth"))["channel"]["packets"]
        results = await asyncio.gather(*(load(driver, target, OPAQUE) for target in targets.values()))
        await field.tell("faults loss=0")
        answer = await field.tell("truth")
    md5 = hashlib.md5(OPAQUE.data, usedforsecurity=False).hexdigest()
    for device in answer["devices"]:
        assert device["update"] == {"image_md5": md5, "bank": "primary", "received": PACKETS, "packets": PACKETS}
        assert (device["state"], device["domains"]) == ("configured", before[device["uid"]]["domains"])
    assert {facts_of(events).state for events in results} == {NetworkState.PROVISIONED}
    sent = answer["channel"]["packets"] - packets
    exchanges = 6 * 2 * (30 if loss else 20)
    assert PACKETS < sent < exchanges + PACKETS * (2 if loss else 1), f"{sent} packets"


@pytest.mark.parametrize("field", [(2, *UPDATE)], indirect=True)
async def test_power_lost_in_the_middle_of_an_update_costs_nothing_but_the_packets_missed(field: Field) -> None:
    events: list[StepEvent] = []
    async with opened(field) as driver:
        uid = next(iter(await found_in(driver)))
        steps = driver.load(Target(uid), image=OPAQUE)
        async for event in steps:
            events.append(event)
            if isinstance(event, Progress) and event.done > len(OPAQUE.data) // 2:
                break
        await steps.aclose()
        await field.tell(f"power-off {uid}")
        await field.tell(f"power-on {uid}")
        checkpoint = [event for event in events if isinstance(event, Checkpoint)][-1]
        received = (await field.truth())[uid]["update"]["received"]
        assert PACKETS // 3 < received < PACKETS
        await asyncio.sleep(0.2)
        await load(driver, Target(uid, checkpoint=checkpoint), OPAQUE)
        truth = (await field.truth())[uid]
    assert truth["update"]["bank"] == "primary"
    assert truth["update"]["image_md5"] == hashlib.md5(OPAQUE.data, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("field", [(1, *QUICK)], indirect=True)
async def test_a_plain_device_does_not_take_an_opaque_image(field: Field) -> None:
    async with opened(field) as driver:
        uid = next(iter(await found_in(driver)))
        with pytest.raises(DriverError, match="does not speak the Image Update Protocol") as refusal:
            await load(driver, Target(uid), OPAQUE)
        assert refusal.value.kind is Kind.INCOMPATIBLE
        with pytest.raises(DriverError, match="cut off"):
            await load(driver, Target(uid), image("a.apb", APB[:-1]))
