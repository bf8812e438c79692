"""What a simulated device does about messages, time and power."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.virtual.device import Activity, Device, Temperament, Timing
from drivers.virtual.node import State, StateName

from .bench import DOMAIN_55, TRACED_ID, Bench, Tool, content_of, request

STATUS = 0x31


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def device(bench: Bench) -> Device:
    return bench.device()


@pytest.fixture
def tool(bench: Bench, device: Device) -> Tool:
    return Tool(bench)


def test_a_fresh_device_is_unconfigured_with_no_domain_in_use(tool: Tool, device: Device) -> None:
    assert device.node.state is State.UNCONFIGURED
    assert device.node.domains == (None, None)
    assert tool.ask("6a 01") == "2a00000000000000" + "80" + "ff" * 7


def test_a_configured_device_is_reached_by_subnet_and_node_in_its_domain_only(bench: Bench, tool: Tool) -> None:
    tool.configure()
    assert len(bench.ask("01 19 01 fe 01 8a 55 01 51")) == 1
    assert bench.ask("01 19 01 fe 01 8b 55 02 51") == []
    assert bench.ask("01 19 01 fe 01 8a 56 03 51") == []
    assert bench.ask("01 18 01 fe 01 8a 04 51") == []


def test_an_unconfigured_device_is_not_reached_by_the_address_in_its_table(bench: Bench, tool: Tool) -> None:
    tool.configure()
    assert tool.ask("6c 03 02") == "2c"
    assert bench.ask("01 19 01 fe 01 8a 55 01 51") == []


def test_a_broadcast_reaches_a_configured_device_in_its_domain_and_subnet(bench: Bench, tool: Tool) -> None:
    tool.configure()
    assert len(bench.ask("01 11 01 fe 00 55 01 51")) == 1
    assert len(bench.ask("01 11 01 fe 01 55 02 51")) == 1
    assert bench.ask("01 11 01 fe 02 55 03 51") == []
    assert bench.ask("01 10 01 fe 00 04 51") == []


def test_a_packet_from_its_own_address_is_dropped(bench: Bench, tool: Tool) -> None:
    tool.configure()
    assert bench.ask("01 19 01 8a 01 8a 55 01 51") == []


def test_a_group_member_answers_with_group_and_member(bench: Bench, tool: Tool) -> None:
    tool.configure()
    assert tool.ask("66 02 83 01 33 05 07") == "26"
    answers = bench.ask("02 15 01 fe 07 55 01 51")
    assert [answer[:10].hex() for answer in answers] == ["0019010a01fe07015521"]


def test_a_repeated_message_is_answered_again_but_carried_out_once(bench: Bench, device: Device) -> None:
    wink = request("70", 1, pdu=0x0C)
    answers = [bench.ask(wink, wait=0.1) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2] != []
    assert device.node.winks == 1


def test_the_same_number_with_another_message_is_new(bench: Bench, device: Device) -> None:
    bench.ask(request("70", 1, pdu=0x0C))
    bench.ask(request("70 00", 1, pdu=0x0C))
    assert device.node.winks == 2


def test_a_message_is_forgotten_after_the_receive_timer(bench: Bench, device: Device) -> None:
    bench.ask(request("70", 1, pdu=0x0C))
    bench.wait(8.2)
    bench.ask(request("70", 1, pdu=0x0C))
    assert device.node.winks == 2


def test_messages_by_subnet_and_node_use_the_configured_receive_timer(bench: Bench, tool: Tool, device: Device) -> None:
    tool.configure()
    bench.ask("01 09 01 fe 01 8a 55 01 70", wait=1)
    bench.ask("01 09 01 fe 01 8a 55 01 70", wait=1.1)
    bench.ask("01 09 01 fe 01 8a 55 01 70", wait=1)
    assert device.node.winks == 2  # 2048 ms are over


def test_a_write_answers_after_its_time_and_is_durable_only_then(bench: Bench, device: Device) -> None:
    assert bench.ask(request(DOMAIN_55, 1), wait=0.026) == []
    assert device.activity is Activity.PROGRAMMING
    assert device.node.domains == (None, None)
    bench.wait(0.01)
    assert len(bench.ear.take()) == 1
    assert device.node.domains[0] is not None


def test_while_writing_a_device_keeps_two_messages_and_drops_the_rest(bench: Bench) -> None:
    device = bench.device(timing=Timing(write_s=0.5, reset_s=0.6))
    bench.send(request(DOMAIN_55, 1))
    for transaction in (2, 3, 4):
        bench.send(request("51", transaction))
    bench.wait(0.4)
    assert bench.ear.take() == []
    bench.wait(0.4)
    assert len(bench.ear.take()) == 3
    assert device.node.statistics.missed_messages == 1


def test_a_device_is_deaf_during_a_reset_and_then_tells_its_cause(bench: Bench, tool: Tool) -> None:
    bench.ask(request("6c 02", 1, pdu=0x3C), wait=0.3)
    assert tool.ask("51", wait=0.1) == ""
    bench.wait(0.5)
    assert tool.ask("51")[22:26] == "1402"


def test_a_power_cycle_keeps_tables_and_loses_what_was_in_ram(bench: Bench, tool: Tool, device: Device) -> None:
    tool.configure()
    tool.ask("62 01")
    bench.ask(request("6c 00", 9, pdu=0x0C))
    assert tool.ask("51")[24:26] == "0c"
    device.power_off()
    assert tool.ask("51") == ""
    device.power_on()
    bench.wait(1)
    assert tool.ask("51")[22:26] == "0104"
    assert tool.ask("61 01") == ""
    assert device.node.state_name is StateName.CONFIGURED


def test_hard_offline_survives_a_reset(bench: Bench, tool: Tool, device: Device) -> None:
    tool.configure()
    assert tool.ask("6c 03 06") == "2c"
    bench.ask(request("6c 02", 9, pdu=0x3C))
    assert device.node.state_name is StateName.HARD_OFFLINE


def test_power_lost_in_the_middle_of_a_write_leaves_an_unconfigured_device_with_error_153(
    bench: Bench, tool: Tool, device: Device
) -> None:
    tool.configure()
    before = device.node.domain_entry(0)
    after = bytes.fromhex("66 00 00 00 00 00 02 8b 01 ee ee ee ee ee ee")
    bench.send(request(b"\x63\x00" + after, 14))
    bench.wait(0.02)
    device.power_off()
    assert device.node.domain_entry(0) not in (before, after)
    device.power_on()
    bench.wait(1)
    status = tool.ask("51")
    assert status[24:26] == "02"
    assert status[28:30] == "99"  # 153


def test_configuration_written_without_its_checksum_is_found_at_the_next_reset(bench: Bench, tool: Tool) -> None:
    tool.configure()
    assert tool.ask("6e 02 00 02 01 00 41") == "2e"
    bench.ask(request("6c 02", 9, pdu=0x3C))
    assert tool.ask("51")[24:30] == "020499"


def test_configuration_written_with_its_checksum_stays(bench: Bench, tool: Tool) -> None:
    tool.configure()
    assert tool.ask("6e 02 00 02 01 04 41") == "2e"
    bench.ask(request("6c 02", 9, pdu=0x3C))
    assert tool.ask("51")[24:30] == "040400"
    assert tool.ask("6d 02 00 02 01") == "2d41"


def test_an_application_without_its_checksum_makes_the_device_applicationless(bench: Bench, tool: Tool) -> None:
    assert tool.ask("6e 00 60 00 01 00 41") == "2e"
    bench.ask(request("6c 02", 9, pdu=0x3C))
    assert tool.ask("51")[24:30] == "030498"


def test_an_image_loads_into_an_applicationless_device(bench: Bench, tool: Tool, device: Device) -> None:
    assert tool.ask("6c 03 03") == "2c"
    assert tool.ask("6e 00 60 00 02 00 41 42") == "2e"
    assert tool.ask("6e 07 00 02 02 00 43 44") == "2e"
    assert tool.ask("6e 00 f0 0d 08 00 9f ff ff 12 34 56 04 09") == "2e"
    assert tool.ask("6f 01") == "2f"
    assert tool.ask("6c 03 02") == "2c"
    bench.ask(request("6c 02", 9, pdu=0x3C))
    assert tool.ask("51")[24:30] == "020400"
    assert tool.ask("6d 07 00 02 02") == "2d4344"
    assert device.node.program_id.hex() == "9fffff1234560409"


def test_a_write_can_end_in_a_reset(bench: Bench, tool: Tool) -> None:
    assert tool.ask("6e 02 00 02 01 0c 41") == "2e"
    assert tool.ask("51")[22:24] == "14"


def test_leaving_the_domain_a_request_came_in_is_not_answered(bench: Bench, tool: Tool, device: Device) -> None:
    tool.configure()
    assert tool.ask("63 01 66 00 00 00 00 00 01 8a 01 ff ff ff ff ff ff") == "23"
    assert bench.ask("01 19 01 fe 01 8a 55 01 64 00") == []
    assert [domain and domain.id for domain in device.node.domains] == [None, b"\x66"]


def test_the_key_is_changed_by_increments(tool: Tool) -> None:
    tool.configure()
    assert tool.ask("65 00 01 02 03 04 05 06") == "25"
    assert tool.ask("6a 00").endswith("000102030405")


def test_management_without_authentication_fails_where_it_is_demanded(tool: Tool) -> None:
    tool.configure()
    assert tool.ask("6e 02 00 18 01 04 88") == "2e"
    assert tool.ask("63 00" + "00" * 15) == "03"
    assert tool.ask("51").startswith("31")


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("54", "14"),
        ("57", "17"),
        ("5d", "1d"),
        ("60 07 00", "0007"),
        ("61 05", "01"),
        ("61 00 01 00", "01"),
        ("62 02", "02"),
        ("63 02" + "00" * 15, "03"),
        ("63 00 55", "03"),
        ("64 02", "04"),
        ("66 0f 00 00 00 00 00", "06"),
        ("67 0f", "07"),
        ("68 09", "08"),
        ("68 ff 00 01", "287ffe0f"),
        ("6b 00 01", "0b"),
        ("6c 03 05", "0c"),
        ("6c 07", "0c"),
        ("6d 01 00 00 80", "0d"),
        ("6d 02 00 18 02", "0d"),
        ("6d 04 00 00 01", "0d"),
        ("6e 01 00 00 01 00 ff", "0e"),
        ("6e 00 00 00 01 00 ff", "0e"),
        ("6e 00 40 00 02 00 ff", "0e"),
        ("6f 02", "0f"),
        ("70", "10"),
        ("70 01 00", "3000" + TRACED_ID.hex() + "9fffff0000000401"),
        ("70 05 03 00 00 06", "30" + b"&3.4@0".hex()),
        ("70 05 03 00 2b 08", "3078"),
        ("71 00 01 10 00", "31"),
        ("72 00 30 20", "12"),
        ("73 ff 00 01", "33ff00010000"),
        ("7d 01 01", "1d"),
        ("00 01", ""),
    ],
)
def test_answers_and_failures(tool: Tool, content: str, answer: str) -> None:
    assert tool.ask(content) == answer


def test_a_conditional_query_is_answered_only_where_memory_matches(tool: Tool) -> None:
    assert tool.ask("61 00 01 00 0d 02 9f ff").startswith("21")
    assert tool.ask("61 00 01 00 0d 02 9f fe") == ""


def test_an_applicationless_device_does_not_wink(bench: Bench, tool: Tool, device: Device) -> None:
    tool.ask("6c 03 03")
    bench.ask(request("70", 14, pdu=0x0C))
    assert device.node.winks == 0


def test_a_service_pin_pressed_during_a_reset_speaks_after_it(bench: Bench, device: Device) -> None:
    bench.ask(request("6c 02", 9, pdu=0x3C), wait=0.1)
    device.press_service_pin()
    bench.wait(0.1)
    assert bench.ear.take() == []
    bench.wait(1)
    assert [answer[5] for answer in bench.ear.take()] == [0x7F]


def test_a_marginal_device_answers_a_repetition_it_missed_at_first(bench: Bench) -> None:
    bench.device(temperament=Temperament(misses=0.5))
    tries = [len(bench.ask(request("51", number % 15 + 1), wait=9)) for number in range(40)]
    assert {0, 1} == set(tries)


def test_a_dawdling_device_answers_late(bench: Bench) -> None:
    bench.device(temperament=Temperament(dawdles=1, dawdle_s=0.15))
    assert bench.ask(request("51", 1), wait=0.1) == []
    bench.wait(0.1)
    assert len(bench.ear.take()) == 1


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20))
def test_no_message_breaks_a_device(contents: list[bytes]) -> None:
    bench = Bench("unlimited")
    device = bench.device()
    for number, content in enumerate(contents):
        bench.ask(request(content, number % 16))
    device.power_off()
    device.power_on()
    bench.wait(10)
    assert device.activity is Activity.IDLE
    answers = [content_of(answer) for answer in bench.ask(request("51", 7))]
    assert [answer[0] for answer in answers] == [STATUS]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_packet_breaks_a_device(lpdus: list[bytes]) -> None:
    bench = Bench("unlimited")
    device = bench.device()
    for lpdu in lpdus:
        bench.ask(lpdu)
    bench.wait(10)
    assert device.activity is Activity.IDLE
