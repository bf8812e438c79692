"""The load of an application image, against a device of our own that loses what a real one would lose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from core.errors import Kind
from drivers.base import (
    Address,
    Checkpoint,
    DriverError,
    Facts,
    NetworkState,
    Priority,
    Progress,
    Snapshot,
    Step,
    StepEvent,
    Target,
)
from drivers.lon import loading
from drivers.lon.dialogue import Dialogue, at
from drivers.lon.images import ApplicationImage, RecordKind, parse_apb
from drivers.lon.packets import ApplicationPdu, NeuronId, Packet, SessionPdu, TransportPdu
from drivers.lon.structures import UNUSED_DOMAIN, DomainEntry
from drivers.lon.transactions import Transactions

from .images import FIRMWARE, FT_6050, PROGRAM_ID, VARIABLES, build_apb
from .simulation import in_no_time
from .test_transactions import ME, Channel

UID = "00A1B2C3D401"
SHA = "ab" * 32
IMAGE = parse_apb(build_apb(records=40))
OTHER = parse_apb(build_apb(records=40, program_id=bytes.fromhex("9FFFFF0000000002")))
PLACE = DomainEntry(b"\x55", 1, 10)
RAM = range(0xE7EA, 0xF000)
TABLES = 0xF048
"""Here an image wipes out the tables that say where a device belongs and with whom it talks."""
CONFIGURATION = 0xF02F
CHANGING = {0xF00A, 0xF015, *range(CONFIGURATION, CONFIGURATION + 25)}
APPLICATION_WORDS = 0x10000
BINDING = bytes([1, 10, 0x35, 0x05, 1])
RESET_SECONDS = 1.0


@dataclass
class Counter:
    """After so many requests of a kind, something happens."""

    code: int
    remaining: int
    then: Callable[[], None]


class Device:
    """The memory of a device and what management messages do to it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.memory = {
            0xF006: FT_6050,
            0xF00A: VARIABLES,
            0xF015: 0x44,
            0xF016: 0x20,
            **dict(enumerate(bytes.fromhex(UID), 0xF000)),
        }
        self.memory |= dict(enumerate(PROGRAM_ID, 0xF00D))
        self.firmware = FIRMWARE
        self.reset_cause = 1
        self.error = 0
        self.domains = [PLACE.to_bytes(), UNUSED_DOMAIN.to_bytes()]
        self.addresses = [BINDING, bytes(5)]
        self.variables = {index: bytes([0x20, index, 0x00]) for index in range(VARIABLES)}
        self.summed: dict[int, int] | None = None
        self.lost_ram = False
        self.requests: list[bytes] = []
        self.silent_until = 0.0
        self.refuses: Callable[[bytes], bool] = lambda _apdu: False
        self.mute: Callable[[bytes], bool] = lambda _apdu: False
        self.counters: list[Counter] = []
        channel.on_send = self.hear

    @property
    def state(self) -> int:
        return self.memory[0xF015] & 7

    @state.setter
    def state(self, state: int) -> None:
        self.memory[0xF015] = 0x40 | state

    def count(self, code: int) -> int:
        return sum(apdu[0] == code for apdu in self.requests)

    @property
    def writes(self) -> int:
        """Of image records."""
        return sum(apdu[0] == 0x6E and apdu[1] in (0, 7) for apdu in self.requests)

    def lose_power(self) -> None:
        for address in RAM:
            self.memory.pop(address, None)
        self.lost_ram = True
        self.start(1)

    def start(self, cause: int) -> None:
        self.reset_cause = cause
        self.silent_until = asyncio.get_running_loop().time() + RESET_SECONDS
        if self.state in (2, 4) and self.summed is not None and self.summed != self._content():
            self.state, self.error = 3, loading.CHECKSUM_WRONG

    def _content(self) -> dict[int, int]:
        return {a: b for a, b in self.memory.items() if a not in CHANGING and a not in RAM}

    def hear(self, packet: Packet) -> None:
        if asyncio.get_running_loop().time() < self.silent_until:
            return
        assert isinstance(packet.destination, NeuronId)
        assert isinstance(packet.pdu, SessionPdu | TransportPdu | ApplicationPdu)
        apdu = packet.pdu.apdu
        self.requests.append(apdu)
        for counter in self.counters:
            counter.remaining -= counter.code == apdu[0]
            if counter.remaining == 0:
                counter.remaining = -1
                counter.then()
                return
        if self.mute(apdu):
            return
        if isinstance(packet.pdu, ApplicationPdu):
            assert apdu == b"\x6c\x02"
            self.start(0x14)
            return
        if isinstance(packet.pdu, TransportPdu):
            self.channel.answer(packet, b"")
            return
        content = None if self.refuses(apdu) else self.answer(apdu)
        code = apdu[0]
        failure = code & 0x1F if code >= 0x60 else 0x10 | code & 0x0F
        success = 0x20 | code & 0x1F if code >= 0x60 else 0x30 | code & 0x0F
        self.channel.answer(packet, bytes([failure]) if content is None else bytes([success]) + content)

    def answer(self, apdu: bytes) -> bytes:
        code, data = apdu[0], apdu[1:]
        tables = {0x67: dict(enumerate(self.addresses)), 0x68: self.variables, 0x6A: dict(enumerate(self.domains))}
        if code == 0x51:
            return bytes(10) + bytes([self.reset_cause, self.state, self.firmware, self.error, FT_6050])
        if code == 0x6D:
            return bytes(self.memory.get(self.start_of(data) + at, 0) for at in range(data[3]))
        if code in tables:
            return tables[code][data[0]]
        self.change(code, data)
        return b""

    def change(self, code: int, data: bytes) -> None:
        match code:
            case 0x53:
                self.reset_cause = self.error = 0
            case 0x63:
                self.domains[data[0]] = data[1:]
            case 0x66:
                self.addresses[data[0]] = data[1:]
            case 0x6B:
                self.variables[data[0]] = data[1:]
            case 0x6C:
                self.state = data[1]
            case 0x6E:
                assert self.state == 3, "it runs while it is written"
                assert data[3] == len(data[5:]) <= 32
                self.memory |= dict(enumerate(data[5:], self.start_of(data)))
                if self.start_of(data) == TABLES:
                    self.domains, self.addresses = [UNUSED_DOMAIN.to_bytes()] * 2, [bytes(5)] * 2
            case 0x6F if data[0] == 1:
                self.summed, self.lost_ram = self._content(), False
                assert all(self.memory.get(address) is not None for address in range(0xE7EA, 0xE800)), "RAM is lost"

    def start_of(self, data: bytes) -> int:
        offset = int.from_bytes(data[1:3], "big")
        return {0: offset, 1: 0xF000 + offset, 2: CONFIGURATION + offset, 7: APPLICATION_WORDS + 16 * offset}[data[0]]

    @property
    def configured_as_before(self) -> bool:
        bindings = {index: bytes([0x20, index, 0x00]) for index in range(VARIABLES)}
        return (self.state, self.domains[0], self.addresses[0]) == (4, PLACE.to_bytes(), BINDING) and (
            self.variables == bindings
        )

    def holds(self, image: ApplicationImage) -> bool:
        expected: dict[int, int] = {}
        for record in image.records:
            base = APPLICATION_WORDS if record.kind is RecordKind.WORDS else 0
            if record.kind is not RecordKind.VARIABLE:
                expected |= dict(enumerate(record.data, base + record.start))
        expected = {address: byte for address, byte in expected.items() if address not in CHANGING}
        if self.lost_ram:  # after the checksums: from then on it is the program's own
            expected = {address: byte for address, byte in expected.items() if address not in RAM}
        return all(self.memory.get(address) == byte for address, byte in expected.items())


