"""What a unit answers to each function, and what it refuses (MODBUS Application Protocol Specification V1.1b3)."""

import pytest

from drivers.virtual.modbus_unit import UnitKind

from .modbus_bench import UNIT, BusBench, adu


@pytest.fixture
def bench() -> BusBench:
    bench = BusBench()
    bench.unit(UnitKind.CONTROLLER)
    return bench


def begin_image(bench: BusBench, length: int = 40) -> None:
    assert bench.ask(f"10 0f 02 00 02 04 00 00 {length >> 8:02x} {length & 0xFF:02x}") == "10 0f 02 00 02"
    assert bench.ask("06 0f 00 00 01", wait=2) == "06 0f 00 00 01"


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        ("05 00 00 ff 00", "05 00 00 ff 00"),
        ("01 00 00 00 01", "01 01 00"),
        ("02 00 00 00 01", "02 01 00"),
        ("03 00 00 00 03", "03 06 00 d2 00 fa 00 0a"),
        ("06 00 00 00 c8", "06 00 00 00 c8"),
        ("0f 00 00 00 01 01 01", "0f 00 00 00 01"),
        ("10 00 00 00 02 04 00 c8 00 fb", "10 00 00 00 02"),
        ("11", "11 07 20 ff 52 43 2d 32 30"),
        ("16 00 00 00 f2 00 25", "16 00 00 00 f2 00 25"),
        ("17 00 00 00 02 00 01 00 01 02 01 2c", "17 04 00 d2 01 2c"),
        ("08 00 00 a5 37 11", "08 00 00 a5 37 11"),
        ("2b 0e 04 01", "2b 0e 04 83 00 00 01 01 05 52 43 2d 32 30"),
    ],
)
def test_a_good_request_is_answered(bench: BusBench, request_: str, answer: str) -> None:
    assert bench.ask(request_) == answer


ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, FAILURE = 1, 2, 3, 4


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("07", ILLEGAL_FUNCTION),
        ("18 00 00", ILLEGAL_FUNCTION),
        ("2b 0d 00 00", ILLEGAL_FUNCTION),
        ("2b", ILLEGAL_FUNCTION),
        ("08 00 02 00 00", ILLEGAL_FUNCTION),
        ("08", ILLEGAL_FUNCTION),
        ("01 00 01 00 01", ILLEGAL_ADDRESS),
        ("01 00 00 00 00", ILLEGAL_VALUE),
        ("01 00 00 07 d1", ILLEGAL_VALUE),
        ("02 00 00 00 03", ILLEGAL_ADDRESS),
        ("03 00 05 00 01", ILLEGAL_ADDRESS),
        ("03 ff ff 00 02", ILLEGAL_ADDRESS),
        ("03 00 00 00 7e", ILLEGAL_VALUE),
        ("03 00 00 00", ILLEGAL_VALUE),
        ("04 00 00 00 05", ILLEGAL_ADDRESS),
        ("05 00 00 00 01", ILLEGAL_VALUE),
        ("05 00 02 ff 00", ILLEGAL_ADDRESS),
        ("06 00 00 ff ff", ILLEGAL_VALUE),
        ("06 0f 01 00 00", ILLEGAL_ADDRESS),
        ("0f 00 00 00 01 02 01", ILLEGAL_VALUE),
        ("0f 00 00 00 01", ILLEGAL_VALUE),
        ("10 00 00 00 02 04 00 c8", ILLEGAL_VALUE),
        ("10 00 00 00 7c f8 00 00", ILLEGAL_VALUE),
        ("10 00 04 00 02 04 00 00 00 00", ILLEGAL_ADDRESS),
        ("11 00", ILLEGAL_VALUE),
        ("16 00 00 00 00", ILLEGAL_VALUE),
        ("16 00 00 00 00 00 00", ILLEGAL_VALUE),
        ("17 00 00 00 7e 00 01 00 01 02 01 2c", ILLEGAL_VALUE),
        ("17 00 05 00 01 00 01 00 01 02 01 2c", ILLEGAL_ADDRESS),
        ("08 00 0b 00 01", ILLEGAL_VALUE),
        ("08 00 04 00", ILLEGAL_VALUE),
        ("2b 0e 05 00", ILLEGAL_VALUE),
        ("2b 0e 01", ILLEGAL_VALUE),
        ("2b 0e 04 07", ILLEGAL_ADDRESS),
        ("14 07 05 00 01 00 00 00 01", ILLEGAL_ADDRESS),
        ("14 07 06 00 00 00 00 00 01", ILLEGAL_ADDRESS),
        ("14 07 06 00 05 00 00 00 01", ILLEGAL_ADDRESS),
        ("14 07 06 00 01 27 0f 00 02", ILLEGAL_ADDRESS),
        ("14 07 06 00 01 00 00 00 7a", ILLEGAL_VALUE),
        ("14 08 06 00 01 00 00 00 01 00", ILLEGAL_VALUE),
        ("14 07 06 00 01", ILLEGAL_VALUE),
        ("14", ILLEGAL_VALUE),
        ("15 09 06 00 01 00 00 00 02 00 00", ILLEGAL_VALUE),
        ("15 09 06 00 01 00 00 00 01 00 00", FAILURE),
    ],
)
def test_a_bad_request_is_refused(bench: BusBench, request_: str, code: int) -> None:
    assert bench.ask(request_) == f"{int(request_[:2], 16) | 0x80:02x} {code:02x}"


def test_all_or_nothing_is_written_and_the_writing_comes_before_the_reading(bench: BusBench) -> None:
    assert bench.ask("10 00 00 00 02 04 00 c8 ff ff") == "90 03"
    assert bench.registers("03 00 00 00 02") == [210, 250]
    assert bench.ask("17 00 05 00 01 00 01 00 01 02 01 2c") == "97 02"
    assert bench.registers("03 00 01 00 01") == [250]
    assert bench.ask("17 00 01 00 01 00 01 00 01 02 01 2c") == "17 02 01 2c"


