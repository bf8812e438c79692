"""A new unit takes the place of a device: with its address, its configuration, and never two at one address."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import Kind
from drivers.base import Address, DriverError, NetworkState, Snapshot, StepEvent, Target
from drivers.lon.driver import LonDriver
from drivers.lon.structures import DomainEntry, NodeState

from .model import PROGRAM_ID, SITE, ModelDevice, events_of, facts_of, step_names, working
from .simulation import in_no_time

OLD, NEW = "00A1B2C3D401", "00A1B2C3D402"
ADDRESS = Address("1/10", {"domain": "55", "subnet": 1, "node": 10})
PLACE = DomainEntry(b"\x55", 1, 10, key=b"secret")
MODULE = bytes.fromhex("9FFFFF0510000401")
GROUP = bytes.fromhex("8501220807")


def old_device() -> ModelDevice:
    device = ModelDevice(OLD, state=NodeState.CONFIGURED)
    device.domains[0] = PLACE.to_bytes()
    device.addresses[1] = GROUP
    device.variables[2] = b"\x01\x23\x01"
    device.configuration[3] = 0x77
    device.memory[0x4000:0x4020] = bytes(range(0x80, 0xA0))
    return device


def target(snapshot: Snapshot | None = None, program_id: str = PROGRAM_ID) -> Target:
    return Target(OLD, program_id, ADDRESS, snapshot)


async def saved_of(device: ModelDevice) -> Snapshot:
    async with working(device) as driver:
        events = await events_of(driver.snapshot(Target(OLD)))
    return next(event for event in events if isinstance(event, Snapshot))


async def replaced(
    devices: list[ModelDevice], old: Target, *, force: bool = False, stop: int | None = None
) -> list[StepEvent]:
    """The events of replacing; cut off before what follows the event of that number is done."""
    events: list[StepEvent] = []
    async with working(*devices) as driver:
        operation = driver.replace(old, uid=NEW, force=force)
        async for event in operation:
            events.append(event)
            if len(events) == stop:
                break
        await operation.aclose()
    return events


def configuration_of(device: ModelDevice) -> tuple[Any, ...]:
    return device.contents


@in_no_time
async def test_a_living_device_gives_its_configuration_and_address_to_the_new_unit() -> None:
    old, new = old_device(), ModelDevice(NEW)
    configuration = configuration_of(old)
    events = await replaced([old, new], target())
    names = step_names(events)
    snapshot = next(index for index, event in enumerate(events) if isinstance(event, Snapshot))
    assert step_names(events[:snapshot])[-1] == "save configuration of old device"
    assert names.index("clear domain") < names.index("write domain")
    assert (old.state, old.places) == (NodeState.UNCONFIGURED, [])
    assert configuration_of(new) == configuration
    assert (new.state, new.places) == (NodeState.CONFIGURED, [PLACE])
    assert new.written_while_configured == []
    facts = facts_of(events)
    assert (facts.uid, facts.state, facts.program_id) == (NEW, NetworkState.PROVISIONED, PROGRAM_ID)
    assert (facts.model, facts.firmware) == (36, 21)
    assert facts.note == f"took the place of {OLD}; configuration restored"


@in_no_time
async def test_of_a_silent_device_the_configuration_that_was_kept_is_used() -> None:
    old, new = old_device(), ModelDevice(NEW)
    configuration, saved = configuration_of(old), await saved_of(old)
    old.powered = False
    facts = facts_of(await replaced([old, new], target(saved)))
    assert configuration_of(new) == configuration
    assert new.places == [PLACE]
    assert facts.note == (
        f"took the place of {OLD}; it does not answer, take it off the channel; configuration restored"
    )


@in_no_time
async def test_without_any_configuration_the_address_is_taken_over_all_the_same() -> None:
    old, new = old_device(), ModelDevice(NEW)
    old.powered = False
    facts = facts_of(await replaced([old, new], target()))
    assert [(place.subnet, place.node) for place in new.places] == [(1, 10)]
    assert (facts.note or "").endswith("no configuration was kept")


@in_no_time
async def test_replacing_that_is_cut_off_anywhere_ends_well_when_it_is_done_again() -> None:
    stop = 0
    while True:
        stop += 1
        old, new = old_device(), ModelDevice(NEW)
        configuration = configuration_of(old)
        first = await replaced([old, new], target(), stop=stop)
        if len(first) < stop:
            break
        kept = next((event for event in first if isinstance(event, Snapshot)), None)
        facts = facts_of(await replaced([old, new], target(kept)))
        assert facts.uid == NEW, f"cut off after event {stop}"
        assert (facts.note or "").endswith("configuration restored")
        assert configuration_of(new) == configuration
        assert (new.state, new.places) == (NodeState.CONFIGURED, [PLACE])
        assert not old.configured
    assert stop > 20


@in_no_time
async def test_what_was_kept_is_not_given_up_for_what_an_unconfigured_device_has_left() -> None:
    old, new = old_device(), ModelDevice(NEW)
    configuration, saved = configuration_of(old), await saved_of(old)
    old.state = NodeState.UNCONFIGURED  # it lost its configuration, and its tables with it
    old.addresses = [bytes(5)] * 3
    events = await replaced([old, new], target(saved))
    assert not [event for event in events if isinstance(event, Snapshot)]
    assert configuration_of(new) == configuration


@in_no_time
async def test_an_old_device_that_works_elsewhere_now_is_left_alone() -> None:
    old, new = old_device(), ModelDevice(NEW)
    saved = await saved_of(old)
    elsewhere = DomainEntry(b"\x37", 3, 4)
    old.domains[0] = elsewhere.to_bytes()
    facts = facts_of(await replaced([old, new], target(saved)))
    assert (old.state, old.places) == (NodeState.CONFIGURED, [elsewhere])
    assert new.places == [PLACE]
    assert "left alone" in (facts.note or "")


@in_no_time
async def test_another_program_is_taken_only_by_force_and_without_the_configuration() -> None:
    old, new = old_device(), ModelDevice(NEW, program_id=bytes.fromhex("9FFFFF0501000499"))
    factory = configuration_of(new)
    with pytest.raises(DriverError) as refusal:
        await replaced([old, new], target())
    assert refusal.value.kind is Kind.WRONG_PROGRAM
    assert (old.state, new.state) == (NodeState.CONFIGURED, NodeState.UNCONFIGURED)
    facts = facts_of(await replaced([old, new], target(), force=True))
    assert configuration_of(new) == factory
    assert "not restored" in (facts.note or "")
    assert facts.program_id == "9FFFFF0501000499"


@in_no_time
async def test_a_unit_that_works_elsewhere_is_taken_only_by_force() -> None:
    old, new = old_device(), ModelDevice(NEW, state=NodeState.CONFIGURED)
    new.domains[0] = DomainEntry(b"\x37", 3, 4).to_bytes()
    with pytest.raises(DriverError) as refusal:
        await replaced([old, new], target())
    assert (refusal.value.kind, refusal.value.fields["device"]) == (Kind.ELSEWHERE, NEW)
    assert (old.state, new.places[0].subnet) == (NodeState.CONFIGURED, 3)
    await replaced([old, new], target(), force=True)
    assert (old.configured, new.places) == (False, [PLACE])


@in_no_time
async def test_a_unit_without_application_takes_no_place() -> None:
    old, new = old_device(), ModelDevice(NEW, state=NodeState.APPLICATIONLESS)
    with pytest.raises(DriverError) as refusal:
        await replaced([old, new], target(), force=True)
    assert refusal.value.kind is Kind.NO_APPLICATION
    assert old.configured


@in_no_time
async def test_a_module_that_waits_for_its_reset_button_says_so_before_the_old_one_is_touched() -> None:
    old, new = old_device(), ModelDevice(NEW, program_id=MODULE)
    old.program_id = MODULE
    new.refuses = {0x63, 0x6C}
    with pytest.raises(DriverError) as refusal:
        await replaced([old, new], target(program_id=MODULE.hex()))
    assert refusal.value.kind is Kind.NEEDS_HAND
    assert "reset button" in str(refusal.value)
    assert (old.state, old.places) == (NodeState.CONFIGURED, [PLACE])
    new.refuses = set()
    await replaced([old, new], target(program_id=MODULE.hex()))
    assert new.places == [PLACE]


@in_no_time
async def test_a_refusal_of_any_other_device_is_a_refusal() -> None:
    old, new = old_device(), ModelDevice(NEW, refuses={0x63})
    with pytest.raises(DriverError) as refusal:
        await replaced([old, new], target())
    assert refusal.value.kind is Kind.REFUSED


@in_no_time
async def test_a_device_does_not_replace_itself() -> None:
    async with working(old_device()) as driver:
        with pytest.raises(DriverError, match="itself"):
            await events_of(driver.replace(target(), uid="00:a1:b2:c3:d4:01"))


def test_the_steps_by_hand_are_known_for_modules_only() -> None:
    assert "reset button" in LonDriver.by_hand("9FFFFF0510000401", SITE)[0]
    assert LonDriver.by_hand(PROGRAM_ID, SITE) == LonDriver.by_hand(None, SITE) == ()