class Bench:
    """A device, a way to it, and what a load says."""

    def __init__(self) -> None:
        self.channel = Channel()
        self.device = Device(self.channel)
        self.work = Transactions(self.channel, ME)
        self.events: list[StepEvent] = []
        self.target = Target(UID, PROGRAM_ID.hex().upper())
        self.gate = asyncio.Semaphore(1)

    async def load(self, image: ApplicationImage = IMAGE, *, force: bool = False, sha: str = SHA) -> None:
        self.events = []
        place = at(self.target.address) if self.target.address is not None else None
        dialogue = Dialogue(self.work, UID, Priority.JOB, place)
        steps = loading.load(dialogue, self.target, image, sha, force=force, gate=self.gate)
        async for event in steps:
            self.events.append(event)

    def take_up(self) -> None:
        """What comes back to a driver when the operation is taken up again."""
        for event in self.events:
            if isinstance(event, Checkpoint):
                self.target = replace(self.target, checkpoint=event)
            if isinstance(event, Snapshot):
                self.target = replace(self.target, snapshot=event)

    @property
    def steps(self) -> list[str]:
        return [event.name for event in self.events if isinstance(event, Step)]

    @property
    def facts(self) -> Facts:
        return [event for event in self.events if isinstance(event, Facts)][-1]

    async def fails(self, kind: Kind, image: ApplicationImage = IMAGE, *, force: bool = False) -> str:
        with pytest.raises(DriverError) as failure:
            await self.load(image, force=force)
        assert failure.value.kind is kind
        return str(failure.value)

    async def is_cut_off(self, code: int, after: int, then: Callable[[], None] | None = None) -> None:
        """Power fails at the so-manyth request of that kind, and stays off until the load has failed."""

        def fail() -> None:
            (then or self.device.lose_power)()
            self.device.silent_until = float("inf")

        self.device.counters = [Counter(code, after, fail)]
        await self.fails(Kind.NO_REPLY)
        self.device.silent_until = 0
        self.device.requests.clear()
        self.take_up()