def test_a_mask_keeps_some_bits_and_sets_others(bench: BusBench) -> None:
    assert bench.ask("06 00 10 00 12") == "06 00 10 00 12"
    assert bench.ask("16 00 10 00 f2 00 25") == "16 00 10 00 f2 00 25"
    assert bench.registers("03 00 10 00 01") == [0x17]  # the example in §6.16


def test_bits_are_packed_from_the_lowest_up() -> None:
    bench = BusBench()
    bench.unit(UnitKind.MODULE)
    assert bench.ask("0f 00 00 00 08 01 cd") == "0f 00 00 00 08"
    assert bench.ask("01 00 01 00 07") == "01 01 66"
    assert bench.ask("05 00 02 00 00") == "05 00 02 00 00"
    assert bench.ask("01 00 00 00 08") == "01 01 c9"
    assert bench.ask("01 00 00 00 09") == "81 02"


def test_file_records_are_written_and_read_in_groups(bench: BusBench) -> None:
    begin_image(bench)
    write = "15 14 06 00 01 00 00 00 02 11 22 33 44 06 00 02 00 07 00 01 ab cd"
    assert bench.ask(write) == write
    assert bench.ask("14 0e 06 00 02 00 07 00 01 06 00 01 00 01 00 02") == "14 0a 03 06 ab cd 05 06 33 44 ff ff"


def test_a_broadcast_acts_and_nobody_answers(bench: BusBench) -> None:
    other = bench.unit(UnitKind.RELAY, 9)
    assert bench.ask("05 00 00 ff 00", unit=0) == ""
    assert bench.ask("01 00 00 00 01") == "01 01 01"
    assert bench.ask("01 00 00 00 01", unit=9) == "01 01 01"
    assert bench.ask("03 00 00 00 01", unit=0) == ""
    assert bench.ask("77", unit=0) == ""
    assert other.data.coils[0] == 1


def test_a_unit_counts_what_it_hears(bench: BusBench) -> None:
    bench.unit(UnitKind.METER, 9)
    counter = "08 00 {:02x} 00 00".format
    bench.ask(counter(10))
    bench.ask("03 00 00 00 01", unit=9)  # the request and the other unit's answer
    bench.say(b"noise")
    bench.ask("07")
    bench.ask("05 00 00 ff 00", unit=0)
    answers = [int(bench.ask(counter(which))[-5:].replace(" ", ""), 16) for which in range(11, 16)]
    # The broadcast is refused by the meter, which has no coils, without an answer.
    assert answers == [2 + 1 + 1 + 1, 1, 1, 2 + 4, 1]
    assert bench.ask(counter(10)) == counter(10)
    assert bench.ask(counter(13)) == "08 00 0d 00 00"


def test_a_unit_that_only_listens_is_brought_back_by_a_restart_of_communication(bench: BusBench) -> None:
    assert bench.ask("08 00 04 00 00") == ""
    assert bench.ask("03 00 00 00 01") == ""
    assert bench.ask("06 00 00 00 64") == ""
    assert bench.ask("08 00 00 00 00") == ""
    assert bench.ask("08 00 01 00 00") == ""
    assert bench.ask("03 00 00 00 01") == "03 02 00 d2"
    assert bench.ask("08 00 01 ff 00") == "08 00 01 ff 00"
    assert bench.ask("08 00 0e 00 00") == "08 00 0e 00 01"  # counted from anew


def test_an_identity_longer_than_an_answer_comes_in_parts(bench: BusBench) -> None:
    objects: dict[int, bytes] = {}
    following, parts = 0, 0
    while True:
        answer = bytes.fromhex(bench.ask(bytes([0x2B, 0x0E, 3, following])))
        assert answer[:4] == bytes.fromhex("2b 0e 03 83")
        assert len(answer) <= 253
        more, following, count = answer[4:7]
        rest = answer[7:]
        for _ in range(count):
            objects[rest[0]], rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
        assert rest == b""
        parts += 1
        if not more:
            break
        assert more == 0xFF
    assert following == 0
    assert parts == 2
    assert sorted(objects) == [0, 1, 2, 3, 4, 5, 6, 0x80, 0x81, 0x82]
    assert objects[0x80] == b"RC20-123456"


def test_each_category_of_an_identity_ends_where_it_should() -> None:
    bench = BusBench()
    bench.unit(UnitKind.METER)
    ends = {code: bytes.fromhex(bench.ask(bytes([0x2B, 0x0E, code, 0]))) for code in (1, 2, 3)}
    assert {code: answer[6] for code, answer in ends.items()} == {1: 3, 2: 5, 3: 6}
    assert bench.ask("2b 0e 01 7f") == ends[1].hex(" ")  # an object that is not there: from the beginning
    assert bytes.fromhex(bench.ask("2b 0e 01 02"))[6:] == b"\1\2\x032.4"


def test_an_identity_of_three_objects_conforms_to_the_basic_level() -> None:
    bench = BusBench()
    bench.unit(UnitKind.RELAY)
    answer = bytes.fromhex(bench.ask("2b 0e 03 00"))
    assert answer[3] == 0x81
    assert answer[6] == 3


def test_a_request_of_the_greatest_length_is_taken(bench: BusBench) -> None:
    data = "00" * 250
    assert bench.say(adu(UNIT, "08 00 00" + data)) == adu(UNIT, "08 00 00" + data)
    assert bench.say(adu(UNIT, "08 00 00" + data + "00")) == b""
