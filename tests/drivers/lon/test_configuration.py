"""Configurations: saved, kept as documents, and restored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FieldhandError, Kind
from drivers.base import Address, Checkpoint, DriverError, Snapshot, Target
from drivers.lon import configuration
from drivers.lon.kinds import BY_HAND, PROPERTIES, of_kind
from drivers.lon.structures import DomainEntry, NodeState

from .model import ModelDevice, events_of, facts_of, step_names, working
from .simulation import in_no_time

UID = "00A1B2C3D401"
PLACE = DomainEntry(b"\x55", 1, 10, key=b"secret")
GROUP = bytes.fromhex("8501220807")


def configured_device() -> ModelDevice:
    device = ModelDevice(UID, state=NodeState.CONFIGURED)
    device.domains[0] = PLACE.to_bytes()
    device.addresses[1] = GROUP
    device.variables[2] = b"\x01\x23\x01"
    device.memory[0x4000:0x4020] = bytes(range(0x80, 0xA0))
    return device


async def saved_of(device: ModelDevice) -> Snapshot:
    async with working(device) as driver:
        events = await events_of(driver.snapshot(Target(UID)))
    snapshots = [event for event in events if isinstance(event, Snapshot)]
    assert len(snapshots) == 1
    return snapshots[0]


def spoil(device: ModelDevice) -> None:
    device.addresses[0] = GROUP
    device.addresses[1] = bytes(5)
    device.variables[2] = b"\x00\x00\x0f"
    device.configuration[2] ^= 0xFF
    device.memory[0x401F] ^= 0xFF


@in_no_time
async def test_a_saved_configuration_is_a_document_of_plain_json_values() -> None:
    device = configured_device()
    saved = await saved_of(device)
    assert saved.version == 1
    document = json.loads(json.dumps(saved.document))
    assert document == saved.document
    assert document["program_id"] == "9FFFFF0501000401"
    assert document["domains"][0] == PLACE.to_bytes().hex().upper()
    assert document["addresses"] == ["0000000000", "8501220807", "0000000000"]
    assert document["variables"][2] == "012301"
    assert document["configuration"] == bytes(range(25)).hex().upper()
    assert document["properties"] == [{"at": 0x4000, "content": bytes(range(0x80, 0xA0)).hex().upper()}]
    assert document["refused"] == []


@in_no_time
async def test_saving_says_what_was_saved_and_writes_nothing() -> None:
    device = configured_device()
    async with working(device) as driver:
        events = await events_of(driver.snapshot(Target(UID)))
    assert facts_of(events).note == "configuration saved: 3 addresses, 4 network variables"
    assert facts_of(events).model == 36
    assert step_names(events) == ["identify", "save configuration"]
    assert not [apdu for apdu in device.asked if apdu[0] in (0x63, 0x64, 0x66, 0x6B, 0x6C, 0x6E, 0x6F)]


@pytest.mark.parametrize(
    ("code", "missing", "named"),
    [
        (0x6A, "domains", "domain table 0"),
        (0x67, "addresses", "address table from 0"),
        (0x68, "variables", "network variables from 0"),
    ],
)
def test_what_a_device_refuses_is_left_out_and_named(code: int, missing: str, named: str) -> None:
    @in_no_time
    async def save() -> None:
        device = configured_device()
        device.refuses = {code}
        saved = await saved_of(device)
        assert saved.document[missing] == []
        assert saved.document["refused"] == [named]
        assert facts_note(saved).endswith(f"refused: {named}")

    save()


def facts_note(saved: Snapshot) -> str:
    return configuration.decode(saved, UID).in_words()


@in_no_time
async def test_more_network_variables_than_the_device_can_count_are_all_saved() -> None:
    device = configured_device()
    device.variables = [index.to_bytes(2, "big") + b"\x0f" for index in range(300)]
    saved = await saved_of(device)
    assert len(saved.document["variables"]) == 300
    assert saved.document["refused"] == []


ALIASES = {
    "of a Neuron chip": [bytes.fromhex("00120002"), bytes.fromhex("3FFF0FFF")],
    "of a host": [bytes.fromhex("00120002FFFF"), bytes.fromhex("001300FF0102"), bytes.fromhex("3FFF0FFFFFFF")],
}


@pytest.mark.parametrize("aliases", ALIASES.values(), ids=ALIASES)
def test_aliases_are_saved_and_restored(aliases: list[bytes]) -> None:
    @in_no_time
    async def restore() -> None:
        device = configured_device()
        device.aliases = aliases[:]
        before = device.contents
        saved = await saved_of(device)
        assert facts_note(saved).endswith(f", {len(aliases)} aliases")
        device.aliases = [aliases[-1]] * len(aliases)
        async with working(device) as driver:
            events = await events_of(driver.restore(Target(UID, snapshot=saved)))
        assert device.contents == before
        assert "write aliases" in step_names(events)
        assert not device.written_while_configured

    restore()


@in_no_time
async def test_aliases_behind_variables_that_were_not_all_read_are_not_guessed() -> None:
    device = configured_device()
    device.aliases = ALIASES["of a Neuron chip"]
    device.refuses = {0x68}
    saved = await saved_of(device)
    assert (saved.document["aliases"], saved.document["alias_table"]) == (2, [])
    assert "without 2 of its aliases" in facts_note(saved)


def test_a_document_from_before_aliases_were_saved_is_read() -> None:
    assert (
        configuration.decode(Snapshot(1, {**GOOD, "aliases": 3}), UID).in_words().endswith("without 3 of its aliases")
    )


@in_no_time
async def test_a_device_that_does_not_tell_the_sizes_of_its_tables_is_asked_until_it_refuses() -> None:
    device = configured_device()
    device.program_id = bytes.fromhex("900001128000A101")
    whole = await saved_of(device)

    class Terse(ModelDevice):
        def answer(self, apdu: bytes) -> bytes | None:
            return b"\x0d" if apdu[:4] == b"\x6d\x01\x00\x0a" else super().answer(apdu)

    device.__class__ = Terse
    saved = await saved_of(device)
    assert saved.document == {**whole.document, "refused": ["table sizes"]}


@in_no_time
async def test_of_a_device_of_unknown_kind_no_properties_are_read() -> None:
    device = configured_device()
    device.program_id = bytes.fromhex("900001128000A101")
    saved = await saved_of(device)
    assert saved.document["properties"] == []
    assert saved.document["refused"] == []


@in_no_time
async def test_restoring_writes_only_what_differs_and_the_device_is_as_it_was() -> None:
    device = configured_device()
    before = device.contents
    saved = await saved_of(device)
    spoil(device)
    device.asked.clear()
    async with working(device) as driver:
        events = await events_of(driver.restore(Target(UID, snapshot=saved)))
        assert facts_of(events).note == "5 entries restored"
        assert device.contents == before
        assert (device.state, device.places) == (NodeState.CONFIGURED, [PLACE])
        assert device.written_while_configured == []
        assert [apdu for apdu in device.asked if apdu[0] in (0x63, 0x64)] == []
        writes = [apdu for apdu in device.asked if apdu[0] in (0x66, 0x6B, 0x6E)]
        assert [apdu[0] for apdu in writes] == [0x66, 0x66, 0x6B, 0x6E, 0x6E]
        assert writes[3][5] == 4  # configuration data: with its checksum
        again = await events_of(driver.restore(Target(UID, snapshot=saved)))
        assert facts_of(again).note == "nothing differed"
        assert step_names(again) == ["identify", "compare", "check status"]


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (NodeState.SOFT_OFFLINE, NodeState.SOFT_OFFLINE),
        (NodeState.HARD_OFFLINE, NodeState.HARD_OFFLINE),
        (NodeState.UNCONFIGURED, NodeState.UNCONFIGURED),
        (NodeState.BYPASS, NodeState.SOFT_OFFLINE),  # no message brings it back
    ],
)
def test_a_restored_device_has_the_state_that_it_had(state: NodeState, after: NodeState) -> None:
    @in_no_time
    async def restore() -> None:
        device = configured_device()
        saved = await saved_of(device)
        spoil(device)
        device.state = state
        async with working(device) as driver:
            await events_of(driver.restore(Target(UID, snapshot=saved)))
        assert device.state == after

    restore()


@in_no_time
async def test_a_restore_that_is_cut_off_anywhere_is_taken_up_again() -> None:
    steps = 0
    while True:
        device = configured_device()
        before = device.contents
        saved = await saved_of(device)
        spoil(device)
        checkpoint: Checkpoint | None = None
        async with working(device) as driver:
            operation = driver.restore(Target(UID, snapshot=saved))
            passed = 0
            async for event in operation:
                checkpoint = event if isinstance(event, Checkpoint) else checkpoint
                passed += 1
                if passed > steps:
                    break
            await operation.aclose()
            if passed <= steps:
                break
            await events_of(driver.restore(Target(UID, snapshot=saved, checkpoint=checkpoint)))
        assert (device.contents, device.state) == (before, NodeState.CONFIGURED), f"cut off at event {steps}"
        steps += 1
    assert steps > 10


@in_no_time
async def test_a_restore_does_not_configure_a_device_that_was_deprovisioned_since_it_was_cut_off() -> None:
    device = configured_device()
    saved = await saved_of(device)
    async with working(device) as driver:
        await events_of(driver.deprovision(Target(UID)))
        spoil(device)
        await events_of(driver.restore(Target(UID, snapshot=saved, checkpoint=Checkpoint({"state": 4}))))
    assert device.state == NodeState.UNCONFIGURED


@in_no_time
async def test_clock_and_transceiver_settings_stay_those_of_the_unit() -> None:
    device = configured_device()
    saved = await saved_of(device)
    device.configuration[9] ^= 0x0F
    device.configuration[20] ^= 0x0F
    own = bytes(device.configuration)
    async with working(device) as driver:
        assert facts_of(await events_of(driver.restore(Target(UID, snapshot=saved)))).note == "nothing differed"
    assert bytes(device.configuration) == own


@in_no_time
async def test_a_write_that_did_not_last_is_noticed() -> None:
    device = configured_device()
    saved = await saved_of(device)
    spoil(device)

    class Forgetful(bytearray):
        def __setitem__(self, key: Any, value: Any) -> None: ...

    device.memory = Forgetful(device.memory)
    async with working(device) as driver:
        with pytest.raises(DriverError) as failure:
            await events_of(driver.restore(Target(UID, snapshot=saved)))
    assert failure.value.kind is Kind.VERIFY_FAILED
    assert "properties 4000" in str(failure.value)


@in_no_time
async def test_the_configuration_of_another_program_is_not_restored() -> None:
    device = configured_device()
    saved = await saved_of(device)
    device.program_id = bytes.fromhex("9FFFFF0501000499")
    async with working(device) as driver:
        with pytest.raises(DriverError) as failure:
            await events_of(driver.restore(Target(UID, snapshot=saved)))
    assert failure.value.kind is Kind.WRONG_PROGRAM


@in_no_time
async def test_reprovisioning_saves_the_configuration_before_anything_is_written() -> None:
    device = configured_device()
    device.refuses = {0x67, 0x68}
    address = Address("1/20", {"domain": "55", "subnet": 1, "node": 20})
    async with working(device) as driver:
        events = await events_of(driver.reprovision(Target(UID, address=address)))
    kinds = [type(event) for event in events]
    assert Snapshot in kinds
    assert step_names(events[: kinds.index(Snapshot)]) == ["identify", "save configuration"]
    assert [place.node for place in device.places] == [20]
    assert facts_of(events).firmware == 21


GOOD: Mapping[str, Any] = {
    "program_id": "9FFFFF0501000401",
    "model": 36,
    "domains": [],
    "addresses": [],
    "variables": [],
    "aliases": 0,
    "alias_table": [],
    "configuration": None,
    "properties": [],
    "refused": [],
}


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (None, "none has been saved"),
        (Snapshot(2, GOOD), "version 2"),
        (Snapshot(1, {}), "damaged: program_id"),
        (Snapshot(1, {**GOOD, "addresses": ["00"]}), "damaged: addresses"),
        (Snapshot(1, {**GOOD, "addresses": ["xx"]}), "damaged: addresses"),
        (Snapshot(1, {**GOOD, "configuration": "00"}), "damaged: configuration"),
        (Snapshot(1, {**GOOD, "model": 4000}), "damaged: model"),
        (Snapshot(1, {**GOOD, "properties": [{"at": -1, "content": "00"}]}), "damaged: properties"),
        (Snapshot(1, {**GOOD, "properties": [{"at": 0xFFFF, "content": "0000"}]}), "damaged: properties"),
        (Snapshot(1, {**GOOD, "alias_table": ["0012000201"]}), "damaged: alias_table"),
        (Snapshot(1, {**GOOD, "surprise": 1}), "damaged: surprise"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_with_the_reason(snapshot: Snapshot | None, reason: str) -> None:
    with pytest.raises(DriverError, match=reason) as refusal:
        configuration.decode(snapshot, UID)
    assert refusal.value.kind is Kind.INVALID


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("0123456789ABCDEFxé ", max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["at", "content", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), JSON))
def test_any_document_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        document = configuration.decode(Snapshot(1, {**GOOD, **changes}), UID)
    except FieldhandError as refusal:
        assert refusal.kind is Kind.INVALID
        assert str(refusal)
    else:
        assert all(entry.content for entry in document.entries())


@given(st.binary(min_size=8, max_size=8))
def test_of_most_kinds_nothing_is_known(program_id: bytes) -> None:
    written = program_id.hex().upper()
    if not written.startswith("9FFFFF"):
        assert (of_kind(PROPERTIES, written), of_kind(BY_HAND, written)) == ((), ())


def test_the_longest_known_beginning_of_a_program_id_counts() -> None:
    table = {"9F": (1,), "9FFFFF05": (2,), "9FFF": (3,)}
    assert of_kind(table, "9FFFFF0501000401") == (2,)
    assert of_kind(table, "9FFFAA0501000401") == (3,)
