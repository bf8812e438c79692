"""The network interface's end of a MIP/U50 line."""

from collections.abc import Iterator
from itertools import groupby

import pytest

from drivers.virtual import packets

from .bench import (
    ACK,
    DATA,
    FAIL,
    NULL,
    QUERY_ID,
    REJECT,
    RESYNC,
    SerialBench,
    code_packet,
    message,
    request,
)

FOREIGN = bytes.fromhex("00 31 01 fe 07 99 00")  # a packet of nobody here
# The interface of the trace was in layer 5 at first and did not reset for layer 2; this one comes in layer 2,
# the factory default, so that only this answer differs.
STATUS_OF_TRACE, STATUS_HERE = bytes.fromhex("05e01ea000005d"), bytes.fromhex("05e01ea001005c")


def turns() -> Iterator[tuple[bool, bytes]]:
    """The tool's trace as alternating (tool speaks, bytes)."""
    lines = [line for line in (DATA / "tool.txt").read_text().splitlines() if line.startswith((">", "<"))]
    for speaker, group in groupby(lines, key=lambda line: line[0]):
        yield speaker == ">", b"".join(bytes.fromhex(line[2:]) for line in group)


@pytest.fixture
def bench() -> SerialBench:
    return SerialBench()


@pytest.fixture
def uplink(bench: SerialBench) -> bytes:
    """The first uplink message, sequence 1, after somebody sent a packet on the channel."""
    bench.channel.send(FOREIGN, None)
    bench.wait(0.01)
    return message(0x1A, FOREIGN + packets.checksum(FOREIGN), sequence=1)


@pytest.mark.parametrize("byte_at_a_time", [False, True])
def test_the_trace_of_a_tool_is_reproduced(bench: SerialBench, byte_at_a_time: bool) -> None:
    bench.device()
    for tool_speaks, data in turns():
        if tool_speaks:
            bench.take()
            for part in [data[at : at + 1] for at in range(len(data))] if byte_at_a_time else [data]:
                bench.link.feed(part)
            bench.wait(0.09)
        else:
            expected = data.replace(STATUS_OF_TRACE, STATUS_HERE)
            assert bench.take().hex(" ") == expected.hex(" ")


def test_garbage_before_a_code_packet_is_ignored(bench: SerialBench) -> None:
    assert bench.say(bytes.fromhex("00 ff 7e 7e 11 22 7e 7e") + RESYNC) == NULL


def test_a_broken_code_packet_is_ignored_and_a_good_one_inside_it_is_found(bench: SerialBench) -> None:
    assert bench.say(b"\x7e\x07" + RESYNC) == NULL


def test_resync_is_always_answered_by_null(bench: SerialBench) -> None:
    assert bench.say(RESYNC + RESYNC) == NULL + NULL


def test_a_message_with_a_wrong_checksum_is_answered_by_fail_and_counted(bench: SerialBench) -> None:
    good = message(0x12, QUERY_ID, sequence=3)
    assert bench.say(good[:-1] + bytes([good[-1] ^ 1])) == FAIL
    assert bench.say(good) == ACK
    assert bench.say("7e 06 e0 9c")[4:] == message(0xE0, "1e a0 01 01", sequence=1)


def test_a_repeated_sequence_number_is_acknowledged_but_not_sent_again(bench: SerialBench) -> None:
    for _ in range(3):
        assert bench.say(message(0x12, FOREIGN, sequence=5), wait=0.1) == ACK
    assert bench.channel.usage.packets == 1


def test_sequence_zero_is_never_a_repetition(bench: SerialBench) -> None:
    for _ in range(2):
        assert bench.say(message(0x12, FOREIGN), wait=0.1) == ACK
    assert bench.channel.usage.packets == 2


def test_a_repetition_after_resync_is_a_new_message(bench: SerialBench) -> None:
    bench.say(message(0x12, FOREIGN, sequence=5) + RESYNC + message(0x12, FOREIGN, sequence=5), wait=0.1)
    assert bench.channel.usage.packets == 2


def test_a_lone_flag_inside_a_message_starts_a_code_packet(bench: SerialBench) -> None:
    begun = message(0x12, QUERY_ID, sequence=1)[:9]
    assert bench.say(begun + message(0x12, QUERY_ID, sequence=1)) == ACK


def test_a_message_that_stops_coming_is_answered_by_fail(bench: SerialBench) -> None:
    begun = message(0x12, QUERY_ID, sequence=1)
    assert bench.say(begun[:-3], wait=0.039) == b""
    assert bench.say(begun[-3:-2], wait=0.039) == b""  # each byte starts the time anew
    bench.wait(0.002)
    assert bench.take() == FAIL
    assert bench.say(begun) == ACK


def test_a_code_packet_that_stops_coming_is_forgotten(bench: SerialBench) -> None:
    assert bench.say("7e 06", wait=0.05) == b""
    assert bench.say(RESYNC) == NULL


def test_a_message_packet_with_another_parameter_is_acknowledged_and_has_no_message(bench: SerialBench) -> None:
    assert bench.say(code_packet(2, 2) + RESYNC) == ACK + NULL


