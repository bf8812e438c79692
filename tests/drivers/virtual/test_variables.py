"""Network variables: what a site's devices tell each other unasked, and what a snapshot reads and restores."""

import random

import pytest

from drivers.virtual import packets
from drivers.virtual.device import Device
from drivers.virtual.node import Profile, Variable
from drivers.virtual.packets import Format, Packet, Pdu
from drivers.virtual.traffic import UpdateTraffic, parse_rate

from .bench import DOMAIN_55, Bench, Tool, request

VARIABLES = (Variable(), Variable(output=True), Variable(length=1), Variable(length=4, output=True))
OUTPUT_SELECTORS = {0x3FFE: 2, 0x3FFC: 4}  # an unbound variable has selector 0x3FFF - index


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def devices(bench: Bench) -> list[Device]:
    return [
        bench.device(Profile(bytes([0, 0, 0, 0, 0, number]), bytes(8), variables=VARIABLES)) for number in range(1, 4)
    ]


def configure(bench: Bench, device: Device) -> None:
    tool = Tool(bench, device.neuron_id)
    entry = bytearray.fromhex(DOMAIN_55)
    entry[9] = 0x80 | device.neuron_id[-1]
    assert tool.ask(bytes(entry)) == "23"
    assert tool.ask("6c 03 04") == "2c"


def traffic(bench: Bench, devices: list[Device], rate: float) -> UpdateTraffic:
    updates = UpdateTraffic(bench.timeline, random.Random(1), devices)
    updates.rate = rate
    return updates


def heard(bench: Bench, seconds: float) -> list[Packet]:
    bench.ear.take()
    bench.wait(seconds)
    return [packet for lpdu in bench.ear.take() if (packet := packets.decode(lpdu))]


def test_updates_come_at_the_rate_asked_for_from_all_configured_devices(bench: Bench, devices: list[Device]) -> None:
    for device in devices[:2]:
        configure(bench, device)
    traffic(bench, devices, 50)
    updates = heard(bench, 20)
    assert 950 <= len(updates) <= 1050
    sources = [update.source for update in updates]
    assert set(sources) == {(1, 1), (1, 2)}
    assert abs(sources.count((1, 1)) - sources.count((1, 2))) <= 1


def test_an_update_is_an_unacknowledged_message_to_all_or_to_the_tool_with_selector_and_value(
    bench: Bench, devices: list[Device]
) -> None:
    configure(bench, devices[0])
    traffic(bench, devices, 50)
    updates = heard(bench, 2)
    assert {(update.pdu, update.domain) for update in updates} == {(Pdu.APPLICATION, b"\x55")}
    assert {(update.format, update.destination) for update in updates} == {
        (Format.BROADCAST, b"\0"),
        (Format.SUBNET_NODE, b"\x01\x7e"),
    }
    for update in updates:
        assert update.content[0] & 0xC0 == 0x80  # meant for inputs
        selector = (update.content[0] & 0x3F) << 8 | update.content[1]
        assert len(update.content) - 2 == OUTPUT_SELECTORS[selector]


def test_an_update_tells_the_value_that_can_be_fetched_and_polled(bench: Bench, devices: list[Device]) -> None:
    configure(bench, devices[0])
    updates = traffic(bench, devices, 10)
    values = {update.content[:2]: update.content[2:] for update in heard(bench, 5)}
    updates.rate = 0
    tool = Tool(bench, devices[0].neuron_id)
    assert tool.ask("73 01") == "3301" + values[b"\xbf\xfe"].hex()
    assert tool.ask("bf fe") == "fffe" + values[b"\xbf\xfe"].hex()
    assert tool.ask("73 03") == "3303" + values[b"\xbf\xfc"].hex()


def test_an_update_changes_inputs_and_never_an_output(bench: Bench, devices: list[Device]) -> None:
    configure(bench, devices[0])
    tool = Tool(bench, devices[0].neuron_id)
    for message in ("bf ff 12 34", "bf fe 12 34"):
        bench.ask(request(message, 0, devices[0].neuron_id, pdu=0x3C))
    assert tool.ask("73 00") == "33001234"
    assert tool.ask("73 01") == "33010000"


