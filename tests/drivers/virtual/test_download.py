"""An application image on its way into a device, and what is in the device when it does not get through."""

import hashlib
import random
from collections.abc import Iterable

import pytest

from drivers.virtual.device import Device
from drivers.virtual.memory import Memory, Sums

from .bench import Bench, Tool

Record = tuple[int, int, bytes]  # memory mode, offset, content

PROGRAM_ID = bytes.fromhex("9FFFFF1234560409")
STATE_BYTE = 0x43  # two domains, applicationless
IMAGE: list[Record] = [
    (0, 0xF008, bytes([0x63, 0x05, 3, 0x65, 0xEB]) + PROGRAM_ID + bytes([STATE_BYTE]) + bytes(range(18))),
    (0, 0xF028, bytes(range(15))),
    (0, 0xE7EA, bytes(range(22))),
    (0, 0xE800, b"\x55" * 32),
    *((7, 2 * number, bytes([number]) * 32) for number in range(4)),
    (7, 0, b"\xe0" * 32),
    (0, 0xF00A, bytes([3])),
]
LEFT_OUT = {*range(0xE800, 0xF000), 0xF00A, 0xF015, *range(0x4000, 0x4020)}


def write(mode: int, offset: int, content: bytes, form: int = 0) -> bytes:
    return bytes([0x6E, mode, offset >> 8, offset & 0xFF, len(content), form]) + content


def digest(records: Iterable[Record]) -> str:
    """Compute from the records what the field tells of a device that took them."""
    content = {
        (0x10000 + 16 * offset if mode == 7 else offset) + at: byte
        for mode, offset, data in records
        for at, byte in enumerate(data)
    }
    kept = sorted(address for address in content if address not in LEFT_OUT)
    return hashlib.sha256(
        b"".join(address.to_bytes(4, "big") + bytes([content[address]]) for address in kept)
    ).hexdigest()


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def device(bench: Bench) -> Device:
    return bench.device()


@pytest.fixture
def tool(bench: Bench, device: Device) -> Tool:
    tool = Tool(bench)
    assert tool.ask("6c 03 03") == "2c"
    return tool


def load(tool: Tool, records: Iterable[Record] = IMAGE) -> None:
    for record in records:
        assert tool.ask(write(*record)) == "2e"


def loaded(device: Device) -> str:
    return device.node.memory.loaded.digest()


@pytest.mark.parametrize(("state", "told"), [("02", "02"), ("04", "04")])
def test_a_whole_image_runs_in_the_state_it_was_given(tool: Tool, device: Device, state: str, told: str) -> None:
    load(tool)
    assert tool.status()[1] == "03"
    assert tool.ask("6f 01") == "2f"
    assert tool.ask(f"6c 03 {state}") == "2c"
    tool.reset()
    assert tool.status() == ("14", told, "00")
    assert device.node.program_id == PROGRAM_ID
    assert loaded(device) == digest(IMAGE)


def test_an_image_without_its_checksum_does_not_run(tool: Tool) -> None:
    load(tool)
    assert tool.ask("6c 03 02") == "2c"
    tool.reset()
    assert tool.status() == ("14", "03", "98")  # 152, application checksum


def test_a_change_of_an_image_in_any_of_its_places_is_found_at_the_next_reset(tool: Tool) -> None:
    for mode, offset in ((0, 0x5000), (0, 0xF00E), (7, 3)):
        assert tool.ask("6f 01") == "2f"
        assert tool.ask("53") == "33"
        assert tool.ask("6c 03 02") == "2c"
        assert tool.ask(write(mode, offset, b"\x77")) == "2e"
        tool.reset()
        assert tool.status()[1:] == ("03", "98")


def test_the_program_id_is_at_any_time_what_memory_says(tool: Tool) -> None:
    load(tool, IMAGE[:1])
    assert tool.ask("6d 01 00 0d 08") == "2d" + PROGRAM_ID.hex()
    assert tool.ask("61 00").endswith(PROGRAM_ID.hex())


def test_an_image_can_be_read_back_while_the_device_is_applicationless(tool: Tool) -> None:
    load(tool)
    assert tool.ask("6d 00 e7 ea 16") == "2d" + bytes(range(22)).hex()
    assert tool.ask("6d 07 00 04 20") == "2d" + "02" * 32
    assert tool.ask("6d 08 10 04 20") == "2d" + "02" * 32