WRITES = sum(record.kind is not RecordKind.VARIABLE for record in IMAGE.records)


@in_no_time
async def test_a_load_writes_everything_and_leaves_the_device_as_it_was() -> None:
    bench = Bench()
    await bench.load()
    assert bench.steps == [
        "check image",
        "save configuration",
        "offline",
        "applicationless",
        "clear status",
        "write records",
        "checksums",
        "restore domain",
        "compare",
        "write address table",
        "write network variables",
        "write configuration data",
        "checksum",
        "read back configuration",
        "check domain",
        "state",
        "reset",
        "verify",
    ]
    assert bench.device.holds(IMAGE)
    assert bench.device.writes == WRITES
    assert bench.device.configured_as_before
    assert bench.facts == Facts(
        state=NetworkState.PROVISIONED,
        application=True,
        program_id=PROGRAM_ID.hex().upper(),
        marginal="",
        note="",
        model=36,
        firmware=21,
    )
    first = bench.events[1]
    assert isinstance(first, Facts)
    assert (first.model, first.firmware) == (FT_6050, FIRMWARE)


@in_no_time
async def test_a_checkpoint_comes_before_each_record_and_progress_behind_it() -> None:
    bench = Bench()
    await bench.load()
    numbers = [event.data["record"] for event in bench.events if isinstance(event, Checkpoint)]
    assert numbers == [0, *range(len(IMAGE.records)), *[len(IMAGE.records)] * 3]
    progress = [event for event in bench.events if isinstance(event, Progress)]
    assert [event.done for event in progress] == sorted({event.done for event in progress})
    assert (progress[-1].done, progress[-1].total, progress[-1].unit) == (IMAGE.size, IMAGE.size, "bytes")
    places = [index for index, event in enumerate(bench.events) if isinstance(event, Checkpoint)]
    applicationless = bench.events.index(
        next(e for e in bench.events if isinstance(e, Step) and e.name == "applicationless")
    )
    assert places[0] < applicationless
    facts = bench.events[applicationless + 1]
    assert facts == Facts(state=NetworkState.UNPROVISIONED, application=False)


@in_no_time
async def test_an_unconfigured_device_stays_unconfigured() -> None:
    bench = Bench()
    bench.device.state = 2
    await bench.load()
    assert bench.device.state == 2
    assert "offline" not in bench.steps
    assert bench.facts.state is NetworkState.UNPROVISIONED
    assert bench.facts.application is True


