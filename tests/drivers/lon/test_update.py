"""Image Update: its messages, and the course of it with devices of our own that lose packets and take their time."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Kind
from drivers.base import (
    Checkpoint,
    DriverError,
    Facts,
    Image,
    NetworkState,
    Priority,
    Progress,
    Step,
    StepEvent,
    Target,
)
from drivers.lon import update
from drivers.lon import update_messages as m
from drivers.lon.dialogue import Dialogue
from drivers.lon.management import Refused
from drivers.lon.packets import ApplicationPdu, Broadcast, NeuronId, Packet, SessionPdu
from drivers.lon.structures import UNUSED_DOMAIN, AnswerError, DomainEntry
from drivers.lon.transactions import Transactions

from .simulation import in_no_time
from .test_transactions import ME, Channel

SESSION = bytes.fromhex("01020304")
PROGRAM_ID = bytes.fromhex("9FFFFF0502840450")
CONTENT = bytes(range(256)) * 10
IMAGE = Image("new.nx", hashlib.sha256(CONTENT).hexdigest(), CONTENT)
PACKETS = 20
SITE = b"\x55"


@dataclass
class Device:
    """A device with a second bank. `loses` says which packets do not arrive at which of their sendings."""

    number: int
    state: int = 4
    domain: bytes = SITE
    largest: int = 240
    spacing: int = 40
    digests: int = 1
    action_time: int = 2
    speaks: bool = True
    loses: Callable[[int, int], bool] = lambda _number, _sending: False
    answers: dict[int, list[bytes]] = field(default_factory=dict)
    """Next answers by sub-code, before the true ones."""
    asked: list[bytes] = field(default_factory=list)
    heard: dict[int, int] = field(default_factory=dict)
    session: bytes = b""
    terms: tuple[int, int, int] = (0, 0, 0)
    packets: dict[int, bytes] = field(default_factory=dict)
    valid: bool = False
    active: bool = False
    committed: bool = False
    powered: bool = True

    @property
    def uid(self) -> str:
        return f"00A1B2C3{self.number:04X}"

    @property
    def image(self) -> bytes:
        return b"".join(self.packets[number] for number in sorted(self.packets))

    def count(self, sub_code: int) -> int:
        return sum(apdu[:2] == bytes([0x60, sub_code]) for apdu in self.asked)

    def hear(self, apdu: bytes) -> None:
        """A packet."""
        assert apdu[:2] == b"\x60\x1d"
        number = int.from_bytes(apdu[6:8], "big")
        self.heard[number] = self.heard.get(number, 0) + 1
        if apdu[2:6] == self.session and not self.loses(number, self.heard[number]):
            self.packets.setdefault(number, apdu[8:])

    def answer(self, apdu: bytes) -> bytes:
        self.asked.append(apdu)
        match apdu[0]:
            case 0x51:
                return b"\x31" + bytes(10) + bytes([0, self.state, 21, 0, 36])
            case 0x6A:
                entry = (
                    DomainEntry(self.domain, 1, self.number).to_bytes() if apdu[1] == 0 else UNUSED_DOMAIN.to_bytes()
                )
                return b"\x2a" + entry
            case 0x6D:
                return b"\x2d" + PROGRAM_ID
        sub_code, data = apdu[1], apdu[2:]
        if not self.speaks:
            return b"\x00"
        said: bytes | None
        if self.answers.get(sub_code):
            said = self.answers[sub_code].pop(0)
        else:
            said = {
                0x1C: self.init,
                0x1E: self.confirm,
                0x1F: self.validate,
                0x20: self.switch_over,
                0x21: lambda _data: bytes([4 if self.active else 2, 0]) + bytes(4),
                0x22: self.commit,
            }[sub_code](data)
        return b"\x00" if said is None else b"\x20" + bytes([sub_code]) + said

    def init(self, data: bytes) -> bytes:
        size, count, length = (int.from_bytes(data[a:b], "big") for a, b in ((14, 16), (16, 18), (18, 22)))
        assert data[4:14] == m.APPLICATION
        assert not any(data[22:])
        assert count == -(-length // size)
        result = 2 if size > self.largest else 0
        if not result and (data[:4], (size, count, length)) != (self.session, self.terms):
            self.session, self.terms, self.packets = data[:4], (size, count, length), {}
        head = bytes([result]) + self.action_time.to_bytes(2, "big") + min(size, self.largest).to_bytes(2, "big")
        return head + self.spacing.to_bytes(2, "big") + bytes([self.digests]) + count.to_bytes(2, "big")

    def confirm(self, data: bytes) -> bytes | None:
        if data != self.session:
            return None
        count = self.terms[1]
        if len(self.packets) < 0.8 * count:
            return b"\x03\x00"
        missing = [number for number in range(1, count + 1) if number not in self.packets][:20]
        return bytes([2 if missing else 0, len(missing)]) + b"".join(n.to_bytes(2, "big") for n in missing)

    def validate(self, data: bytes) -> bytes:
        kind, salt, digest = data[4], data[5:21], data[21:]
        self.valid = kind == 0 or digest == hashlib.md5(salt + self.image, usedforsecurity=False).digest()
        return bytes([0 if self.valid else 4, 0, 0])

    def switch_over(self, data: bytes) -> bytes:
        assert data[0] & 6 == 6, "its configuration would be lost"
        self.active = self.valid
        return bytes([0 if self.valid else 6, 0, 5]) + data[6:] + bytes(2)

    def commit(self, _data: bytes) -> bytes:
        self.committed = self.active
        return bytes([0 if self.active else 4, 0, 0])


class Site(Channel):
    """A channel with such devices."""

    def __init__(self, *devices: Device) -> None:
        super().__init__()
        self.devices = devices
        self.on_send = self.carry
        self.transactions = Transactions(self, ME)
        self.transfers = update.Transfers(self.transactions, SITE)
        self.awaited: tuple[int, asyncio.Event] | None = None

    async def has_sent(self, count: int) -> None:
        """Return when so many packets are on the channel."""
        self.awaited = count, asyncio.Event()
        await self.awaited[1].wait()

    @property
    def sent_packets(self) -> list[Packet]:
        return [packet for packet in self.sent if isinstance(packet.pdu, ApplicationPdu)]

    def carry(self, packet: Packet) -> None:
        if self.awaited is not None and len(self.sent_packets) >= self.awaited[0]:
            self.awaited[1].set()
        for device in self.devices:
            if not device.powered:
                continue
            by_id = packet.destination == NeuronId(bytes.fromhex(device.uid))
            mine = packet.domain == device.domain or device.state == 2
            if isinstance(packet.pdu, ApplicationPdu):
                if by_id or (isinstance(packet.destination, Broadcast) and mine):
                    device.hear(packet.pdu.apdu)
            elif by_id:
                assert isinstance(packet.pdu, SessionPdu)
                self.answer(packet, device.answer(packet.pdu.apdu))

    async def load(self, device: Device, events: list[StepEvent] | None = None, **target: Any) -> list[StepEvent]:
        dialogue = Dialogue(self.transactions, device.uid, Priority.JOB)
        events = [] if events is None else events
        async for event in update.load(dialogue, Target(device.uid, **target), IMAGE, self.transfers):
            events.append(event)
        return events

    async def fails(self, device: Device, kind: Kind, **target: Any) -> tuple[str, list[StepEvent]]:
        events: list[StepEvent] = []
        with pytest.raises(DriverError) as failure:
            await self.load(device, events, **target)
        assert failure.value.kind is kind
        return str(failure.value), events


def checkpoint_of(events: list[StepEvent]) -> Checkpoint:
    return [event for event in events if isinstance(event, Checkpoint)][-1]


# -- messages -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "apdu"),
    [
        (m.Init(SESSION, 128, 20, 2560), "60 1C 01020304 01000000000000000000 0080 0014 00000A00" + "00" * 16),
        (m.Packet(SESSION, 258, b"\xaa\xbb"), "60 1D 01020304 0102 AABB"),
        (m.Confirm(SESSION), "60 1E 01020304"),
        (m.Validate(SESSION, m.Digest.NONE), "60 1F 01020304 00"),
        (m.Validate(SESSION, m.Digest.MD5, bytes(16), b"\x11" * 16), "60 1F 01020304 01" + "00" * 16 + "11" * 16),
        (m.SwitchOver(m.SwitchFlags.KEEP_CONFIGURATION, 3), "60 20 02 00000003 01 01000000000000000000"),
        (m.QueryUpdate(), "60 21 01000000000000000000"),
        (m.Commit(), "60 22 01 01000000000000000000"),
    ],
)
def test_requests_are_laid_out_as_the_protocol_says(request_: m.Expanded[Any], apdu: str) -> None:
    assert request_.to_apdu() == bytes.fromhex(apdu)


def test_answers_are_read() -> None:
    terms = m.Init(SESSION, 128, 20, 2560).answer(bytes.fromhex("20 1C 02 0005 0064 0028 03 001A"))
    assert terms == m.Terms(2, 5, 100, 40, 3, 26)
    assert terms.has_md5
    assert m.Confirm(SESSION).answer(bytes.fromhex("20 1E 02 02 0003 0104")) == m.Missing(2, (3, 260))
    assert m.Validate(SESSION, m.Digest.NONE).answer(bytes.fromhex("20 1F 01 0007")) == m.Result(1, 7)
    status = m.QueryUpdate().answer(bytes.fromhex("20 21 06 00 0000003C 00 00"))
    assert (status.active, status.action_time) == (True, 60)
    with pytest.raises(Refused):
        m.Confirm(SESSION).answer(b"\x00\x1e")
    with pytest.raises(AnswerError, match="sub-code 1F"):
        m.Confirm(SESSION).answer(bytes.fromhex("20 1F 00 00"))


@given(st.binary(max_size=60))
def test_any_answer_is_read_refused_or_an_answer_error(apdu: bytes) -> None:
    requests: list[m.Expanded[Any]] = [
        m.Init(SESSION, 128, 20, 2560),
        m.Confirm(SESSION),
        m.Validate(SESSION, m.Digest.NONE),
        m.SwitchOver(m.SwitchFlags.KEEP_CONFIGURATION, 3),
        m.QueryUpdate(),
        m.Commit(),
    ]
    for request in requests:
        for said in (apdu, bytes([0x20, request.SUB_CODE]) + apdu):
            try:
                answer = request.answer(said)
            except (AnswerError, Refused):
                continue
            if not isinstance(answer, m.UpdateStatus):
                assert answer.result == OK or request.in_words(answer.result)


OK = m.OK


# -- the course of it --------------------------------------------------------------------------------


@in_no_time
async def test_a_device_gets_its_image_by_neuron_id_and_keeps_its_configuration() -> None:
    device = Device(1)
    site = Site(device)
    events = await site.load(device)
    assert [event.name for event in events if isinstance(event, Step)] == [
        "check image",
        "begin update",
        "transfer",
        "validate",
        "switch over",
        "wait for it",
        "commit",
        "verify",
    ]
    assert device.image == CONTENT
    assert device.committed
    assert len(site.sent_packets) == PACKETS
    assert {type(packet.destination) for packet in site.sent_packets} == {NeuronId}
    assert events[-1] == Facts(
        state=NetworkState.PROVISIONED,
        application=True,
        program_id=PROGRAM_ID.hex().upper(),
        marginal="",
        note="",
        model=36,
        firmware=21,
    )
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    assert (progress[-1].done, progress[-1].total, progress[-1].unit) == (len(CONTENT), len(CONTENT), "bytes")
    assert any(0 < event.done < len(CONTENT) for event in progress)


@in_no_time
async def test_many_devices_share_one_transfer() -> None:
    devices = [Device(number, state=2 if number % 2 else 4, spacing=number * 20) for number in range(1, 7)]
    site = Site(*devices)
    loop = asyncio.get_running_loop()
    times: list[float] = []
    deliver = site.on_send

    def timed(packet: Packet) -> None:
        times.extend([loop.time()] if isinstance(packet.pdu, ApplicationPdu) else [])
        deliver(packet)

    site.on_send = timed
    await asyncio.gather(*(site.load(device) for device in devices))
    assert all(device.image == CONTENT and device.committed for device in devices)
    assert len(site.sent_packets) == PACKETS
    assert {packet.destination for packet in site.sent_packets} == {Broadcast()}
    assert {packet.domain for packet in site.sent_packets} == {SITE}
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.12 - 1e-6


@in_no_time
async def test_what_anyone_has_missed_is_sent_again_to_all_at_once() -> None:
    devices = [
        Device(1, loses=lambda number, sending: number == 3 and sending == 1),
        Device(2, loses=lambda number, sending: number in (3, 7) and sending <= 2),
        Device(3),
    ]
    site = Site(*devices)
    await asyncio.gather(*(site.load(device) for device in devices))
    assert all(device.image == CONTENT and device.committed for device in devices)
    numbers = [int.from_bytes(p.pdu.apdu[6:8], "big") for p in site.sent_packets if isinstance(p.pdu, ApplicationPdu)]
    assert numbers == [*range(1, PACKETS + 1), 3, 7, 3, 7]


@in_no_time
async def test_a_device_in_another_domain_gets_its_own_packets() -> None:
    devices = [Device(1), Device(2), Device(3, domain=b"\x99")]
    site = Site(*devices)
    await asyncio.gather(*(site.load(device) for device in devices))
    assert all(device.image == CONTENT for device in devices)
    assert [type(packet.destination) for packet in site.sent_packets].count(NeuronId) == PACKETS
    assert len(site.sent_packets) == 2 * PACKETS


@in_no_time
async def test_a_device_that_comes_late_joins_and_gets_what_it_has_missed() -> None:
    early, late = Device(1, spacing=500), Device(2, spacing=500, action_time=0)
    site = Site(early, late)
    first = asyncio.create_task(site.load(early))
    await site.has_sent(PACKETS // 2)
    await asyncio.gather(first, site.load(late))
    assert early.image == late.image == CONTENT
    assert early.session == late.session
    assert len(site.sent_packets) < 2 * PACKETS


@in_no_time
async def test_smaller_packets_for_a_device_that_cannot_take_ours() -> None:
    small, other = Device(1, largest=50), Device(2)
    site = Site(small, other)
    await asyncio.gather(site.load(small), site.load(other))
    assert small.image == other.image == CONTENT
    assert small.terms[:2] == (50, 52)
    assert len(site.sent_packets) == PACKETS + 52


@in_no_time
async def test_a_busy_device_is_asked_again_when_it_says_it_will_be_ready() -> None:
    device = Device(1)
    terms = bytes.fromhex("01 0007 0080 0028 01 0014")
    device.answers = {
        0x1C: [terms, terms],
        0x1E: [b"\x01\x00"],
        0x1F: [b"\x01\x00\x04"] * 3,
        0x22: [b"\x01\x00\x04"] * 2,
    }
    site = Site(device)
    await site.load(device)
    assert device.committed
    assert [device.count(sub_code) for sub_code in (0x1C, 0x1E, 0x1F, 0x22)] == [3, 2, 4, 3]
    validations = [apdu for apdu in device.asked if apdu[:2] == b"\x60\x1f"]
    assert len(set(validations)) == 1


@in_no_time
async def test_a_device_that_is_busy_for_ever_is_given_up() -> None:
    device = Device(1, answers={0x1F: [b"\x01\x00\x3c"] * 100})
    message, _ = await Site(device).fails(device, Kind.LOAD_FAILED)
    assert "still busy after 600 s" in message


@in_no_time
async def test_everything_is_sent_again_when_hardly_anything_has_arrived() -> None:
    device = Device(1, loses=lambda number, sending: sending == 1 and number > 5)
    site = Site(device)
    await site.load(device)
    assert device.image == CONTENT
    assert len(site.sent_packets) == 2 * PACKETS
    deaf = Device(2, loses=lambda _number, _sending: True)
    site = Site(deaf)
    message, events = await site.fails(deaf, Kind.LOAD_FAILED)
    assert "hardly any packet arrives" in message
    assert len(site.sent_packets) == update.PASSES * PACKETS
    assert not any(isinstance(event, Facts) and event.application is False for event in events)


@in_no_time
async def test_a_packet_that_never_arrives_ends_the_load() -> None:
    device = Device(1, loses=lambda number, _sending: number == 9)
    message, _ = await Site(device).fails(device, Kind.LOAD_FAILED)
    assert "packet 9 of 20 never arrives" in message


@in_no_time
async def test_an_answer_that_names_no_packet_of_ours_ends_the_load() -> None:
    for said in (b"\x02\x00", b"\x02\x01\x00\x15", b"\x02\x01\x00\x00", b"\x09\x00"):
        device = Device(1, answers={0x1E: [said]})
        message, _ = await Site(device).fails(device, Kind.LOAD_FAILED)
        assert "missing packets" in message


@in_no_time
async def test_a_device_that_does_not_speak_the_protocol_is_told_from_one_that_refuses_the_image() -> None:
    device = Device(1, speaks=False)
    message, _ = await Site(device).fails(device, Kind.INCOMPATIBLE)
    assert "does not speak the Image Update Protocol, and the image is opaque" in message
    for result, words in ((6, "for another model"), (7, "too large for it"), (2, "packets are too large"), (77, "77")):
        device = Device(1, answers={0x1C: [bytes([result]) + bytes.fromhex("0000 0080 0028 01 0014")]})
        message, _ = await Site(device).fails(device, Kind.INCOMPATIBLE)
        assert words in message
        assert not device.packets


@in_no_time
async def test_a_wrong_digest_ends_the_load_and_the_next_one_begins_anew() -> None:
    device = Device(1)
    site = Site(device)
    device.answers = {0x1F: [b"\x04\x00\x00"]}
    message, events = await site.fails(device, Kind.LOAD_FAILED)
    assert "what it has received is not what was sent" in message
    assert not device.active
    session = device.session
    await site.load(device, checkpoint=checkpoint_of(events))
    assert device.session != session
    assert device.committed


@in_no_time
async def test_a_device_without_md5_validates_by_itself() -> None:
    for device in (Device(1, digests=0), Device(2, answers={0x1F: [b"\x06\x00\x00"]})):
        await Site(device).load(device)
        assert device.committed
        assert any(apdu[:2] == b"\x60\x1f" and apdu[6:] == b"\x00" for apdu in device.asked)


@in_no_time
async def test_what_a_device_cannot_do_at_the_switch_over_is_done_without_but_never_its_configuration() -> None:
    device = Device(1, answers={0x20: [b"\x03\x00\x00", b"\x07\x00\x00"]})
    await Site(device).load(device)
    switches = [apdu[2:7] for apdu in device.asked if apdu[:2] == b"\x60\x20"]
    assert switches == [b"\x07\x00\x00\x00\x03", b"\x06\x00\x00\x00\x03", b"\x06\x00\x00\x00\x00"]
    device = Device(1, answers={0x20: [b"\x04\x00\x00"]})
    message, _ = await Site(device).fails(device, Kind.LOAD_FAILED)
    assert "cannot keep its configuration" in message


@in_no_time
async def test_an_image_that_the_device_rejects_or_never_runs_is_a_failure() -> None:
    rejected = Device(1, answers={0x21: [bytes.fromhex("02 05 00000000")]})
    assert "rejects the image (code 5)" in (await Site(rejected).fails(rejected, Kind.LOAD_FAILED))[0]
    asleep = Device(1, answers={0x21: [bytes.fromhex("02 00 00000000")] * 1000})
    assert "goes on with its old image" in (await Site(asleep).fails(asleep, Kind.LOAD_FAILED))[0]
    broken = Device(1, answers={0x22: [b"\x04\x00\x00"]})
    assert "it failed" in (await Site(broken).fails(broken, Kind.LOAD_FAILED))[0]
    there = Device(1, answers={0x22: [b"\x03\x00\x00"]})
    await Site(there).load(there)


@in_no_time
async def test_a_device_that_had_switched_over_already_when_it_was_asked_again_goes_on() -> None:
    device = Device(1, answers={0x20: [b"\x06\x00\x00"]}, active=True)
    await Site(device).load(device)
    assert device.committed


@in_no_time
async def test_a_device_may_take_a_minute_to_come_back() -> None:
    device = Device(1)
    site = Site(device)
    dialogue = Dialogue(site.transactions, device.uid, Priority.JOB)
    events: list[StepEvent] = []
    async for event in update.load(dialogue, Target(device.uid), IMAGE, site.transfers):
        events.append(event)
        if isinstance(event, Step) and event.name == "wait for it":
            device.powered = False
            asyncio.get_running_loop().call_later(60, setattr, device, "powered", True)
    assert device.committed


@in_no_time
async def test_a_device_that_comes_back_without_its_configuration_is_noticed() -> None:
    device = Device(1)

    def forget(_number: int, _sending: int) -> bool:
        device.state = 2
        return False

    device.loses = forget
    message, events = await Site(device).fails(device, Kind.VERIFY_FAILED)
    assert "expected configured, found unconfigured" in message
    assert [e for e in events if isinstance(e, Facts)][-1].state is NetworkState.UNPROVISIONED


async def cut_off(site: Site, device: Device, at: str) -> Checkpoint:
    """The console dies when that step is announced."""
    dialogue = Dialogue(site.transactions, device.uid, Priority.JOB)
    steps = update.load(dialogue, Target(device.uid), IMAGE, site.transfers)
    events: list[StepEvent] = []
    async for event in steps:
        events.append(event)
        if isinstance(event, Step) and event.name == at:
            break
    await steps.aclose()
    return checkpoint_of(events)


@pytest.mark.parametrize(
    ("step", "packets"),
    [("transfer", PACKETS), ("validate", 0), ("switch over", 0), ("wait for it", 0), ("commit", 0), ("verify", 0)],
)
def test_a_load_that_was_cut_off_goes_on_in_the_same_session(step: str, packets: int) -> None:
    @in_no_time
    async def run() -> None:
        device = Device(1)
        site = Site(device)
        checkpoint = await cut_off(site, device, step)
        session = device.session
        site.sent.clear()
        await site.load(device, checkpoint=checkpoint)
        assert device.committed
        assert device.session == session
        assert len(site.sent_packets) == packets

    run()


@in_no_time
async def test_a_long_transfer_can_be_stopped_at_a_checkpoint_in_it() -> None:
    device = Device(1, spacing=1000)
    events = await Site(device).load(device)
    names = [type(event).__name__ for event in events]
    assert "Checkpoint" in names[names.index("Progress") : -names[::-1].index("Progress")]


@in_no_time
async def test_what_had_arrived_before_the_cut_is_not_sent_again() -> None:
    device = Device(1)
    site = Site(device)
    events: list[StepEvent] = []
    loading = asyncio.create_task(site.load(device, events))
    await site.has_sent(17)
    loading.cancel()
    await asyncio.wait({loading})
    count = len(site.sent_packets)
    await asyncio.sleep(10)
    assert len(site.sent_packets) == count
    checkpoint = checkpoint_of(events)
    await site.load(device, checkpoint=checkpoint)
    assert device.image == CONTENT
    assert len(site.sent_packets) == PACKETS


@in_no_time
async def test_a_device_that_has_forgotten_the_session_begins_again_with_it() -> None:
    device = Device(1)
    site = Site(device)
    checkpoint = await cut_off(site, device, "validate")
    device.session, device.packets = b"", {}
    await site.load(device, checkpoint=checkpoint)
    assert device.session.hex() == checkpoint.data["session"]
    assert device.committed


@pytest.mark.parametrize(
    "changes", [{"sha256": "00" * 32}, {"session": "01"}, {"packet": 0}, {"packet": "x"}, {"phase": "records"}]
)
def test_a_checkpoint_of_something_else_begins_anew(changes: dict[str, object]) -> None:
    @in_no_time
    async def run() -> None:
        device = Device(1)
        site = Site(device)
        checkpoint = await cut_off(site, device, "validate")
        session = device.session
        await site.load(device, checkpoint=Checkpoint({**checkpoint.data, **changes}))
        assert device.session != session
        assert device.committed

    run()


@in_no_time
async def test_when_the_first_of_many_is_cancelled_another_one_goes_on_sending() -> None:
    devices = [Device(number) for number in range(1, 4)]
    site = Site(*devices)
    loads = [asyncio.create_task(site.load(device)) for device in devices]
    await site.has_sent(PACKETS // 2)
    loads[0].cancel()
    await asyncio.wait(loads)
    assert loads[0].cancelled()
    assert all(device.image == CONTENT and device.committed for device in devices[1:])
    assert len(site.sent_packets) == PACKETS


@in_no_time
async def test_a_dead_device_keeps_the_others_waiting_only_until_it_is_given_up() -> None:
    devices = [Device(1), Device(2), Device(3, powered=False)]
    site = Site(*devices)
    results = await asyncio.gather(*(site.load(device) for device in devices), return_exceptions=True)
    assert isinstance(results[2], DriverError)
    assert results[2].kind is Kind.NO_REPLY
    assert len(site.sent_packets) == PACKETS
    assert all(device.committed for device in devices[:2])


@in_no_time
async def test_an_image_of_more_packets_than_can_be_counted_is_refused() -> None:
    device = Device(1)
    site = Site(device)
    dialogue = Dialogue(site.transactions, device.uid, Priority.JOB)
    image = replace(IMAGE, data=bytes(update.PACKET_SIZE * m.PACKETS_MOST + 1))
    with pytest.raises(DriverError, match="more packets") as refusal:
        async for _ in update.load(dialogue, Target(device.uid), image, site.transfers):
            pass
    assert refusal.value.kind is Kind.INCOMPATIBLE