def test_messages_are_rejected_while_all_buffers_wait_for_the_channel(bench: SerialBench) -> None:
    answers = [bench.say(message(0x12, FOREIGN)) for _ in range(10)]
    assert answers == [ACK] * 8 + [REJECT] * 2
    assert bench.say(code_packet(3)) == REJECT
    bench.wait(0.01)
    assert bench.say(code_packet(3)) == code_packet(4)
    assert bench.say(message(0x12, FOREIGN)) == ACK


def test_a_rejected_message_is_taken_when_it_comes_again(bench: SerialBench) -> None:
    for _ in range(8):
        bench.say(message(0x12, FOREIGN))
    again = message(0x12, FOREIGN, sequence=4)
    assert bench.say(again, wait=0.2) == REJECT
    assert bench.say(again, wait=0.2) == ACK
    assert bench.channel.usage.packets == 9


def test_an_uplink_message_is_repeated_with_its_number_until_acknowledged(bench: SerialBench, uplink: bytes) -> None:
    bench.wait(0.25)
    assert bench.take() == uplink * 3
    assert bench.say(ACK, wait=1) == b""


def test_an_uplink_message_nobody_acknowledges_is_dropped_after_ten_tries(bench: SerialBench, uplink: bytes) -> None:
    bench.wait(5)
    assert bench.take() == uplink * 10


def test_fail_from_the_host_brings_the_message_again_at_once(bench: SerialBench, uplink: bytes) -> None:
    bench.take()
    assert bench.say(FAIL) == uplink


def test_one_uplink_message_is_outstanding_and_the_next_number_follows(bench: SerialBench, uplink: bytes) -> None:
    for _ in range(8):
        bench.channel.send(FOREIGN, None)
    bench.wait(0.06)
    assert bench.take() == uplink
    numbers = [bench.say(ACK)[1] >> 5 for _ in range(8)]
    assert numbers == [2, 3, 4, 5, 6, 7, 1, 2]


def test_an_acknowledgement_rides_on_the_next_message_when_one_waits(bench: SerialBench, uplink: bytes) -> None:
    bench.channel.send(FOREIGN, None)
    bench.wait(0.01)
    assert bench.take() == uplink
    answer = bench.say(message(0x12, FOREIGN, sequence=1, acknowledges=True))
    assert answer == message(0x1A, FOREIGN + packets.checksum(FOREIGN), sequence=2, acknowledges=True)


def test_flags_in_messages_are_doubled_both_ways(bench: SerialBench) -> None:
    bench.device()
    write = request("6e 00 40 00 02 00 7e 7e", 1)
    answer = bench.say(message(0x12, write), wait=0.09)
    assert answer.count(b"\x7e\x12") == 0
    bench.say(ACK)
    read = bench.say(message(0x12, request("6d 00 40 00 02", 2)), wait=0.09)
    assert b"\x2d\x7e\x7e\x7e\x7e" in read


def test_a_change_of_layer_makes_it_reset_and_say_so(bench: SerialBench) -> None:
    assert bench.say(code_packet(6, 0xD0)) == ACK + code_packet(6, 0x50, sequence=1)
    assert bench.say(ACK + code_packet(6, 0xD0)) == ACK + code_packet(6, 0xD0, sequence=2)
    assert bench.say(ACK + message(0xD1, b"")) == ACK + code_packet(6, 0x50, sequence=1)


def test_in_layer_5_network_traffic_is_ignored(bench: SerialBench) -> None:
    bench.say(code_packet(6, 0xD0) + ACK)
    bench.channel.send(FOREIGN, None)
    assert bench.say(message(0x12, FOREIGN), wait=0.1) == ACK
    assert bench.channel.usage.packets == 1


def test_a_reset_clears_the_numbers(bench: SerialBench, uplink: bytes) -> None:
    bench.say(ACK)
    assert bench.say(code_packet(6, 0x50)) == ACK + code_packet(6, 0x50, sequence=1)


def test_flush_cancel_is_only_acknowledged(bench: SerialBench) -> None:
    assert bench.say("7e 06 60 1c", wait=0.09) == ACK


def test_the_ping_is_answered_with_its_tag(bench: SerialBench) -> None:
    answer = bench.say(message(0x22, "6f 08 01" + "00" * 11 + "51"))
    assert answer[:4] == ACK
    assert answer[8:14] == bytes.fromhex("1f 16 6f 01 10 00")
    assert answer[8 + 16] == 0x31


def test_the_product_query_tells_the_transceiver(bench: SerialBench) -> None:
    answer = bench.say(message(0x22, "75 00 03" + "00" * 11 + "7d 01 01"))
    assert answer[8 + 16] == 0x3D
    assert answer[-2] & 0x1F == 30


def test_an_unknown_local_request_fails(bench: SerialBench) -> None:
    answer = bench.say(message(0x22, "70 00 01" + "00" * 11 + "75"))
    assert answer[8 + 16] == 0x15


def test_an_extended_length_is_tossed_and_acknowledged_as_version_a0_does(bench: SerialBench) -> None:
    body = bytes([0xFF, 0, 9, 0x12]) + QUERY_ID
    body += bytes([-sum(body) & 0xFF])
    assert bench.say(code_packet(2, 1) + body, wait=0.1) == ACK
    assert bench.channel.usage.packets == 0


def test_a_broken_packet_on_the_channel_is_reported(bench: SerialBench) -> None:
    bench.interface.hear(FOREIGN, intact=False)
    assert bench.take() == code_packet(6, 0x31, sequence=1)
