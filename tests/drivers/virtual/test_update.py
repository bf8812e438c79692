"""Image update: many devices take one image off the channel while they work, and switch over to it."""

import hashlib
import math
import random
from dataclasses import replace

import pytest

from drivers.virtual.channel import Faults
from drivers.virtual.device import Device
from drivers.virtual.node import DeviceKind, Profile
from drivers.virtual.update import Bank, ImageUpdate

from .bench import DOMAIN_55, TRACED_PROFILE, Bench, Tool

SESSION = bytes.fromhex("5E551017")
IDENTIFIER = bytes([1, 0, *range(8)])
IMAGE = random.Random(4).randbytes(1000)
SALT = bytes(range(16))
PROFILE = replace(TRACED_PROFILE, kind=DeviceKind.UPDATE)
OK = "2020" + "00"
KEEP_ALL, ON_TRIAL = 0x06, 0x07


def init(
    image: bytes = IMAGE,
    size: int = 100,
    count: int | None = None,
    identifier: bytes = IDENTIFIER,
    header: bytes = bytes(16),
    session: bytes = SESSION,
) -> bytes:
    packets = math.ceil(len(image) / size) if count is None else count
    numbers = size.to_bytes(2, "big") + packets.to_bytes(2, "big") + len(image).to_bytes(4, "big")
    return b"\x60\x1c" + session + identifier + numbers + header


def transfer(number: int, size: int = 100, image: bytes = IMAGE, session: bytes = SESSION, code: int = 0x1D) -> bytes:
    data = image[(number - 1) * size : number * size]
    return bytes([0x60, code]) + session + number.to_bytes(2, "big") + data


def broadcast(content: bytes, domain: bytes = b"") -> bytes:
    """An unacknowledged broadcast from 1/126."""
    return bytes([0, 0x30 | len(domain), 1, 0xFE, 0]) + domain + content


CONFIRM = b"\x60\x1e" + SESSION


def validate(kind: int = 1, digest: bytes | None = None) -> bytes:
    fitting = {0: b"", 1: hashlib.md5(SALT + IMAGE).digest(), 2: hashlib.sha256(SALT + IMAGE).digest()}
    sent = fitting.get(kind, bytes(16)) if digest is None else digest
    return b"\x60\x1f" + SESSION + bytes([kind]) + (SALT + sent if sent else b"")


def switch_over(flags: int = ON_TRIAL, delay: int = 0, identifier: bytes = IDENTIFIER) -> bytes:
    return b"\x60\x20" + bytes([flags]) + delay.to_bytes(4, "big") + b"\x01" + identifier


STATUS = b"\x60\x21" + IDENTIFIER
COMMIT = b"\x60\x22\x01" + IDENTIFIER


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def device(bench: Bench) -> Device:
    return bench.device(PROFILE)


@pytest.fixture
def update(device: Device) -> ImageUpdate:
    assert device.update is not None
    return device.update


@pytest.fixture
def tool(bench: Bench, device: Device) -> Tool:
    return Tool(bench)


def begin(tool: Tool) -> None:
    assert tool.ask(init()) == "201c" + "00" + "0001" + "0064" + "0014" + "03" + "000a"
    tool.bench.wait(1)


def send_all(bench: Bench, *but: int) -> None:
    for number in range(1, 11):
        if number not in but:
            bench.send(broadcast(transfer(number)))
    bench.wait(1)


def bring(tool: Tool) -> None:
    """Bring the image in and have it validated."""
    begin(tool)
    send_all(tool.bench)
    assert tool.ask(CONFIRM) == "201e" + "00" + "00"
    assert tool.ask(validate(), wait=0.5) == "201f" + "01" + "0001"
    tool.bench.wait(1)
    assert tool.ask(validate()) == "201f" + "00" + "0000"


def on_trial(tool: Tool) -> None:
    bring(tool)
    assert tool.ask(switch_over(), wait=0.3).startswith("2020" + "00" + "0001")
    assert tool.ask("51", wait=0.1) == ""
    tool.bench.wait(1)