@pytest.mark.parametrize(
    ("image", "forced", "reason"),
    [
        (replace(IMAGE, model=0x20), False, "model 32, the device is model 36"),
        (replace(IMAGE, firmware=FIRMWARE + 1), False, "needs firmware 22, the device has the older 21"),
        (replace(IMAGE, firmware=FIRMWARE - 1), True, "firmware 20, the device has the newer 21"),
        (OTHER, True, "program ID 9FFFFF0000000002, the device 9FFFFF0502840450"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    image: ApplicationImage, forced: bool, reason: str
) -> None:
    @in_no_time
    async def run() -> None:
        bench = Bench()
        assert reason in await bench.fails(Kind.INCOMPATIBLE, image)
        assert {apdu[0] for apdu in bench.device.requests} == {0x51, 0x6D}
        assert (bench.facts.model, bench.facts.firmware) == (FT_6050, FIRMWARE)
        if forced:
            await bench.load(image, force=True)
            assert bench.device.holds(image)
        else:
            await bench.fails(Kind.INCOMPATIBLE, image, force=True)

    run()


@in_no_time
async def test_a_protected_program_is_not_written_over() -> None:
    bench = Bench()
    bench.device.memory[0xF00A] = 0x83
    assert "protected" in await bench.fails(Kind.INCOMPATIBLE, force=True)


@in_no_time
async def test_another_unit_that_answers_is_noticed() -> None:
    bench = Bench()
    bench.device.memory[0xF005] = 0x02
    await bench.fails(Kind.WRONG_DEVICE)


@in_no_time
async def test_another_program_gets_the_place_but_not_the_bindings() -> None:
    bench = Bench()
    await bench.load(OTHER, force=True)
    assert (bench.device.state, bench.device.domains[0]) == (4, PLACE.to_bytes())
    assert bench.device.addresses[0] == bytes(5)
    assert "another program" in (bench.facts.note or "")


@pytest.mark.parametrize("address", [None, Address("1/10", {"domain": "55", "subnet": 1, "node": 10})])
def test_without_a_saved_configuration_the_record_says_where_it_belongs(address: Address | None) -> None:
    @in_no_time
    async def run() -> None:
        bench = Bench()
        bench.device.state = 3
        before = {"sha256": "cd" * 32, "phase": "records", "record": 5, "state": 4}
        bench.target = replace(bench.target, address=address, checkpoint=Checkpoint(before))
        await bench.load()
        if address is None:
            assert (bench.device.state, bench.facts.state) == (2, NetworkState.UNPROVISIONED)
            assert "provision it" in (bench.facts.note or "")
        else:
            assert (bench.device.state, bench.device.domains[0]) == (4, PLACE.to_bytes())
        assert "no configuration of it was kept" in (bench.facts.note or "")

    run()


@in_no_time
async def test_power_lost_in_the_middle_is_taken_up_from_the_first_record() -> None:
    bench = Bench()
    await bench.is_cut_off(0x6E, 20)
    assert bench.facts == Facts(state=NetworkState.UNPROVISIONED, application=False)
    await bench.load()
    assert bench.steps[:3] == ["check image", "clear status", "write records"]
    assert bench.device.writes == WRITES
    assert bench.device.holds(IMAGE)
    assert bench.device.configured_as_before
    assert bench.facts.program_id == PROGRAM_ID.hex().upper()


@in_no_time
async def test_a_load_whose_console_died_goes_on_where_it_was() -> None:
    bench = Bench()
    await bench.is_cut_off(0x6E, 20, then=lambda: None)
    await bench.load()
    assert bench.steps[:3] == ["check image", "compare records", "write records"]
    assert bench.device.writes == WRITES - 19
    first = next(index for index, apdu in enumerate(bench.device.requests) if apdu[0] == 0x6E)
    assert sum(apdu[0] == 0x6D for apdu in bench.device.requests[:first]) == 1 + loading.COMPARED
    assert bench.device.holds(IMAGE)
    progress = [event for event in bench.events if isinstance(event, Progress)]
    assert progress[-1].done == IMAGE.size


@pytest.mark.parametrize("refused", [False, True])
def test_what_cannot_be_proved_to_be_there_is_written_again(refused: bool) -> None:
    @in_no_time
    async def run() -> None:
        bench = Bench()
        await bench.is_cut_off(0x6E, 30, then=lambda: None)
        if refused:
            bench.device.refuses = lambda apdu: apdu[0] == 0x6D and apdu[1] == 7
        else:
            bench.device.memory[APPLICATION_WORDS + 16 * 20] ^= 1
        await bench.load()
        assert "clear status" in bench.steps
        assert bench.device.writes == WRITES
        assert bench.device.holds(IMAGE)

    run()


@pytest.mark.parametrize(
    ("code", "after"),
    [
        (0x6C, 1),
        (0x6C, 2),
        (0x53, 1),
        (0x6E, 1),
        (0x6B, 3),
        (0x6F, 1),
        (0x6A, 2),
        (0x63, 1),
        (0x6C, 3),
        (0x6C, 4),
        (0x53, 2),
        (0x51, 5),
    ],
)
@pytest.mark.parametrize("power", [False, True])
def test_wherever_it_is_cut_off_the_load_is_finished_afterwards(code: int, after: int, power: bool) -> None:
    @in_no_time
    async def run() -> None:
        bench = Bench()
        await bench.is_cut_off(code, after, then=None if power else lambda: None)
        without = bench.device.state == 3
        assert not without or bench.facts.application is False or (code, after) == (0x6C, 2)
        await bench.load()
        assert bench.device.holds(IMAGE)
        assert bench.device.configured_as_before
        assert bench.facts.application is True
        assert bench.facts.state is NetworkState.PROVISIONED

    run()


@in_no_time
async def test_a_device_that_blinks_during_the_load_is_written_again_from_the_first_record() -> None:
    bench = Bench()
    bench.device.counters = [Counter(0x6E, 20, bench.device.lose_power)]
    await bench.load()
    assert bench.device.writes > WRITES
    assert bench.device.holds(IMAGE)
    assert bench.facts.application is True


@in_no_time
async def test_a_device_that_never_stays_up_is_given_up_and_left_applicationless() -> None:
    bench = Bench()
    bench.device.counters = [Counter(0x6E, 20 + 35 * number, bench.device.lose_power) for number in range(3)]
    assert "reset again and again" in await bench.fails(Kind.LOAD_FAILED)
    assert bench.facts.application is False
    assert bench.device.state == 3


@in_no_time
async def test_a_wrong_checksum_after_a_load_that_was_taken_up_is_mended_once() -> None:
    bench = Bench()
    await bench.is_cut_off(0x6E, 30, then=lambda: None)
    damage = lambda: bench.device.memory.__setitem__(0xF020, 0xEE)  # noqa: E731
    bench.device.counters = [Counter(0x6A, 3, damage)]
    await bench.load()
    assert bench.device.holds(IMAGE)
    assert bench.device.requests.count(b"\x6f\x01") == 2
    assert bench.facts.application is True


@in_no_time
async def test_a_checksum_that_stays_wrong_is_a_failure_and_the_device_is_known_to_have_no_application() -> None:
    bench = Bench()
    bench.device.counters = [Counter(0x6A, 5, lambda: bench.device.memory.__setitem__(0xF020, 0xEE))]
    assert "application checksum wrong (152)" in await bench.fails(Kind.LOAD_FAILED)
    assert bench.facts.application is False
    assert bench.facts.marginal == "application checksum wrong (152)"


@in_no_time
async def test_a_refused_record_is_named() -> None:
    bench = Bench()
    bench.device.refuses = lambda apdu: apdu[:4] == b"\x6e\x00\xe7\xea"
    message = await bench.fails(Kind.LOAD_FAILED)
    assert "refuses record 14 of 52, 22 bytes at E7EA" in message
    assert bench.facts.application is False


@in_no_time
async def test_checksums_may_take_a_minute() -> None:
    bench = Bench()
    asked: list[bytes] = []

    def slow(apdu: bytes) -> bool:
        asked.extend([apdu] if apdu[0] == 0x6F else [])
        return apdu[0] == 0x6F and len(asked) < 12

    bench.device.mute = slow
    await bench.load()
    assert bench.facts.application is True


@in_no_time
async def test_a_checkpoint_of_another_image_starts_anew_and_remembers_that_the_device_was_configured() -> None:
    bench = Bench()
    await bench.is_cut_off(0x6E, 20, then=lambda: None)
    await bench.load(sha="cd" * 32)
    assert "compare records" not in bench.steps
    assert bench.device.writes == WRITES
    assert bench.device.configured_as_before


@in_no_time
async def test_a_device_without_application_is_loaded_without_saving_anything() -> None:
    bench = Bench()
    bench.device.state = 3
    await bench.load()
    assert "save configuration" not in bench.steps
    assert bench.device.state == 2
    bench = Bench()
    bench.device.state = 3
    assert "it can be forced" in await bench.fails(Kind.INCOMPATIBLE, OTHER)
    bench.target = replace(bench.target, program_id=None)
    await bench.load(OTHER)
    assert bench.device.holds(OTHER)


@pytest.mark.parametrize(
    "data", [{}, {"sha256": SHA}, {"sha256": SHA, "phase": "records", "record": "x"}, {"phase": 3}]
)
def test_a_checkpoint_that_makes_no_sense_is_none(data: dict[str, object]) -> None:
    @in_no_time
    async def run() -> None:
        bench = Bench()
        bench.target = replace(bench.target, checkpoint=Checkpoint(data))
        await bench.load()
        assert bench.device.holds(IMAGE)

    run()


@in_no_time
async def test_only_so_many_devices_stand_still_at_once() -> None:
    bench = Bench()
    await bench.gate.acquire()
    loaded = asyncio.create_task(bench.load())
    await asyncio.sleep(60)
    assert bench.steps == ["check image"]
    assert bench.device.state == 4
    bench.gate.release()
    await loaded
    assert bench.device.holds(IMAGE)
    assert not bench.gate.locked()
