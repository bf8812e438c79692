"""What is asked of devices regularly, and what they say unasked."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FieldhandError, Kind
from drivers.base import Address, DriverError, NetworkState, PortError, Reading, Report, Target
from drivers.lon.driver import LonDriver
from drivers.lon.listening import REPORTS_KEPT
from drivers.lon.packets import (
    ApplicationPdu,
    Broadcast,
    Packet,
    PacketError,
    Pdu,
    SubnetNode,
    TransportKind,
    TransportPdu,
)
from drivers.lon.reports import REPEATED_WITHIN, Reports
from drivers.lon.structures import DomainEntry, NodeState

from .model import SITE, ModelChannel, ModelDevice, events_of, facts_of, working
from .simulation import in_no_time

UID = "00A1B2C3D401"
ADDRESS = Address("1/10", {"domain": "55", "subnet": 1, "node": 10})
UPDATE = b"\xbf\xfc\x00\x12"
REPORT = Report(Reading("nv selector 3FFC", "00 12"), address=ADDRESS)


def device() -> ModelDevice:
    made = ModelDevice(UID, state=NodeState.CONFIGURED)
    made.domains[0] = DomainEntry(b"\x55", 1, 10).to_bytes()
    return made


def update(pdu: Pdu, subnet: int = 1, node: int = 10) -> Packet:
    return Packet(SubnetNode(subnet, node), Broadcast(), pdu, b"\x55")


def repeated(number: int, apdu: bytes = UPDATE, kind: int = TransportKind.UNACKNOWLEDGED_REPEATED) -> Packet:
    return update(TransportPdu(kind, number, apdu))


# -- polls --------------------------------------------------------------------------------------


@in_no_time
async def test_a_poll_reads_the_state_and_every_point() -> None:
    polled = device()
    polled.values += [b"\x07"] * 300
    async with working(polled) as driver:
        events = await events_of(driver.poll(Target(UID, address=ADDRESS, points=("nv 0", "2", "nv 255"))))
    readings = [event for event in events if isinstance(event, Reading)]
    assert readings == [Reading("nv 0", "0F A0"), Reading("nv 2", "01 02"), Reading("nv 255", "07")]
    facts = facts_of(events)
    assert (facts.state, facts.model, facts.firmware) == (NetworkState.PROVISIONED, 36, 21)
    assert facts.note is None


@in_no_time
async def test_points_that_cannot_be_polled_are_named_and_the_others_are_read() -> None:
    async with working(device()) as driver:
        events = await events_of(driver.poll(Target(UID, address=ADDRESS, points=("nv 99", "voltage", "nv 1"))))
    assert [event for event in events if isinstance(event, Reading)] == [Reading("nv 1", "00")]
    assert facts_of(events).note == "cannot be polled: nv 99, voltage"


@in_no_time
async def test_a_device_that_is_not_at_its_address_is_silent_to_a_poll() -> None:
    polled = device()
    polled.domains[0] = DomainEntry(b"\x55", 1, 11).to_bytes()
    async with working(polled) as driver:
        with pytest.raises(DriverError) as silence:
            await events_of(driver.poll(Target(UID, address=ADDRESS)))
        assert silence.value.kind is Kind.NO_REPLY
        assert polled.asked == []
        assert facts_of(await events_of(driver.poll(Target(UID)))).state is NetworkState.PROVISIONED


@in_no_time
async def test_the_value_of_another_variable_is_not_taken_for_the_one_asked_for() -> None:
    class Confused(ModelDevice):
        def answer(self, apdu: bytes) -> bytes | None:
            return b"\x33\x05\x00" if apdu[0] == 0x73 else super().answer(apdu)

    confused = Confused(UID)
    async with working(confused) as driver:
        with pytest.raises(DriverError) as failure:
            await events_of(driver.poll(Target(UID, points=("nv 1",))))
    assert failure.value.kind is Kind.BAD_FRAME


@pytest.mark.parametrize(
    ("text", "point"), [("nv 3", "nv 3"), ("3", "nv 3"), (" NV 007 ", "nv 7"), ("nv4095", "nv 4095")]
)
def test_a_point_has_one_written_form(text: str, point: str) -> None:
    assert LonDriver.check_point(text) == point


@given(st.text(max_size=20))
def test_any_point_is_taken_or_refused(text: str) -> None:
    try:
        point = LonDriver.check_point(text)
    except FieldhandError as refusal:
        assert refusal.kind is Kind.INVALID
    else:
        assert LonDriver.check_point(point) == point


@pytest.mark.parametrize("text", ["", "nv", "nv -1", "4096", "99999", "nv 1 2", "temperature", "٣"])
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(FieldhandError, match="nv 0 to nv 4095"):
        LonDriver.check_point(text)


# -- identify -----------------------------------------------------------------------------------


@in_no_time
async def test_one_device_can_be_asked_who_it_is() -> None:
    async with working(device()) as driver:
        found = await driver.identify("00:a1:b2:c3:d4:01")
        assert (found.uid, found.program_id, found.state) == (UID, "9FFFFF0501000401", NetworkState.PROVISIONED)
        assert (found.address, found.model, found.firmware) == (ADDRESS, 36, 21)
        with pytest.raises(DriverError) as silence:
            await driver.identify("00A1B2C3D499")
        assert silence.value.kind is Kind.NO_REPLY


@in_no_time
async def test_a_device_that_keeps_its_program_to_itself_is_identified_all_the_same() -> None:
    shy = device()
    shy.refuses = {0x6D}
    async with working(shy) as driver:
        found = await driver.identify(UID)
    assert (found.program_id, found.address) == (None, ADDRESS)


# -- reports ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "packet",
    [
        update(ApplicationPdu(UPDATE)),
        repeated(5),
        repeated(5, kind=TransportKind.ACKNOWLEDGED),
        update(ApplicationPdu(b"\xff\xfc\x00\x12")),
    ],
)
def test_an_update_is_reported_however_it_is_carried(packet: Packet) -> None:
    assert Reports(lambda: 0.0).of(packet) == REPORT


@pytest.mark.parametrize(
    "packet",
    [
        update(ApplicationPdu(UPDATE), 0, 0),
        update(ApplicationPdu(b"\x80\x01")),
        update(ApplicationPdu(b"\x80")),
        update(ApplicationPdu(b"\x01\x02\x03")),
        repeated(5, b"\x6c\x02\x00", TransportKind.ACKNOWLEDGED),
        repeated(5, b"", TransportKind.ACKNOWLEDGEMENT),
        repeated(5, b""),
    ],
)
def test_anything_else_reports_nothing(packet: Packet) -> None:
    assert Reports(lambda: 0.0).of(packet) is None


def test_the_selector_has_fourteen_bits_and_the_direction_is_none_of_them() -> None:
    reports = Reports(lambda: 0.0)
    for code in (b"\x81\x23", b"\xc1\x23"):
        report = reports.of(update(ApplicationPdu(code + b"\x12\x34")))
        assert report is not None
        assert report.reading == Reading("nv selector 0123", "12 34")


def test_a_repeated_message_is_reported_once_and_the_next_one_again() -> None:
    now = 0.0
    reports = Reports(lambda: now)
    assert [reports.of(repeated(5)) for _ in range(4)] == [REPORT, None, None, None]
    assert reports.of(repeated(6)) == REPORT
    assert reports.of(repeated(5, UPDATE + b"\x01")) is not None
    assert reports.of(repeated(6)) is None
    now = REPEATED_WITHIN
    assert reports.of(repeated(6)) == REPORT
    unacknowledged = update(ApplicationPdu(UPDATE))
    assert [reports.of(unacknowledged) for _ in range(2)] == [REPORT, REPORT]


@given(st.binary(min_size=5, max_size=40))
def test_any_packet_is_a_report_or_none(data: bytes) -> None:
    try:
        packet = Packet.from_bytes(data)
    except PacketError:
        return
    report = Reports(lambda: 0.0).of(packet)
    assert report is None or (report.address is not None and report.reading.value)


@in_no_time
async def test_reports_arrive_and_the_oldest_are_lost_when_nobody_fetches_them() -> None:
    channel = ModelChannel()
    driver = LonDriver(channel, SITE)
    reports = driver.reports()
    first = asyncio.create_task(anext(reports))
    await asyncio.sleep(0)
    channel.hear(repeated(1))
    channel.hear(repeated(1), after=0.05)
    assert await first == REPORT
    await asyncio.sleep(0.1)
    for number in range(REPORTS_KEPT + 1):
        channel.hear(update(ApplicationPdu(b"\x80\x00" + number.to_bytes(2, "big"))), after=number / 1000)
    await asyncio.sleep(2)
    assert (await anext(reports)).reading.value == "00 01"
    await reports.aclose()
    await driver.close()


@in_no_time
async def test_reports_end_with_the_port() -> None:
    channel = ModelChannel()
    driver = LonDriver(channel, SITE)
    waiting = asyncio.create_task(anext(driver.reports()))
    await asyncio.sleep(0)
    channel.fail("unplugged")
    with pytest.raises(PortError):
        await waiting
    await driver.close()


def test_polling_leaves_most_of_a_channel_to_the_devices() -> None:
    assert LonDriver.polls_per_second == 25
