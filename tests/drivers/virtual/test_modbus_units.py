"""Each kind of unit: its registers, how it takes a unit number, how it takes an image."""

import struct
from hashlib import sha256
from zlib import crc32

import pytest

from drivers.virtual.modbus_bus import BusFaults
from drivers.virtual.modbus_unit import Mode, Unit, UnitKind

from .modbus_bench import PACED, UNIT, BusBench, adu

RESTART = 0.7
NOTHING_SHA256 = sha256().hexdigest()


def make(kind: UnitKind) -> tuple[BusBench, Unit]:
    bench = BusBench()
    return bench, bench.unit(kind)


def s32(registers: list[int]) -> int:
    return int(struct.unpack(">i", struct.pack(">2H", *registers))[0])


def f32(registers: list[int]) -> float:
    return float(struct.unpack(">f", struct.pack(">2H", *registers))[0])


def cycle_power(bench: BusBench, unit: Unit) -> None:
    unit.power_off()
    bench.wait(1)
    unit.power_on()
    bench.wait(RESTART)


# -- meter -----------------------------------------------------------------------------------------------


def test_a_meter_measures_a_plausible_and_varying_net() -> None:
    bench, _ = make(UnitKind.METER)

    def measure() -> tuple[list[int], list[int], float]:
        registers = bench.registers("04 00 00 00 14")
        numbers = [s32(registers[at : at + 2]) for at in range(0, 16, 2)]
        assert 49.9 < f32(registers[16:18]) < 50.1
        assert 0.9 < f32(registers[18:20]) <= 1
        return numbers[:3], numbers[3:6], numbers[6] / 10

    volts, amperes, watts = measure()
    assert all(2250 < volt < 2350 for volt in volts)
    apparent = sum(volt / 10 * ampere / 1000 for volt, ampere in zip(volts, amperes, strict=True))
    assert apparent == pytest.approx(watts, rel=0.01)
    bench.wait(5)
    assert measure() != (volts, amperes, watts)
    assert bench.registers("04 03 00 00 02") == [123456 >> 16, 123456 & 0xFFFF]


def test_the_energy_of_a_meter_grows_and_can_be_set_to_zero() -> None:
    bench, _ = make(UnitKind.METER)
    before = s32(bench.registers("04 00 0e 00 02"))
    bench.wait(3600)
    assert s32(bench.registers("04 00 0e 00 02")) > before > 0
    assert bench.ask("06 01 20 00 01") == "86 03"
    assert bench.ask("06 01 20 5a a5") == "06 01 20 5a a5"
    assert s32(bench.registers("04 00 0e 00 02")) < 2
    assert bench.registers("03 01 20 00 01") == [0]


def test_a_meter_answers_from_its_new_number_at_once_and_keeps_it() -> None:
    bench, meter = make(UnitKind.METER)
    assert bench.say(adu(UNIT, "06 01 00 00 11")) == adu(0x11, "06 01 00 00 11")
    assert bench.ask("03 01 00 00 01") == ""
    cycle_power(bench, meter)
    assert bench.registers("03 01 00 00 01", unit=0x11) == [0x11]
    assert bench.ask("06 01 00 00 f8", unit=0x11) == "86 03"
    assert bench.ask("06 01 00 00 00", unit=0x11) == "86 03"


# -- module ----------------------------------------------------------------------------------------------

UNLOCK = "06 00 f0 55 aa"


def test_a_module_is_locked_until_it_is_told_the_word_and_for_a_minute_only() -> None:
    bench, _ = make(UnitKind.MODULE)
    for word in ("06 00 f1 00 11", "06 00 f2 00 01", "06 00 f3 00 01"):
        assert bench.ask(word) == "86 03"
    assert bench.ask("06 00 f0 12 34") == "06 00 f0 12 34"
    assert bench.ask("06 00 f1 00 11") == "86 03"
    assert bench.ask(UNLOCK) == UNLOCK
    assert bench.registers("03 00 f0 00 01") == [0]
    bench.wait(60)
    assert bench.ask("06 00 f1 00 11") == "86 03"


