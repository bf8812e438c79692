"""The bus: characters and silences in real time, collisions, a second master, faults."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.virtual.modbus_bus import BusFaults, SecondMaster
from drivers.virtual.modbus_frames import Line, Parity, checksum
from drivers.virtual.modbus_unit import UnitKind

from .modbus_bench import CHARACTER, PACED, SILENCE, UNIT, BusBench, adu, crc

READ_MARK = "03 00 00 00 01"
MARK = "03 02 54 48"
SENSOR_TIME = 0.040


@pytest.fixture
def bench() -> BusBench:
    bench = BusBench(PACED)
    bench.unit(UnitKind.SENSOR)
    return bench


@given(st.binary(min_size=1, max_size=300))
def test_the_checksum_is_that_of_the_standard(data: bytes) -> None:
    assert checksum(data) == crc(data)


def test_the_checksum_of_the_example_in_the_standard() -> None:
    assert checksum(bytes.fromhex("02 07")) == bytes.fromhex("41 12")


def test_an_answer_begins_after_request_silence_and_processing_and_takes_a_time_per_character(bench: BusBench) -> None:
    request = adu(UNIT, READ_MARK)
    bench.bus.feed(request)
    bench.wait(1)
    times = [when for when, _ in bench.heard]
    begin = len(request) * CHARACTER + SILENCE + SENSOR_TIME
    assert times == pytest.approx([begin + number * CHARACTER for number in range(1, 8)])
    assert bench.take() == adu(UNIT, MARK)


@pytest.mark.parametrize(
    ("line", "character", "silence"),
    [
        (Line(9600, Parity.NONE), 10 / 9600, 35 / 9600),
        (Line(9600, Parity.ODD), 11 / 9600, 38.5 / 9600),
        (Line(38400, Parity.EVEN), 11 / 38400, 0.00175),
    ],
)
def test_a_character_has_ten_or_eleven_bits_and_fast_lines_a_fixed_silence(
    line: Line, character: float, silence: float
) -> None:
    assert line.character_time == pytest.approx(character)
    assert line.silence == pytest.approx(silence)


def test_without_pace_an_answer_comes_at_once() -> None:
    bench = BusBench()
    bench.unit(UnitKind.SENSOR)
    assert bench.ask(READ_MARK, wait=0.0) == MARK


def test_a_request_may_come_in_pieces_without_a_silence_between_them(bench: BusBench) -> None:
    request = adu(UNIT, READ_MARK)
    for byte in request[:-1]:
        bench.say(bytes([byte]), CHARACTER + SILENCE / 2)
    assert bench.say(request[-1:]) == adu(UNIT, MARK)


def test_a_silence_inside_a_request_makes_two_frames_of_it_that_nobody_answers(bench: BusBench) -> None:
    request = adu(UNIT, READ_MARK)
    assert bench.say(request[:4], 4 * CHARACTER + 1.01 * SILENCE) == b""
    assert bench.say(request[4:]) == b""
    assert bench.bus.usage.frames == 2
    assert bench.ask(READ_MARK) == MARK


def test_a_request_that_does_not_wait_for_the_silence_after_an_answer_is_lost(bench: BusBench) -> None:
    bench.bus.feed(adu(UNIT, READ_MARK))
    while len(bench.heard) < 7:
        bench.wait(CHARACTER / 4)
    bench.take()
    assert bench.ask(READ_MARK, wait=1) == ""
    assert bench.ask(READ_MARK) == MARK


def test_a_request_into_an_answer_destroys_both(bench: BusBench) -> None:
    bench.bus.feed(adu(UNIT, READ_MARK))
    while not bench.heard:
        bench.wait(CHARACTER / 4)
    heard = bench.take() + bench.say(adu(UNIT, READ_MARK), wait=1)
    assert heard[:1] == bytes([UNIT])
    assert heard != adu(UNIT, MARK)
    assert bench.bus.usage.collisions == 1
    assert bench.ask(READ_MARK) == MARK


def test_two_units_of_one_number_garble_their_answers(bench: BusBench) -> None:
    bench.unit(UnitKind.SENSOR)
    answer = bench.say(adu(UNIT, READ_MARK))
    assert answer
    assert adu(UNIT, MARK) not in answer


def test_with_echo_the_host_hears_itself_first() -> None:
    bench = BusBench(Line(echo=True))
    bench.unit(UnitKind.SENSOR)
    request = adu(UNIT, READ_MARK)
    assert bench.say(request) == request + adu(UNIT, MARK)


def test_a_foreign_unit_a_broken_checksum_and_a_lone_byte_are_met_with_silence(bench: BusBench) -> None:
    good = adu(UNIT, READ_MARK)
    assert bench.say(adu(UNIT + 1, READ_MARK)) == b""
    assert bench.say(good[:-1] + bytes([good[-1] ^ 1])) == b""
    assert bench.say(good[:1]) == b""
    assert bench.say(bytes(300)) == b""
    assert bench.ask(READ_MARK) == MARK


def test_a_unit_that_is_about_to_answer_hears_no_further_request(bench: BusBench) -> None:
    bench.say(adu(UNIT, READ_MARK), 8 * CHARACTER + SILENCE + SENSOR_TIME / 2)
    answers = bench.say(adu(UNIT, "03 00 01 00 01"), wait=0.1)
    assert answers == adu(UNIT, MARK)


def test_faults_spoil_answers_as_asked(bench: BusBench) -> None:
    answer = adu(UNIT, MARK)
    usual = 8 * CHARACTER + SILENCE + SENSOR_TIME

    bench.bus.faults = BusFaults(drop=1)
    assert bench.say(adu(UNIT, READ_MARK)) == b""
    bench.bus.faults = BusFaults(late=1, late_ms=300)
    bench.wait(1)
    start = bench.timeline.now
    bench.bus.feed(adu(UNIT, READ_MARK))
    bench.wait(1)
    assert bench.heard[0][0] - start == pytest.approx(usual + 0.3 + CHARACTER)
    assert bench.take() == answer
    bench.bus.faults = BusFaults(duplicate=1)
    assert bench.say(adu(UNIT, READ_MARK)) == 2 * answer
    bench.bus.faults = BusFaults(garbage=1)
    heard = bench.say(adu(UNIT, READ_MARK))
    assert heard.endswith(answer)
    assert len(heard) > len(answer)
    bench.bus.faults = BusFaults(corrupt=1)
    before = bench.bus.usage.frames
    assert bench.say(adu(UNIT, READ_MARK)) == b""  # the request had a wrong bit
    assert bench.bus.usage.frames == before + 1
    bench.bus.faults = BusFaults()
    assert bench.say(adu(UNIT, READ_MARK)) == answer


def test_a_corrupted_answer_differs_by_one_bit() -> None:
    bench = BusBench()
    good = adu(UNIT, MARK)
    bench.bus.faults = BusFaults(corrupt=1)
    [(_, spoiled)] = bench.bus.spoil(good)
    assert (int.from_bytes(spoiled, "big") ^ int.from_bytes(good, "big")).bit_count() == 1


def test_about_as_many_answers_are_lost_as_the_fault_says() -> None:
    bench = BusBench()
    bench.unit(UnitKind.SENSOR)
    bench.bus.faults = BusFaults(drop=0.1)
    answered = sum(bool(bench.ask(READ_MARK)) for _ in range(1000))
    assert 750 < answered < 870  # request and answer have to get through: 0.9 * 0.9


def test_a_unit_without_power_stops_in_the_middle_of_its_answer(bench: BusBench) -> None:
    [unit] = bench.bus.stations
    bench.bus.feed(adu(UNIT, READ_MARK))
    while len(bench.heard) < 3:
        bench.wait(CHARACTER / 4)
    unit.power_off()  # type: ignore[attr-defined]
    bench.wait(1)
    assert bench.take() == adu(UNIT, MARK)[:3]
    assert bench.ask(READ_MARK) == ""


def test_a_host_whose_cable_is_pulled_leaves_half_a_request(bench: BusBench) -> None:
    bench.say(adu(UNIT, READ_MARK), 3 * CHARACTER)
    bench.bus.cut(bench.bus)
    bench.wait(1)
    assert bench.take() == b""
    assert bench.ask(READ_MARK) == MARK


def test_a_second_master_asks_units_of_ours_and_others_in_the_pauses(bench: BusBench) -> None:
    other = SecondMaster(bench.bus, bench.bus.random, lambda: [UNIT])
    other.on = True
    bench.wait(60)
    assert bench.bus.usage.collisions == 0
    traffic = bench.take()
    assert adu(UNIT, READ_MARK) + adu(UNIT, MARK) in traffic
    assert traffic.count(bytes.fromhex(READ_MARK)) > 100
    assert traffic.count(adu(UNIT, READ_MARK)) < traffic.count(bytes.fromhex(READ_MARK))
    other.on = False
    bench.wait(1)
    bench.take()
    bench.wait(60)
    assert bench.take() == b""
    assert bench.ask(READ_MARK) == MARK


def test_what_the_host_writes_beyond_what_a_serial_port_buffers_is_lost(bench: BusBench) -> None:
    for _ in range(5):
        bench.bus.feed(bytes(4000))
    bench.wait(10_000)
    assert bench.bus.usage.characters == 4096