@pytest.mark.parametrize("silenced", ["unconfigured", "offline", "hard offline", "no power"])
def test_only_devices_that_are_configured_and_online_send_updates(
    bench: Bench, devices: list[Device], silenced: str
) -> None:
    configure(bench, devices[0])
    traffic(bench, devices, 50)
    assert heard(bench, 1)
    tool = Tool(bench, devices[0].neuron_id)
    match silenced:
        case "unconfigured":
            tool.ask("6c 03 02")
        case "offline":
            bench.ask(request("6c 00", 0, tool.to, pdu=0x3C))
        case "hard offline":
            tool.ask("6c 03 06")
        case _:
            devices[0].power_off()
            bench.wait(1)
    assert heard(bench, 1) == []


def test_a_full_channel_piles_nothing_up(bench: Bench, devices: list[Device]) -> None:
    for device in devices:
        configure(bench, device)
    updates = traffic(bench, devices, 1000)
    busy = bench.channel.usage.busy_s
    bench.wait(5)
    assert bench.channel.usage.busy_s - busy > 4.9
    updates.rate = 0
    assert len(heard(bench, 1)) <= 3
    assert heard(bench, 1) == []


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1001", "fast"])
def test_what_is_no_rate_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate") as refused:
        parse_rate(text)
    assert repr(text) in str(refused.value)


def test_a_snapshot_of_one_device_restores_another_completely(bench: Bench, devices: list[Device]) -> None:
    first, second = (Tool(bench, device.neuron_id) for device in devices[:2])
    configure(bench, devices[0])
    for index in range(15):
        assert first.ask(f"66 {index:02x} 81 05 33 {index:02x} 07") == "26"
    for index in range(4):
        assert first.ask(f"6b {index:02x} 41 2{index} 3f") == "2b"
    assert first.ask("6e 02 00 02 06 04 4c 4f 42 42 59 31") == "2e"
    assert first.ask(bytes.fromhex("6e 00 40 00 20 00") + bytes(range(32))) == "2e"

    questions = [
        *("6a 00", "6a 01"),
        *(f"67 {index:02x}" for index in range(15)),
        *(f"68 {index:02x}" for index in range(4)),
        *("6d 02 00 00 19", "6d 00 40 00 20"),
    ]
    snapshot = [first.ask(question) for question in questions]
    assert "" not in snapshot
    for question, answer in zip(questions, snapshot, strict=True):
        asked, held = bytes.fromhex(question), bytes.fromhex(answer)[1:]
        write = {
            0x6A: b"\x63" + asked[1:],
            0x67: b"\x66" + asked[1:],
            0x68: b"\x6b" + asked[1:],
            0x6D: b"\x6e" + asked[1:] + (b"\x04" if asked[1] == 2 else b"\0"),
        }[asked[0]]
        assert second.ask(write + held) == f"{write[0] & 0x1F | 0x20:02x}"
    second.reset()
    assert second.status()[1:] == ("02", "00")
    assert [second.ask(question) for question in questions] == snapshot


def test_aliases_stand_behind_the_variables_and_lead_to_them(bench: Bench) -> None:
    device = bench.device(Profile(bytes([0, 0, 0, 0, 0, 9]), bytes(8), variables=VARIABLES, aliases=2))
    configure(bench, device)
    tool = Tool(bench, device.neuron_id)
    assert tool.ask("6d 01 00 24 01") == "2d02"
    assert tool.ask("68 04") == "283fff0fff", "an alias of no variable"
    assert tool.ask("6b 05 01 23 00 02") == "2b"
    assert tool.ask("68 05") == "2801230002"
    assert device.node.variable_for(0x0123) == 2
    assert tool.ask("68 06") == "08", "there are two"
    assert tool.ask("6b 05 01 23 00") == "0b", "it takes the variable, too"
    assert tool.ask("73 04") == "13", "an alias has no value of its own"