def test_a_module_takes_its_number_after_the_answer_and_forgets_it_unless_it_is_stored() -> None:
    bench, module = make(UnitKind.MODULE)
    bench.ask(UNLOCK)
    assert bench.say(adu(UNIT, "06 00 f1 00 11")) == adu(UNIT, "06 00 f1 00 11")
    assert bench.ask("03 00 f1 00 01") == ""
    assert bench.registers("03 00 f1 00 01", unit=0x11) == [0x11]
    cycle_power(bench, module)
    assert bench.registers("03 00 f1 00 01") == [UNIT]
    bench.ask(UNLOCK)
    bench.ask("06 00 f1 00 11")
    bench.ask("06 00 00 00 1e", unit=0x11)
    assert bench.ask("06 00 f2 00 01", unit=0x11, wait=0.0) == "06 00 f2 00 01"
    assert bench.ask("03 00 f1 00 01", unit=0x11, wait=0.0) == "83 06"
    bench.wait(0.1)
    assert bench.ask("06 00 f3 00 01", unit=0x11, wait=0.0) == "06 00 f3 00 01"
    assert bench.ask("03 00 f1 00 01", unit=0x11, wait=0.1) == ""
    bench.wait(RESTART)
    assert bench.registers("03 00 f1 00 01", unit=0x11) == [0x11]
    assert bench.registers("03 00 00 00 01", unit=0x11) == [30]


@pytest.mark.parametrize("kind", [UnitKind.MODULE, UnitKind.CONTROLLER])
def test_a_wink_ends_by_itself_and_is_counted_once(kind: UnitKind) -> None:
    bench, unit = make(kind)
    assert bench.ask("05 00 10 ff 00") == "05 00 10 ff 00"
    assert bench.ask("05 00 10 ff 00") == "05 00 10 ff 00"
    assert bench.ask("01 00 10 00 01") == "01 01 01"
    bench.wait(5)
    assert bench.ask("01 00 10 00 01") == "01 01 00"
    assert unit.winks == 1
    bench.ask("05 00 10 ff 00")
    bench.ask("05 00 10 00 00")
    assert bench.ask("01 00 10 00 01") == "01 01 00"
    assert unit.winks == 2


def test_a_module_tells_who_it_is_by_function_17_only_and_puts_its_outputs_as_stored() -> None:
    bench, module = make(UnitKind.MODULE)
    assert bytes.fromhex(bench.ask("11"))[2:] == b"\x42\xffIOM-8 1.3 SN123456"
    assert bench.ask("2b 0e 01 00") == "ab 01"
    bench.ask("06 00 01 00 81")
    bench.ask(UNLOCK)
    bench.ask("06 00 f2 00 01")
    cycle_power(bench, module)
    assert bench.ask("01 00 00 00 08") == "01 01 81"


def test_the_inputs_of_a_module_come_and_go_and_are_counted() -> None:
    bench, _ = make(UnitKind.MODULE)
    seen = set()
    for _ in range(20):
        bench.wait(1.3)
        seen.add(bench.ask("02 00 00 00 08"))
    assert len(seen) > 1
    assert any(bench.registers("04 00 00 00 08"))


# -- sensor ----------------------------------------------------------------------------------------------


def test_a_sensor_has_a_mark_but_no_identity() -> None:
    bench, _ = make(UnitKind.SENSOR)
    assert bench.registers("03 00 00 00 02") == [0x5448, 0x0102]
    assert [bench.ask(request) for request in ("2b 0e 01 00", "11", "08 00 00 12 34")] == ["ab 01", "91 01", "88 01"]
    temperature, humidity = bench.registers("04 00 00 00 02")
    assert 150 < temperature < 300
    assert 300 < humidity < 600
    assert bench.ask("06 00 00 12 34") == "86 02"