def test_an_image_goes_all_the_way_by_broadcast_and_is_there_to_stay(tool: Tool, update: ImageUpdate) -> None:
    on_trial(tool)
    assert (update.bank, update.image_md5) == (Bank.SECONDARY, hashlib.md5(IMAGE).hexdigest())
    assert tool.ask(STATUS) == "2021" + "07" + "00" + "00000000" + "0000"
    assert tool.ask(COMMIT, wait=0.3) == "2022" + "01" + "0001" + "0000"
    tool.bench.wait(1)
    assert tool.ask(COMMIT) == "2022" + "00" + "0000" + "0000"
    assert tool.ask(STATUS).startswith("2021" + "05" + "00")
    tool.reset()
    assert (update.bank, update.image_md5) == (Bank.PRIMARY, hashlib.md5(IMAGE).hexdigest())
    assert tool.ask(COMMIT).startswith("2022" + "00")


def test_without_a_commit_the_next_reset_brings_the_old_image_back(tool: Tool, update: ImageUpdate) -> None:
    on_trial(tool)
    tool.reset()
    assert (update.bank, update.image_md5) == (Bank.PRIMARY, None)
    assert tool.ask(STATUS).startswith("2021" + "02" + "05")
    assert tool.ask(COMMIT).startswith("2022" + "04")


def test_an_image_switched_to_twice_still_falls_back_to_the_old_one(tool: Tool, update: ImageUpdate) -> None:
    on_trial(tool)
    tool.ask(validate(), wait=2)
    assert tool.ask(switch_over()).startswith("2020" + "00")
    assert (update.bank, update.image_md5) == (Bank.SECONDARY, hashlib.md5(IMAGE).hexdigest())
    tool.reset()
    assert (update.bank, update.image_md5) == (Bank.PRIMARY, None)


def test_power_lost_before_the_commit_is_done_brings_the_old_image_back(
    tool: Tool, device: Device, update: ImageUpdate
) -> None:
    on_trial(tool)
    assert tool.ask(COMMIT, wait=0.3).startswith("2022" + "01")
    device.power_off()
    device.power_on()
    tool.bench.wait(1)
    assert (update.bank, update.image_md5) == (Bank.PRIMARY, None)


def test_a_switch_over_that_is_no_trial_is_final(tool: Tool, update: ImageUpdate) -> None:
    bring(tool)
    assert tool.ask(switch_over(KEEP_ALL)).startswith("2020" + "00")
    tool.bench.wait(1)
    assert update.bank is Bank.PRIMARY
    assert tool.ask(STATUS).startswith("2021" + "05" + "00")
    assert tool.ask(COMMIT).startswith("2022" + "03")
    tool.reset()
    assert update.image_md5 == hashlib.md5(IMAGE).hexdigest()


@pytest.mark.parametrize(("flags", "state", "properties"), [(0x07, "04", "41"), (0x05, "02", "41"), (0x03, "04", "00")])
def test_a_switch_over_keeps_what_it_is_told_to_keep(tool: Tool, flags: int, state: str, properties: str) -> None:
    tool.configure()
    assert tool.ask("6e 00 40 00 01 00 41") == "2e"
    begin(tool)
    for number in range(1, 11):
        tool.bench.send(broadcast(transfer(number), b"\x55"))
    assert tool.ask(validate(0), wait=2).startswith("201f" + "01")
    assert tool.ask(validate(0)) == "201f" + "00" + "0000"
    assert tool.ask(switch_over(flags)).startswith("2020" + "00")
    tool.bench.wait(1)
    assert tool.status()[1:] == (state, "00")
    assert tool.ask("6d 00 40 00 01") == "2d" + properties


def test_a_device_works_until_its_switch_over_is_due(tool: Tool, update: ImageUpdate) -> None:
    bring(tool)
    assert tool.ask(switch_over(delay=30)).startswith("2020" + "00" + "001f")
    tool.bench.wait(20)
    assert tool.ask(DOMAIN_55) == "23"
    assert update.image_md5 is None
    tool.bench.wait(15)
    assert update.image_md5 is not None


def test_what_is_missing_is_told_twenty_at_a_time(bench: Bench, tool: Tool) -> None:
    image = bytes(200)
    assert tool.ask(init(image, size=1)).startswith("201c" + "00")
    bench.wait(1)
    missing = range(101, 126)
    for number in range(1, 201):
        if number not in missing:
            bench.send(broadcast(transfer(number, 1, image)))
    bench.wait(2)
    answer = tool.ask(CONFIRM)
    assert answer == "201e" + "02" + "14" + "".join(f"{number:04x}" for number in range(101, 121))
    for number in range(101, 121):
        bench.send(broadcast(transfer(number, 1, image)))
    assert tool.ask(CONFIRM, wait=2) == "201e" + "02" + "05" + "".join(f"{number:04x}" for number in range(121, 126))