def test_a_protected_image_can_be_neither_read_nor_changed(tool: Tool) -> None:
    load(tool)
    assert tool.ask(write(0, 0xF00A, b"\x83")) == "2e"
    assert tool.ask("6d 00 e7 ea 16") == "0d"
    assert tool.ask("6d 07 00 04 20") == "0d"
    assert tool.ask(write(7, 0, b"\0")) == "0e"
    assert tool.ask("6d 01 00 0d 08") == "2d" + PROGRAM_ID.hex()


def test_words_of_all_memory_and_words_of_external_memory_are_the_same_cells(tool: Tool, device: Device) -> None:
    assert tool.ask(write(8, 0x1004, b"\x12\x34")) == "2e"
    assert tool.ask("6d 07 00 04 02") == "2d1234"
    assert loaded(device) == digest([(7, 4, b"\x12\x34")])
    assert tool.ask(write(8, 0x0F00, b"\0")) == "0e"  # the Neuron ID


def test_an_image_brings_its_number_of_network_variables(tool: Tool, device: Device) -> None:
    assert tool.ask("68 02") == "08"
    load(tool)
    assert tool.ask("6b 02 7f fd 0f") == "2b"
    assert tool.ask("68 02") == "287ffd0f"
    assert tool.ask("73 03") == "13"
    assert tool.ask("73 02") == "33020000"
    assert len(device.node.variables) == 3


def test_configuration_is_no_part_of_the_image(tool: Tool, device: Device) -> None:
    load(tool)
    assert tool.ask("6e 02 00 00 04 04 01 02 03 04") == "2e"
    assert tool.ask(write(0, 0x4000, b"properties")) == "2e"
    assert tool.ask("6f 01") == "2f"
    assert tool.ask(write(0, 0x4000, b"PROPERTIES")) == "2e"
    assert loaded(device) == digest(IMAGE)
    assert tool.ask("6c 03 02") == "2c"
    tool.reset()
    assert tool.status()[1:] == ("02", "00")
    assert tool.ask("6d 00 40 00 0a") == "2d" + b"PROPERTIES".hex()


def test_power_lost_during_a_download_keeps_what_was_written_and_loses_ram(
    bench: Bench, tool: Tool, device: Device
) -> None:
    load(tool, IMAGE[:5])
    bench.send(tool.request(write(*IMAGE[5])))
    bench.wait(0.02)
    bench.ear.take()
    device.power_off()
    bench.wait(1)
    assert bench.ear.take() == []  # a record that was not written is not answered
    device.power_on()
    bench.wait(1)
    assert tool.status()[:2] == ("01", "03")
    assert tool.ask("6d 00 e7 ea 16") == "2d" + bytes(range(22)).hex()
    assert tool.ask("6d 00 e8 00 20") == "2d" + "00" * 32
    assert tool.ask("6d 07 00 02 20") != "2d" + "01" * 32

    load(tool)
    assert tool.ask("6f 01") == "2f"
    assert tool.ask("6c 03 02") == "2c"
    tool.reset()
    assert tool.status()[1] == "02"
    assert loaded(device) == digest(IMAGE)


def test_what_was_being_written_when_power_failed_is_half_there_or_garbage() -> None:
    record = ((0x10000, b"\x11" * 32),)
    outcomes = []
    for seed in range(20):
        memory = Memory()
        memory.tear(record, loading=True, chance=random.Random(seed))
        assert memory.wrong_sums() & Sums.APPLICATION
        outcomes.append(memory.read(0x10000, 32))
    assert b"\x11" * 16 + bytes(16) in outcomes
    assert len(set(outcomes)) > 5
    again = Memory()
    again.tear(record, loading=True, chance=random.Random(19))
    assert again.read(0x10000, 32) == outcomes[19]


def test_garbage_never_reaches_the_state_or_the_flags() -> None:
    for seed in range(20):
        memory = Memory()
        memory.write(0xF000, bytes(10) + b"\x02" + bytes(10) + b"\x43")
        memory.tear(((0xF008, b"\x83" * 32),), loading=True, chance=random.Random(seed))
        assert memory.read(0xF00A, 1) in (b"\x02", b"\x83")
        assert memory.read(0xF015, 1) in (b"\x43", b"\x83")