def test_a_sensor_corrects_its_temperature_and_takes_its_number_when_power_comes_back() -> None:
    bench, sensor = make(UnitKind.SENSOR)
    [before] = bench.registers("04 00 00 00 01")
    assert bench.ask("06 00 11 ff 9c") == "06 00 11 ff 9c"
    assert abs(bench.registers("04 00 00 00 01")[0] - (before - 100)) <= 2
    assert bench.ask("06 00 11 ff 9b") == "86 03"
    bench.ask("06 00 10 00 11")
    assert bench.registers("03 00 10 00 01") == [0x11]
    cycle_power(bench, sensor)
    assert bench.ask("03 00 10 00 01") == ""
    assert bench.registers("03 00 10 00 01", unit=0x11) == [0x11]


# -- controller ------------------------------------------------------------------------------------------

IMAGE = b"RC20\x02\x05" + bytes(range(256)) * 3 + b"!"


def long(value: int) -> bytes:
    return value.to_bytes(4, "big")


def write(address: int, data: bytes) -> bytes:
    return bytes([16]) + address.to_bytes(2, "big") + bytes([0, len(data) // 2, len(data)]) + data


def record(number: int, data: bytes) -> bytes:
    group = bytes([6, 0, 1]) + number.to_bytes(2, "big") + bytes([0, len(data) // 2]) + data
    return bytes([0x15, len(group)]) + group


def load_controller(bench: BusBench, image: bytes, checksum: int) -> None:
    bench.ask(write(0x0F02, long(len(image)) + long(checksum)))
    assert bench.ask("06 0f 00 00 01", wait=0.0) == "06 0f 00 00 01"
    assert bench.ask(record(0, b"RC")) == "95 06"
    bench.wait(1)
    assert bench.registers("03 0f 01 00 01") == [1]
    padded = image + b"\0" * (len(image) % 2)
    for at in range(0, len(padded), 200):
        assert bench.ask(record(at // 2, padded[at : at + 200])).startswith("15")
    assert bench.ask("06 0f 00 00 02") == "06 0f 00 00 02"


def test_a_controller_takes_an_image_verifies_and_activates_it() -> None:
    bench, controller = make(UnitKind.CONTROLLER)
    assert controller.image_sha256 == NOTHING_SHA256
    load_controller(bench, IMAGE, crc32(IMAGE))
    verification = bench.registers("03 0f 06 00 02")
    assert verification == [crc32(IMAGE) >> 16, crc32(IMAGE) & 0xFFFF]
    assert bench.registers("03 0f 01 00 01") == [2]
    assert controller.image_sha256 == NOTHING_SHA256
    assert bench.ask("06 0f 00 00 03") == "06 0f 00 00 03"
    assert bench.ask("03 0f 01 00 01", wait=0.0) == ""
    bench.wait(RESTART)
    assert controller.image_sha256 == sha256(IMAGE).hexdigest()
    assert bytes.fromhex(bench.ask("2b 0e 04 02")).endswith(b"2.5")
    assert bench.registers("03 0f 01 00 01") == [0]


@pytest.mark.parametrize(
    ("image", "checksum"), [(IMAGE, 1), (b"RC30" + IMAGE[4:], crc32(b"RC30" + IMAGE[4:]))], ids=["sum", "model"]
)
def test_a_wrong_image_is_not_activated(image: bytes, checksum: int) -> None:
    bench, controller = make(UnitKind.CONTROLLER)
    load_controller(bench, image, checksum)
    assert bench.registers("03 0f 01 00 01") == [3]
    assert bench.ask("06 0f 00 00 03") == "86 04"
    assert controller.image_sha256 == NOTHING_SHA256


def test_a_controller_refuses_image_commands_out_of_turn_and_forgets_half_an_image() -> None:
    bench, controller = make(UnitKind.CONTROLLER)
    assert bench.ask("06 0f 00 00 01") == "86 03"  # no length
    assert bench.ask("06 0f 00 00 02") == "86 04"
    assert bench.ask("06 0f 00 00 03") == "86 04"
    assert bench.ask(write(0x0F02, long(80_001))) == "10 0f 02 00 02"
    assert bench.ask("06 0f 00 00 01") == "86 03"
    bench.ask(write(0x0F02, long(100)))
    bench.ask("06 0f 00 00 01", wait=2)
    assert bench.ask(record(0, b"RC20")).startswith("15")
    cycle_power(bench, controller)
    assert bench.ask("14 07 06 00 01 00 00 00 02") == "14 06 05 06 ff ff ff ff"
    assert bench.ask(record(0, b"RC20")) == "95 04"


def test_a_controller_keeps_its_settings_and_takes_its_number_after_a_restart() -> None:
    bench, controller = make(UnitKind.CONTROLLER)
    assert bench.ask(write(0x0010, b"Room 217".ljust(32, b"\0"))) == "10 00 10 00 10"
    assert bench.ask("06 00 04 ff ce") == "06 00 04 ff ce"
    [*low_first] = bench.registers("03 00 20 00 04")
    assert (f32(low_first[1::-1]), f32(low_first[3:1:-1])) == (2.5, 600.0)
    assert bench.ask("06 0f f0 00 11") == "06 0f f0 00 11"
    assert bench.ask("06 0f f1 00 01") == "06 0f f1 00 01"
    bench.wait(RESTART)
    assert bench.ask("03 00 10 00 04") == ""
    assert b"Room 217" in bytes.fromhex(bench.ask("03 00 10 00 10", unit=0x11))
    cycle_power(bench, controller)
    assert bench.registers("03 00 04 00 01", unit=0x11) == [0xFFCE]


# -- relay -----------------------------------------------------------------------------------------------

FIRMWARE = bytes(range(1, 251)) * 3
BLOCKS = [FIRMWARE[at : at + 136] for at in range(0, len(FIRMWARE), 136)]


def info(image: bytes = FIRMWARE, signature: bytes = b"RB-4", length: int | None = None) -> bytes:
    size = len(image) if length is None else length
    return write(0x1000, signature.ljust(12, b"\0") + b"\2\7" + long(size) + long(crc32(image)) + bytes(10))


def product(bench: BusBench) -> str:
    return bytes.fromhex(bench.ask("2b 0e 04 01"))[9:].decode()


def enter_bootloader(bench: BusBench) -> None:
    assert bench.ask("06 00 81 00 01") == "06 00 81 00 01"
    bench.wait(RESTART)


def test_a_relay_restarts_into_its_bootloader_and_takes_an_image() -> None:
    bench, relay = make(UnitKind.RELAY)
    assert product(bench) == "RB-4"
    enter_bootloader(bench)
    assert product(bench) == "RB-4 BOOT"
    assert relay.mode is Mode.BOOTLOADER
    assert bench.ask("01 00 00 00 01") == "81 01"
    assert bench.ask("03 00 80 00 01") == "83 02"
    assert bench.ask(write(0x2000, BLOCKS[0])) == "90 04"
    start = bench.timeline.now
    assert bench.ask(info(), wait=0.9) == ""
    bench.wait(0.5)
    assert bench.heard[0][0] - start == pytest.approx(1.0)
    bench.take()
    for number, block in enumerate(BLOCKS[:-1], 1):
        assert bench.ask(write(0x2000, block)) == "10 20 00 00 44"
        assert bench.registers("03 11 00 00 02") == [1, number]
    assert bench.ask(write(0x2000, BLOCKS[-1].ljust(136, b"\xff")), wait=0.0) == "10 20 00 00 44"
    bench.wait(RESTART)
    assert product(bench) == "RB-4"
    assert bytes.fromhex(bench.ask("2b 0e 04 02")).endswith(b"2.7")
    assert relay.image_sha256 == sha256(FIRMWARE).hexdigest()


def test_a_relay_whose_image_was_cut_off_stays_in_the_bootloader_until_it_has_a_whole_one() -> None:
    bench, relay = make(UnitKind.RELAY)
    enter_bootloader(bench)
    bench.ask(info(), wait=2)
    bench.ask(write(0x2000, BLOCKS[0]))
    cycle_power(bench, relay)
    assert product(bench) == "RB-4 BOOT"
    assert bench.registers("03 11 00 00 02") == [0, 0]
    bench.ask(info(), wait=2)
    for block in BLOCKS:
        bench.ask(write(0x2000, block))
    bench.wait(RESTART)
    assert product(bench) == "RB-4"


def test_power_brings_a_relay_back_from_the_bootloader_while_nothing_is_erased() -> None:
    bench, relay = make(UnitKind.RELAY)
    enter_bootloader(bench)
    cycle_power(bench, relay)
    assert product(bench) == "RB-4"


def test_the_bootloader_refuses_what_is_wrong() -> None:
    bench, _ = make(UnitKind.RELAY)
    enter_bootloader(bench)
    assert bench.ask(info(signature=b"RB-8")) == "90 03"
    assert bench.ask(info(length=0)) == "90 03"
    assert bench.ask(write(0x1000, bytes(30))) == "90 02"
    bench.ask(info(), wait=2)
    assert bench.ask(write(0x2001, BLOCKS[0])) == "90 02"
    assert bench.ask(write(0x2000, BLOCKS[0][:100])) == "90 03"
    assert bench.registers("03 11 00 00 02") == [1, 0]


def test_an_image_with_a_wrong_checksum_leaves_the_relay_in_the_bootloader() -> None:
    bench, relay = make(UnitKind.RELAY)
    enter_bootloader(bench)
    bench.ask(info(), wait=2)
    for block in BLOCKS[::-1][1:] + BLOCKS[-1:]:
        bench.ask(write(0x2000, block))
    bench.wait(RESTART)
    assert product(bench) == "RB-4 BOOT"
    assert bench.registers("03 11 00 00 02") == [3, len(BLOCKS)]
    assert relay.image_sha256 == NOTHING_SHA256


def test_a_block_whose_answer_was_lost_counts_as_received() -> None:
    bench, _ = make(UnitKind.RELAY)
    enter_bootloader(bench)
    bench.ask(info(), wait=2)
    bench.bus.spoil = lambda answer: []  # type: ignore[method-assign]
    assert bench.ask(write(0x2000, BLOCKS[0])) == ""
    del bench.bus.spoil
    assert bench.registers("03 11 00 00 02") == [1, 1]


def test_a_relay_winks_counts_operations_and_puts_relays_as_stored() -> None:
    bench, relay = make(UnitKind.RELAY)
    assert bench.ask("06 00 82 00 03") == "06 00 82 00 03"
    assert bench.ask("06 00 82 00 00") == "86 03"
    assert relay.winks == 1
    assert bench.ask("06 00 01 00 01") == "06 00 01 00 01"
    assert bench.ask("06 00 02 00 02") == "06 00 02 00 02"
    assert bench.ask("0f 00 00 00 04 01 0d") == "0f 00 00 00 04"
    assert bench.ask("05 00 00 00 00") == "05 00 00 00 00"
    assert bench.registers("04 00 00 00 04") == [2, 0, 1, 1]
    cycle_power(bench, relay)
    assert bench.ask("01 00 00 00 04") == "01 01 06"


def test_a_unit_without_power_is_silent_and_one_that_starts_is_too() -> None:
    bench, relay = make(UnitKind.RELAY)
    relay.power_off()
    assert bench.ask("01 00 00 00 01") == ""
    relay.power_on()
    assert bench.ask("01 00 00 00 01", wait=0.3) == ""
    bench.wait(0.5)
    assert bench.ask("01 00 00 00 01") == "01 01 00"


def test_a_late_answer_is_not_sent_by_a_unit_that_has_lost_power_meanwhile() -> None:
    bench = BusBench(PACED)
    sensor = bench.unit(UnitKind.SENSOR)
    bench.bus.faults = BusFaults(late=1)
    bench.say(adu(UNIT, "03 00 00 00 01"), wait=0.2)
    sensor.power_off()
    bench.wait(2)
    assert bench.take() == b""