def test_with_fewer_than_eighty_percent_an_image_is_not_viable_yet(bench: Bench, tool: Tool) -> None:
    begin(tool)
    send_all(bench, 1, 2, 3)
    assert tool.ask(CONFIRM) == "201e" + "03" + "00"
    bench.send(broadcast(transfer(1)))
    assert tool.ask(CONFIRM) == "201e" + "02" + "02" + "0002" + "0003"


def test_only_faults_of_the_channel_make_packets_missing(bench: Bench, tool: Tool, update: ImageUpdate) -> None:
    begin(tool)
    bench.channel.faults = Faults(loss=0.3)
    send_all(bench)
    bench.channel.faults = Faults()
    assert 0 < update.received < 10
    send_all(bench)
    assert update.received == update.packets == 10


@pytest.mark.parametrize("form", ["broadcast", "subnet/node", "Neuron ID", "acknowledged"])
def test_a_packet_is_taken_however_it_is_addressed(bench: Bench, tool: Tool, update: ImageUpdate, form: str) -> None:
    tool.configure()
    begin(tool)
    match form:
        case "broadcast":
            bench.send(broadcast(transfer(3), b"\x55"))
        case "subnet/node":
            bench.send(bytes.fromhex("00 39 01 fe 01 8a 55") + transfer(3))
        case "Neuron ID":
            bench.send(bytes.fromhex("00 3c 01 fe 00") + PROFILE.neuron_id + transfer(3))
        case _:
            assert tool.ask(transfer(3, code=0x25)) == "2025" + "01" + "00"
    bench.wait(1)
    assert update.received == 1


def test_packets_that_are_none_of_this_transfer_are_ignored(bench: Bench, tool: Tool, update: ImageUpdate) -> None:
    begin(tool)
    for packet in (
        transfer(1, session=b"else"),
        transfer(1)[:-1],
        transfer(1) + b"\0",
        transfer(11),
        transfer(0),
        b"\x60\x1d" + SESSION + b"\0\1",
    ):
        bench.send(broadcast(packet))
    bench.wait(1)
    assert update.received == 0


def test_packets_that_come_while_the_bank_is_being_erased_are_lost(
    bench: Bench, tool: Tool, update: ImageUpdate
) -> None:
    assert tool.ask(init(), wait=0.3).startswith("201c" + "00")
    send_all(bench)
    assert update.received < 10
    assert tool.ask(init(), wait=0.1).startswith("201c" + "00")  # on the same terms it goes on


def test_the_same_init_again_is_pending_and_then_goes_on_with_what_is_there(
    bench: Bench, tool: Tool, update: ImageUpdate
) -> None:
    assert tool.ask(init(), wait=0.1).startswith("201c" + "00" + "0001")
    assert tool.ask(init(), wait=0.1).startswith("201c" + "01" + "0001")
    assert tool.ask(CONFIRM, wait=0.1) == "201e" + "01" + "00"
    bench.wait(1)
    send_all(bench)
    assert tool.ask(init()).startswith("201c" + "00" + "0000")
    assert update.received == 10
    assert tool.ask(init(session=b"next")).startswith("201c" + "00" + "0001")
    assert update.received == 0


def test_packets_survive_a_power_failure_and_the_transfer_goes_on(
    bench: Bench, tool: Tool, device: Device, update: ImageUpdate
) -> None:
    begin(tool)
    send_all(bench, 4)
    device.power_off()
    device.power_on()
    bench.wait(1)
    assert tool.ask(CONFIRM) == "201e" + "02" + "01" + "0004"
    bench.send(broadcast(transfer(4)))
    assert tool.ask(CONFIRM) == "201e" + "00" + "00"
    assert tool.ask(validate(), wait=2).startswith("201f" + "01")
    assert tool.ask(validate()).startswith("201f" + "00")


