"""What is done to units, step by step, and what is left as it was when something is wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest

from core.errors import FieldhandError, Kind
from drivers.base import (
    Address,
    Capability,
    Checkpoint,
    DriverError,
    Facts,
    Found,
    Image,
    ImageFacts,
    NetworkState,
    PortError,
    Progress,
    Reading,
    Snapshot,
    Step,
    StepEvent,
    Target,
)
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.frames import Code, Frame, Function, Refusal
from tests.drivers.modbus.line import Answers, ScriptedLine, run
from tests.drivers.modbus.model import SITE, TYPE, Field, Refuse, Unit, meter, module, open_field

T = TypeVar("T")

METER = "Acme/M1/1.0"
IMAGE = Image("meter.bin", "ab" * 32, b"HEAD" + bytes(range(100)))


def on(field: Field, work: Callable[[ModbusDriver], Awaitable[T]], url: str = "modbus:///dev/ttyX") -> T:
    """Do it with a driver on a line with this field."""

    async def whole() -> T:
        driver, _ = open_field(field, url)
        try:
            return await work(driver)
        finally:
            await driver.close()

    return run(whole())


async def collect(events: AsyncIterator[T]) -> list[T]:
    return [event async for event in events]


async def append(source: AsyncIterator[T], events: list[T]) -> None:
    async for event in source:
        events.append(event)  # noqa: PERF401 - those until it fails are wanted, too


def do(field: Field, capability: Capability, target: Target, **parameters: Any) -> list[StepEvent]:
    """The events of an operation that goes well."""
    return on(field, lambda driver: collect(driver.perform(capability, target, parameters)))


def fails(
    field: Field, capability: Capability, target: Target, **parameters: Any
) -> tuple[FieldhandError, list[StepEvent]]:
    """How an operation fails, and its events until then."""
    events: list[StepEvent] = []

    async def work(driver: ModbusDriver) -> FieldhandError:
        with pytest.raises(FieldhandError) as caught:
            await append(driver.perform(capability, target, parameters), events)
        return caught.value

    return on(field, work), events


def steps(events: list[StepEvent]) -> list[str]:
    return [event.name for event in events if isinstance(event, Step)]


def facts(events: list[StepEvent]) -> Facts:
    """All that was seen, as it is taken over."""
    known: dict[str, object] = {}
    for event in events:
        if isinstance(event, Facts):
            known |= {f.name: v for f in dataclasses.fields(Facts) if (v := getattr(event, f.name)) is not None}
    return Facts(**known)  # type: ignore[arg-type]


def unit(number: int) -> Address:
    return Address(f"unit {number}", {"unit": number})


# -- what can be said without a port ------------------------------------------------------------------


@pytest.mark.parametrize("text", ["5@ttymxc2", " '05@ttymxc2 ", "5 @ /dev/ttymxc2", "005@ttymxc2"])
def test_a_uid_has_one_written_form(text: str) -> None:
    assert ModbusDriver.parse_uid(text) == "5@ttymxc2"


@pytest.mark.parametrize(
    "text", ["", "5", "@ttymxc2", "0@x", "248@x", "x@y", "5@", "5@a b", "5@/", "-5@x", "٥@x", "5@../x\x1b"]
)
def test_what_is_no_unit_on_a_line_is_refused(text: str) -> None:
    with pytest.raises(FieldhandError) as caught:
        ModbusDriver.parse_uid(text)
    assert caught.value.kind is Kind.INVALID_UID


def test_units_1_to_246_are_given_for_at_247_others_wait_from_the_factory() -> None:
    given = list(ModbusDriver.addresses(SITE))
    assert (given[0], given[-1], len(given)) == (unit(1), unit(246), 246)


def test_how_long_a_load_takes_follows_the_image_and_the_speed_of_the_line() -> None:
    def seconds(size: int, baud: int) -> float:
        facts = ImageFacts("bin", opaque=True)
        return ModbusDriver.estimate(Capability.LOAD, f"modbus:///dev/ttymxc2?baud={baud}", facts, size).each

    assert seconds(64_000, 19200) > 64_000 * 2 * 11 / 19200, "it is written and read back"
    assert seconds(128_000, 19200) > 1.9 * seconds(64_000, 19200)
    assert seconds(64_000, 9600) > 1.7 * seconds(64_000, 19200)


def test_every_capability_has_its_operation() -> None:
    for capability in ModbusDriver.capabilities:
        assert getattr(ModbusDriver, capability.value) is not getattr(ModbusDriver.__mro__[1], capability.value, None)
        assert ModbusDriver.estimate(capability, "modbus:///dev/ttymxc2").each > 0
        assert ModbusDriver.at_once(capability) == 1


@pytest.mark.parametrize("name", ["meter.bin", "METER.BIN"])
def test_a_bin_file_is_an_image_that_is_passed_on_as_it_is(name: str) -> None:
    facts = ModbusDriver.read_image(dataclasses.replace(IMAGE, name=name))
    assert (facts.type, facts.opaque, facts.program_id) == ("bin", True, None)


@pytest.mark.parametrize("image", [Image("x.apb", "", b"x"), Image("x.bin", "", b""), Image("bin", "", b"x")])
def test_other_files_are_refused_with_the_reason(image: Image) -> None:
    with pytest.raises(FieldhandError) as caught:
        ModbusDriver.read_image(image)
    assert caught.value.kind is Kind.IMAGE


@pytest.mark.parametrize(("text", "name"), [(" Input  1 ", "Input 1"), ("Voltage", "Voltage")])
def test_a_datapoint_goes_by_its_name(text: str, name: str) -> None:
    assert ModbusDriver.check_point(text) == name


@pytest.mark.parametrize("text", ["", " ", "x" * 41, "a\x1b[m"])
def test_what_can_be_no_name_of_a_datapoint_is_refused(text: str) -> None:
    with pytest.raises(FieldhandError):
        ModbusDriver.check_point(text)


# -- the port -----------------------------------------------------------------------------------------


async def test_a_port_that_is_not_there_is_a_port_error() -> None:
    with pytest.raises(PortError) as caught:
        await ModbusDriver.open("modbus:///dev/no-such-port", SITE)
    assert caught.value.kind is Kind.PORT_ABSENT


def test_a_device_of_another_line_is_not_looked_for_here() -> None:
    error, _ = fails(Field(), Capability.TEST, Target("5@ttyY"))
    assert error.kind is Kind.INVALID
    assert "line ttyY" in str(error)


# -- finding devices ----------------------------------------------------------------------------------


def test_a_search_finds_each_unit_with_what_it_tells_of_itself() -> None:
    mute = Unit(9, deaf_to=frozenset({Function.ENCAPSULATED, Function.REPORT_SERVER_ID}))
    marked = Unit(11, holding={0: 0, 240: 0xE810})
    field = Field(meter(1, serial=0x1234), module(3), mute, marked)
    events = on(field, lambda driver: collect(driver.discover()))
    found = {event.uid: event for event in events if isinstance(event, Found)}
    assert {uid: each.program_id for uid, each in found.items()} == {
        "1@ttyX": METER,
        "3@ttyX": "id 4D44",
        "9@ttyX": "unidentified",
        "11@ttyX": "type module",
    }
    assert all(each.state is None for each in found.values())
    assert found["1@ttyX"].address == unit(1)
    assert found["1@ttyX"].documentation == "Acme M1 1.0 00001234"
    assert [event for event in events if isinstance(event, Progress)][-1] == Progress(247, 247, "units")


def test_a_search_takes_the_timeout_for_each_silent_unit_and_no_more() -> None:
    async def work() -> tuple[float, ScriptedLine]:
        driver, script = open_field(Field(), "modbus:///dev/ttyX?timeout=0.1&units=1-50")
        await collect(driver.discover())
        return script.sent[-1][0] - script.sent[0][0], script

    seconds, script = run(work())
    assert len(script.sent) == 50
    assert seconds == pytest.approx(49 * (0.1 + 8 * 11 / 19200 + 3.5 * 11 / 19200))


def test_two_devices_at_one_unit_are_shown_as_what_they_are() -> None:
    field = Field(meter(5, serial=1), meter(5, serial=2))
    events = on(field, lambda driver: collect(driver.discover()), "modbus:///dev/ttyX?units=5")
    (found,) = (event for event in events if isinstance(event, Found))
    assert "two devices at unit 5?" in found.documentation


def test_what_a_device_tells_is_made_fit_for_a_terminal() -> None:
    device = meter(5)
    device.objects = (b"Ac\x1b[31mme", b"M\x00hidden", b"1\n0")
    found = on(Field(device), lambda driver: driver.identify("5@ttyX"))
    assert found.program_id == "Ac [31mme/M/1 0"


def test_the_first_word_behind_a_server_id_is_part_of_what_a_device_tells() -> None:
    device = Unit(5, server_id=b"\x42\xffIOM-8 1.3 SN0815")
    found = on(Field(device), lambda driver: driver.identify("5@ttyX"))
    assert (found.program_id, found.documentation) == ("id 42 IOM-8", "IOM-8 1.3 SN0815")


def test_who_does_not_answer_is_not_identified() -> None:
    with pytest.raises(DriverError) as caught:
        on(Field(), lambda driver: driver.identify("5@ttyX"))
    assert caught.value.kind is Kind.NO_REPLY


# -- provision ----------------------------------------------------------------------------------------


def test_a_new_device_gets_its_unit_and_proves_itself_there() -> None:
    device = meter(247)
    events = do(Field(device), Capability.PROVISION, Target("247@ttyX", METER, unit(12)))
    assert device.unit == 12
    assert device.writes == [(101, 0x5AA5), (100, 12), (102, 1)]
    seen = facts(events)
    assert (seen.uid, seen.address, seen.state) == ("12@ttyX", unit(12), NetworkState.PROVISIONED)
    assert (seen.program_id, seen.note) == (METER, "Voltage 230.5 V")
    assert steps(events) == [
        "identify",
        "look at new unit",
        "write unit",
        "save unit",
        "identify at new unit",
        "read unit back",
        "look at old unit",
        "first datapoint",
    ]


def test_a_unit_that_is_taken_is_not_given_and_nothing_is_written() -> None:
    device, other = meter(247), module(12)
    error, events = fails(Field(device, other), Capability.PROVISION, Target("247@ttyX", METER, unit(12)))
    assert error.kind is Kind.IN_USE
    assert not device.writes
    assert facts(events).address == unit(247)  # so that another one is given the next time


BY_HAND = TYPE.replace("[unit]", 'by_hand = ["hold its button until the LED blinks", "then start again"]\n\n[unit]')


def locked_meter() -> Unit:
    """A meter that refuses a number until its button is pressed."""
    device = meter(247)

    def refuse(unit: Unit, address: int, value: int) -> None:
        if address == 100:
            unit.holding[100] = 247
            raise Refuse(Code.DEVICE_FAILURE)

    device.on_write = refuse
    return device


def test_what_a_new_unit_needs_by_hand_is_said_in_the_plan_and_when_it_refuses() -> None:
    said = ("hold its button until the LED blinks", "then start again")
    site = dataclasses.replace(SITE, types={"meter": BY_HAND})
    assert ModbusDriver.by_hand(METER, site) == said
    assert ModbusDriver.by_hand(None, site) == ModbusDriver.by_hand("id 4D44", site) == ()
    field = Field(locked_meter(), meter=BY_HAND)
    error, _ = fails(field, Capability.PROVISION, Target("247@ttyX", METER, unit(12)))
    assert (error.kind, error.fields["step"]) == (Kind.NEEDS_HAND, "write unit")
    assert str(error).endswith("hold its button until the LED blinks; then start again")


def test_a_refusal_of_a_unit_that_needs_nothing_by_hand_is_a_refusal() -> None:
    error, _ = fails(Field(locked_meter()), Capability.PROVISION, Target("247@ttyX", METER, unit(12)))
    assert error.kind is Kind.REFUSED


def test_a_second_new_device_at_the_same_number_is_noticed() -> None:
    first = meter(247)
    second = meter(13, serial=2)

    def another_comes(frame: Frame, answers: Answers) -> Answers:
        second.unit = 247 if first.unit == 12 else 13
        return answers

    field = Field(first, second)
    field.spoil = another_comes
    seen = facts(do(field, Capability.PROVISION, Target("247@ttyX", METER, unit(12))))
    assert (seen.uid, seen.state) == ("12@ttyX", NetworkState.PROVISIONED)
    assert "another new device answers at unit 247" in (seen.note or "")


def test_a_device_whose_unit_is_set_by_hand_keeps_it() -> None:
    events = do(Field(module(3)), Capability.PROVISION, Target("3@ttyX", "id 4D44", unit(1)))
    seen = facts(events)
    assert (seen.address, seen.uid, seen.note) == (unit(3), None, "Output on")


def test_a_device_that_has_been_given_a_unit_keeps_it() -> None:
    device = meter(40)
    assert facts(do(Field(device), Capability.PROVISION, Target("40@ttyX", METER, unit(1)))).address == unit(40)
    assert not device.writes


def test_a_device_of_no_known_type_proves_only_that_it_answers() -> None:
    seen = facts(do(Field(Unit(5)), Capability.PROVISION, Target("5@ttyX", address=unit(5))))
    assert (seen.state, seen.program_id) == (NetworkState.PROVISIONED, "unidentified")
    assert "nothing was read" in (seen.note or "")


def test_another_device_than_the_record_says_is_left_alone() -> None:
    device = meter(247, revision=b"2.0")
    error, _ = fails(Field(device), Capability.PROVISION, Target("247@ttyX", METER, unit(12)))
    assert (error.kind, error.fields["found"]) == (Kind.WRONG_PROGRAM, "Acme/M1/2.0")
    assert not device.writes


def test_a_device_whose_datapoint_cannot_be_read_is_not_provisioned() -> None:
    device = meter(5)
    device.inputs.clear()
    error, _ = fails(Field(device), Capability.PROVISION, Target("5@ttyX", METER, unit(5)))
    assert (error.kind, error.fields["step"]) == (Kind.REFUSED, "first datapoint")


@pytest.mark.parametrize("product", [b"M1", b"M2"], ids=["when saved", "at once"])
def test_wherever_a_change_of_unit_is_cut_off_it_is_taken_up_again(product: bytes) -> None:
    """Cut at each event in turn, then done again with the checkpoint that was kept."""
    target = Target("247@ttyX", f"Acme/{product.decode()}/1.0", unit(12))
    total = len(do(Field(meter(247, product=product)), Capability.PROVISION, target))
    for cut in range(1, total):
        device = meter(247, product=product)
        kept: list[Checkpoint] = []

        async def begin(driver: ModbusDriver, cut: int = cut, kept: list[Checkpoint] = kept) -> None:
            seen = 0
            async for event in driver.provision(target):
                seen += 1
                if isinstance(event, Checkpoint):
                    kept.append(event)
                if seen == cut:
                    return

        on(Field(device), begin)
        taken_up = dataclasses.replace(target, checkpoint=kept[-1] if kept else None)
        events = do(Field(device), Capability.PROVISION, taken_up)
        assert (device.unit, device.writes[-1]) == (12, (102, 1)), cut
        assert facts(events).uid == "12@ttyX"
        assert facts(events).state is NetworkState.PROVISIONED


def test_a_device_that_has_moved_is_not_mistaken_for_the_next_new_one() -> None:
    """The change was cut off behind its write; meanwhile somebody connected the next device."""
    moved, fresh = meter(12, serial=1), meter(247, serial=2)
    checkpoint = Checkpoint({"old": 247, "new": 12, "fingerprint": METER, "serial": "00000001"})
    target = Target("247@ttyX", METER, unit(12), checkpoint=checkpoint)
    seen = facts(do(Field(moved, fresh), Capability.PROVISION, target))
    assert (seen.uid, seen.state) == ("12@ttyX", NetworkState.PROVISIONED)
    assert (fresh.unit, fresh.writes) == (247, [])


@pytest.mark.parametrize("data", [{}, {"old": 247}, {"old": 247, "new": 999, "fingerprint": "", "serial": None}])
def test_a_checkpoint_that_says_nothing_is_passed_over(data: dict[str, object]) -> None:
    device = meter(247)
    target = Target("247@ttyX", METER, unit(12), checkpoint=Checkpoint(data))
    do(Field(device), Capability.PROVISION, target)
    assert device.unit == 12


# -- deprovision --------------------------------------------------------------------------------------


def test_a_device_goes_back_to_its_factory_settings_and_unit() -> None:
    device = meter(12)
    seen = facts(do(Field(device), Capability.DEPROVISION, Target("12@ttyX", METER, unit(12))))
    assert device.unit == 247
    assert (seen.state, seen.uid) == (NetworkState.UNPROVISIONED, "247@ttyX")


def test_a_device_is_left_where_it_is_when_another_one_is_where_it_would_go() -> None:
    device = meter(12)
    seen = facts(do(Field(device, meter(247, 2)), Capability.DEPROVISION, Target("12@ttyX", METER, unit(12))))
    assert (device.unit, device.writes, seen.uid) == (12, [], None)
    assert seen.state is NetworkState.UNPROVISIONED
    assert "only the record" in (seen.note or "")


def test_where_there_is_nothing_to_undo_only_the_record_changes() -> None:
    device = module()
    seen = facts(do(Field(device), Capability.DEPROVISION, Target("3@ttyX", "id 4D44")))
    assert (seen.state, device.writes) == (NetworkState.UNPROVISIONED, [])


# -- test, wink, reset, poll ----------------------------------------------------------------------------


def test_a_test_counts_the_loopbacks_and_says_how_long_they_took() -> None:
    field = Field(meter(5))
    field.late[5] = 0.02
    events = do(field, Capability.TEST, Target("5@ttyX", METER), count=5)
    note = facts(events).note or ""
    assert note.startswith("5 of 5 answered, 20 ms mean")
    assert [e for e in events if isinstance(e, Progress)][-1] == Progress(5, 5, "tries")


@pytest.mark.parametrize(("device", "program_id"), [(module(5), "id 4D44"), (Unit(5, loops=False), None)])
def test_a_device_without_loopback_is_asked_for_something_else(device: Unit, program_id: str | None) -> None:
    seen = facts(do(Field(device), Capability.TEST, Target("5@ttyX", program_id), count=3))
    assert (seen.note or "").startswith("3 of 3 answered")


def test_answers_that_are_lost_are_counted_as_lost() -> None:
    field, number = Field(meter(5)), 0

    def lossy(frame: Frame, answers: Answers) -> Answers:
        nonlocal number
        number += frame.pdu[0] == Function.DIAGNOSTICS
        return [] if frame.pdu[0] == Function.DIAGNOSTICS and number % 2 else answers

    field.spoil = lossy
    seen = facts(do(field, Capability.TEST, Target("5@ttyX", METER), count=4))
    assert (seen.note or "").startswith("2 of 4 answered")


def test_a_test_of_a_dead_device_fails() -> None:
    assert fails(Field(), Capability.TEST, Target("5@ttyX", METER))[0].kind is Kind.NO_REPLY


@pytest.mark.parametrize(
    ("device", "program_id", "written"),
    [(meter(5), METER, [(16, 1), (16, 0)] * 3), (module(5), "id 4D44", [(32, 9), (32, 5)] * 3)],
)
def test_a_wink_switches_and_puts_back(device: Unit, program_id: str, written: list[tuple[int, int]]) -> None:
    assert facts(do(Field(device), Capability.WINK, Target("5@ttyX", program_id))).note == "it winked"
    assert device.writes == written


def test_a_wink_that_is_cut_off_leaves_the_coil_as_it_was() -> None:
    import asyncio

    device = meter(5)

    async def work(driver: ModbusDriver) -> None:
        winking = asyncio.create_task(collect(driver.wink(Target("5@ttyX", METER))))
        await asyncio.sleep(0.2)
        assert device.coils[16]
        winking.cancel()
        await asyncio.wait([winking])

    on(Field(device), work)
    assert not device.coils[16]


@pytest.mark.parametrize("capability", [Capability.WINK, Capability.RESET, Capability.SNAPSHOT])
def test_what_a_type_says_nothing_of_cannot_be_done(capability: Capability) -> None:
    error, _ = fails(Field(Unit(5)), capability, Target("5@ttyX", "unidentified"))
    assert error.kind is Kind.UNSUPPORTED
    assert str(error).startswith("type generic cannot")


def test_a_reset_is_told_and_the_device_looked_for() -> None:
    device = meter(5)
    do(Field(device), Capability.RESET, Target("5@ttyX", METER))
    assert device.writes == [(120, 1)]


def test_a_poll_reads_what_stands_side_by_side_in_one_exchange() -> None:
    field = Field(meter(5))
    asked: list[Frame] = []

    def count(frame: Frame, answers: Answers) -> Answers:
        asked.append(frame)
        return answers

    field.spoil = count
    names = ("Alarm", "Temperature", "Voltage", "Energy")
    events = do(field, Capability.POLL, Target("5@ttyX", METER, points=names))
    assert {event for event in events if isinstance(event, Reading)} == {
        Reading("Voltage", "230.5 V"),
        Reading("Energy", "100000 kWh"),
        Reading("Temperature", "-0.5 °C"),
        Reading("Alarm", "on"),
    }
    assert len(asked) == 2


def test_a_poll_reads_the_first_datapoint_unless_others_are_named() -> None:
    events = do(Field(meter(5)), Capability.POLL, Target("5@ttyX", METER))
    assert [event for event in events if isinstance(event, Reading)] == [Reading("Voltage", "230.5 V")]
    error, _ = fails(Field(meter(5)), Capability.POLL, Target("5@ttyX", METER, points=("Power",)))
    assert "only Voltage, Energy, Temperature, Alarm" in str(error)


# -- configuration --------------------------------------------------------------------------------------


def saved(device: Unit) -> Snapshot:
    events = do(Field(device), Capability.SNAPSHOT, Target(f"{device.unit}@ttyX"))
    return next(event for event in events if isinstance(event, Snapshot))


def test_only_what_differs_is_written_back() -> None:
    device = meter(5)
    snapshot = saved(device)
    device.holding |= {201: 999, 202: 998, 204: 997}
    device.coils[33] = True
    seen = facts(do(Field(device), Capability.RESTORE, Target("5@ttyX", METER, snapshot=snapshot)))
    assert seen.note == "4 values restored"
    assert device.writes == [(201, 10), (202, 20), (204, 40), (33, False), (102, 1)]
    again = do(Field(device), Capability.RESTORE, Target("5@ttyX", METER, snapshot=snapshot))
    assert facts(again).note == "nothing differed"


def test_a_register_that_does_not_keep_what_is_written_is_named() -> None:
    device = meter(5)
    snapshot = saved(device)
    device.holding[201] = 999

    def stubborn(unit: Unit, address: int, value: int) -> None:
        unit.holding[201] = 999

    device.on_write = stubborn
    error, _ = fails(Field(device), Capability.RESTORE, Target("5@ttyX", METER, snapshot=snapshot))
    assert (error.kind, error.fields["step"]) == (Kind.VERIFY_FAILED, "holding register 201")


@pytest.mark.parametrize(
    "snapshot",
    [
        None,
        Snapshot(2, {}),
        Snapshot(1, {}),
        Snapshot(
            1, {"type": "meter", "program_id": "", "blocks": [{"table": "coil", "address": 1, "values": [70000]}]}
        ),
    ],
)
def test_without_a_configuration_that_can_be_read_nothing_is_restored(snapshot: Snapshot | None) -> None:
    error, _ = fails(Field(meter(5)), Capability.RESTORE, Target("5@ttyX", METER, snapshot=snapshot))
    assert error.kind is Kind.INVALID


def test_no_register_is_written_that_the_type_does_not_name() -> None:
    block = {"table": "holding register", "address": 100, "values": [7]}
    snapshot = Snapshot(1, {"type": "meter", "program_id": METER, "blocks": [block]})
    device = meter(5)
    error, _ = fails(Field(device), Capability.RESTORE, Target("5@ttyX", METER, snapshot=snapshot))
    assert (error.kind, device.writes) == (Kind.INCOMPATIBLE, [])


# -- replace --------------------------------------------------------------------------------------------


def test_a_new_unit_takes_over_number_and_configuration() -> None:
    old, new = meter(12, serial=1), meter(247, serial=2)
    old.holding[203] = 777
    target = Target("12@ttyX", METER, unit(12), snapshot=saved(old))
    events = do(Field(new), Capability.REPLACE, target, uid="247@ttyX", force=False)
    assert (new.unit, new.holding[203]) == (12, 777)
    seen = facts(events)
    assert (seen.uid, seen.address, seen.state) == ("12@ttyX", unit(12), NetworkState.PROVISIONED)
    assert seen.note == "took the place of 12@ttyX; 1 values restored"


def test_while_the_old_device_answers_its_number_is_not_taken() -> None:
    old, new = meter(12), meter(247, serial=2)
    error, _ = fails(Field(old, new), Capability.REPLACE, Target("12@ttyX", METER, unit(12)), uid="247@ttyX")
    assert (error.kind, new.unit, new.writes) == (Kind.IN_USE, 247, [])


def test_a_new_unit_that_keeps_its_number_changes_the_uid() -> None:
    events = do(Field(module(8)), Capability.REPLACE, Target("3@ttyX", "id 4D44", unit(3)), uid="8@ttyX")
    assert (facts(events).uid, facts(events).address) == ("8@ttyX", unit(8))


def test_a_unit_of_another_kind_is_taken_only_if_that_is_wanted() -> None:
    target = Target("12@ttyX", METER, unit(12), snapshot=saved(meter(12)))
    assert fails(Field(module(3)), Capability.REPLACE, target, uid="3@ttyX")[0].kind is Kind.WRONG_PROGRAM
    seen = facts(do(Field(module(3)), Capability.REPLACE, target, uid="3@ttyX", force=True))
    assert seen.uid == "3@ttyX"
    assert "left out" in (seen.note or "")


# -- load -----------------------------------------------------------------------------------------------


class Loader:
    """The bootloader of a meter: it takes the head, then the blocks in order, once each."""

    def __init__(self, device: Unit, image: bytes) -> None:
        self.device = device
        self.image = image
        self.got = b""
        self.expects = False
        self._answer = device.answer
        device.answer = self.answer  # type: ignore[method-assign]

    def answer(self, pdu: bytes) -> bytes | None:
        address = int.from_bytes(pdu[1:3], "big")
        if 330 in self.device.holding and pdu[0] == Function.WRITE_REGISTERS:
            data = pdu[6:]
            if address == 0x1000:
                self.got, self.expects = data, True
            elif not self.expects or self.image[len(self.got) : len(self.got) + len(data)] != data:
                return Refusal(pdu[0], Code.DEVICE_FAILURE).to_bytes()
            else:
                self.got += data
            if self.got == self.image:
                fresh = meter(self.device.unit, revision=b"1.1")
                self.device.objects, self.device.holding = fresh.objects, fresh.holding
                self.device.inputs, self.device.coils = fresh.inputs, fresh.coils
            return pdu[:5]
        return self._answer(pdu)

    def power_cycle(self) -> None:
        self.expects = False


def test_an_image_goes_through_the_bootloader_block_by_block() -> None:
    device = meter(5)
    loader = Loader(device, IMAGE.data)
    events = do(Field(device), Capability.LOAD, Target("5@ttyX", METER), image=IMAGE, force=False)
    assert loader.got == IMAGE.data
    seen = facts(events)
    assert (seen.program_id, seen.application) == ("Acme/M1/1.1", True)
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1] == Progress(104, 104, "bytes")
    offsets = [event.data["offset"] for event in events if isinstance(event, Checkpoint)]
    assert offsets == [0, 4, 20, 36, 52, 68, 84, 100]


@pytest.mark.parametrize("power", [True, False], ids=["power cut", "cable cut"])
def test_wherever_a_load_is_cut_off_it_is_taken_up_again(power: bool) -> None:
    full = Loader(device := meter(5), IMAGE.data)
    total = len(do(Field(device), Capability.LOAD, Target("5@ttyX", METER), image=IMAGE))
    assert full.got == IMAGE.data
    for cut in range(1, total - 3):
        device = meter(5)
        loader = Loader(device, IMAGE.data)
        kept: list[Checkpoint] = []

        async def begin(driver: ModbusDriver, cut: int = cut, kept: list[Checkpoint] = kept) -> None:
            seen = 0
            async for event in driver.load(Target("5@ttyX", METER), image=IMAGE):
                seen += 1
                if isinstance(event, Checkpoint):
                    kept.append(event)
                if seen == cut:
                    return

        on(Field(device), begin)
        if power:
            loader.power_cycle()
        checkpoint = kept[-1] if kept else None
        events = do(Field(device), Capability.LOAD, Target("5@ttyX", METER, checkpoint=checkpoint), image=IMAGE)
        assert loader.got == IMAGE.data, cut
        assert facts(events).program_id == "Acme/M1/1.1"


def test_a_block_whose_answer_was_lost_does_not_end_the_load() -> None:
    device = meter(5)
    loader = Loader(device, IMAGE.data)
    field = Field(device)
    lost: list[Frame] = []

    def lose_one(frame: Frame, answers: Answers) -> Answers:
        if frame.pdu[:3] == b"\x10\x20\x00" and len(loader.got) == 36 and not lost:
            lost.append(frame)
            return []
        return answers

    field.spoil = lose_one
    do(field, Capability.LOAD, Target("5@ttyX", METER), image=IMAGE)
    assert lost
    assert loader.got == IMAGE.data


def test_a_device_that_takes_no_blocks_is_given_up_and_known_to_be_in_its_bootloader() -> None:
    device = meter(5)
    Loader(device, b"something else")
    error, events = fails(Field(device), Capability.LOAD, Target("5@ttyX", METER), image=IMAGE)
    assert error.kind is Kind.LOAD_FAILED
    assert facts(events).application is False
    found = on(Field(device), lambda driver: driver.identify("5@ttyX"))
    assert (found.application, found.program_id) == (False, None)
    assert fails(Field(device), Capability.PROVISION, Target("5@ttyX", METER, unit(5)))[0].kind is Kind.NO_APPLICATION


def test_an_image_goes_into_files_and_is_read_back() -> None:
    device = module(5)
    events = do(Field(device), Capability.LOAD, Target("5@ttyX", "id 4D44"), image=IMAGE)
    registers = [device.files[7, 9998], device.files[7, 9999], *(device.files[8, n] for n in range(50))]
    assert b"".join(value.to_bytes(2, "big") for value in registers) == IMAGE.data
    assert device.writes == [(81, 1)]
    assert "read image back" in steps(events)


def test_a_file_that_does_not_keep_the_image_is_noticed() -> None:
    device = module(5)
    field = Field(device)

    def forget(frame: Frame, answers: Answers) -> Answers:
        device.files.pop((8, 3), None)
        return answers

    field.spoil = forget
    error, _ = fails(field, Capability.LOAD, Target("5@ttyX", "id 4D44"), image=IMAGE)
    assert (error.kind, error.fields["step"]) == (Kind.VERIFY_FAILED, "byte 10 of the image")
    assert device.writes == []


def test_a_load_into_files_goes_on_where_it_was_cut_off() -> None:
    device = module(5)
    for number, (high, low) in enumerate(zip(IMAGE.data[::2], IMAGE.data[1::2], strict=True)):
        files, record = divmod(9998 + number, 10000)
        device.files[7 + files, record] = high << 8 | low
    checkpoint = Checkpoint({"sha256": IMAGE.sha256, "offset": 84})
    events = do(Field(device), Capability.LOAD, Target("5@ttyX", "id 4D44", checkpoint=checkpoint), image=IMAGE)
    assert [event.data["offset"] for event in events if isinstance(event, Checkpoint)] == [84, 92, 100]


def test_a_device_that_takes_no_images_says_so() -> None:
    error, _ = fails(Field(Unit(5)), Capability.LOAD, Target("5@ttyX", "unidentified"), image=IMAGE)
    assert error.kind is Kind.UNSUPPORTED


def test_an_image_for_another_program_is_loaded_only_if_that_is_wanted() -> None:
    device = meter(5, revision=b"0.9")
    Loader(device, IMAGE.data)
    assert fails(Field(device), Capability.LOAD, Target("5@ttyX", METER), image=IMAGE)[0].kind is Kind.WRONG_PROGRAM
    assert not device.writes
    do(Field(device), Capability.LOAD, Target("5@ttyX", METER), image=IMAGE, force=True)


def test_the_frames_of_a_device_are_there_when_something_failed() -> None:
    async def work(driver: ModbusDriver) -> list[str]:
        with pytest.raises(DriverError):
            await collect(driver.test(Target("5@ttyX", METER)))
        return driver.frames("5@ttyX")

    lines = on(Field(), work)
    assert len(lines) == 3
    assert all("  05 04 00 00 00 02" in line for line in lines)