def test_a_packet_that_is_too_large_is_answered_with_the_largest(bench: Bench, tool: Tool, update: ImageUpdate) -> None:
    assert tool.ask(init(size=200)) == "201c" + "02" + "0001" + "0080" + "0014" + "03" + "0008"
    assert tool.ask(init(size=128)).startswith("201c" + "00")
    bench.wait(1)
    for number in range(1, 9):
        bench.send(broadcast(transfer(number, 128)))
    bench.wait(1)
    assert (update.received, update.packets) == (8, 8)


@pytest.mark.parametrize(
    ("message", "result"),
    [
        (init(identifier=b"\x81" + bytes(9)), 3),
        (init(identifier=b"\x01\x07" + bytes(8)), 4),
        (init(header=bytes([0xA8]) + bytes(15)), 0),
        (init(header=bytes([0x24, 1]) + bytes(14)), 6),
        (init(bytes(0x40001), 128), 7),
        (init(bytes(5000), 1), 8),
    ],
)
def test_what_a_device_says_of_an_image(tool: Tool, message: bytes, result: int) -> None:
    assert tool.ask(message).startswith(f"201c{result:02x}")


@pytest.mark.parametrize("kind", [0, 1, 2])
@pytest.mark.parametrize("right", [True, False])
def test_a_digest_is_compared_over_salt_and_image(tool: Tool, kind: int, right: bool) -> None:
    begin(tool)
    send_all(tool.bench)
    asked = validate(kind) if right or not kind else validate(kind, bytes(16))
    assert tool.ask(asked, wait=2).startswith("201f" + "01")
    assert tool.ask(asked) == "201f" + ("00" if right or not kind else "04") + "0000"


def test_a_sha_256_may_be_sent_in_the_sixteen_bytes_the_message_has_for_it(tool: Tool) -> None:
    begin(tool)
    send_all(tool.bench)
    asked = validate(2, hashlib.sha256(SALT + IMAGE).digest()[:16])
    tool.ask(asked, wait=2)
    assert tool.ask(asked) == "201f" + "00" + "0000"


def test_an_image_that_was_not_validated_is_not_switched_to(tool: Tool) -> None:
    assert tool.ask(switch_over()).startswith("2020" + "05")
    begin(tool)
    send_all(tool.bench, 7)
    assert tool.ask(validate()) == "201f" + "07" + "0000"
    assert tool.ask(validate(3)) == "201f" + "06" + "0000"
    assert tool.ask(switch_over()).startswith("2020" + "06")
    assert tool.ask(switch_over(identifier=bytes(10))).startswith("2020" + "05")
    assert tool.ask(COMMIT).startswith("2022" + "04")
    assert tool.ask(STATUS).startswith("2021" + "02" + "00")


def test_a_device_does_not_wait_for_days(tool: Tool) -> None:
    bring(tool)
    assert tool.ask(switch_over(delay=100_000)).startswith("2020" + "07")
    assert tool.ask(STATUS).startswith("2021" + "03" + "00")


@pytest.mark.parametrize(
    "message",
    [
        init()[:-1],
        init(count=9),
        b"\x60\x1eelse",
        b"\x60\x1felse\x00",
        validate(1, bytes(15)),
        switch_over(0x0F),
        switch_over()[:-1],
        b"\x60\x21",
        b"\x60\x22\x02" + 2 * IDENTIFIER,
    ],
)
def test_a_message_that_makes_no_sense_fails_with_its_sub_code(tool: Tool, message: bytes) -> None:
    begin(tool)
    assert tool.ask(message) == f"00{message[1]:02x}"


@pytest.mark.parametrize("sub_code", [0x1C, 0x1E, 0x1F, 0x20, 0x21, 0x22, 0x25])
def test_a_plain_device_knows_nothing_of_it(bench: Bench, sub_code: int) -> None:
    bench.device()
    assert Tool(bench).ask(bytes([0x60, sub_code]) + bytes(10)) == f"00{sub_code:02x}"


def test_one_pass_of_the_channel_serves_many_devices(bench: Bench) -> None:
    devices = [bench.device(Profile(bytes([0, 0, 0, 0, 0, n]), bytes(8), kind=DeviceKind.UPDATE)) for n in range(5)]
    for device in devices:
        begin(Tool(bench, device.neuron_id))
    send_all(bench)
    assert [device.update and device.update.received for device in devices] == [10] * 5
