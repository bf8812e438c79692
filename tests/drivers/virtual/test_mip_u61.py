"""The network interface's end of a MIP/U61 line: bare frames."""

import pytest

from drivers.virtual.interface import Family

from .bench import QUERY_ID, SerialBench, request

STATUS = bytes.fromhex("7e 00 05 e0 1e a0 01 00")


@pytest.fixture
def bench() -> SerialBench:
    return SerialBench(Family.U61)


def frame(command: int, data: bytes) -> bytes:
    """Write a frame as the host does: the length byte is not doubled."""
    return b"\x7e\x00" + bytes([1 + len(data)]) + (bytes([command]) + data).replace(b"\x7e", b"\x7e\x7e")


def test_status_is_answered_without_any_acknowledgement(bench: SerialBench) -> None:
    assert bench.say(frame(0xE0, b"")) == STATUS


def test_a_device_is_found(bench: SerialBench) -> None:
    bench.device()
    answer = bench.say(frame(0x12, QUERY_ID), wait=0.1)
    assert answer.hex(" ") == ("7e 00 19 1a 00 18 00 80 01 fe 21 21 00 a1 b2 c3 d4 01 9f ff ff 00 00 00 04 01 3c 64")


def test_flags_are_doubled_both_ways_and_time_does_not_matter(bench: SerialBench) -> None:
    bench.device()
    for byte in frame(0x12, request("6e 00 40 00 02 00 7e 7e", 1)):
        bench.say(bytes([byte]))
    bench.wait(0.1)
    answer = bench.say(frame(0x12, request("6d 00 40 00 02", 2)), wait=0.1)
    assert b"\x2d\x7e\x7e\x7e\x7e" in answer


def test_a_length_of_7e_is_not_doubled_downlink(bench: SerialBench) -> None:
    data = bytes.fromhex("3c 01 fe") + bytes(122)
    assert len(frame(0x12, data)) == 3 + 0x7E
    bench.say(frame(0x12, data) + frame(0xE0, b""), wait=0.1)
    assert bench.channel.usage.packets == 1


def test_an_uplink_length_of_7e_is_doubled(bench: SerialBench) -> None:
    bench.link.send(0x1A, bytes(0x7D))
    assert bench.take()[:5] == bytes.fromhex("7e 00 7e 7e 1a")


def test_a_new_frame_abandons_the_one_begun(bench: SerialBench) -> None:
    assert bench.say(frame(0x12, QUERY_ID)[:7] + frame(0xE0, b"")) == STATUS


def test_a_frame_that_stops_coming_is_abandoned(bench: SerialBench) -> None:
    bench.say("7e 00 05 12", wait=1.1)
    assert bench.say("e0 e0 e0 e0" + frame(0xE0, b"").hex()) == STATUS


def test_a_change_of_layer_is_reported_as_a_reset_with_mode_and_transceiver(bench: SerialBench) -> None:
    assert bench.say(frame(0xE5, b"\1")) == bytes.fromhex("7e 00 02 e5 01")
    assert bench.say(frame(0xE5, b"\0")) == bytes.fromhex("7e 00 03 50 00 1e")


def test_the_own_neuron_id_can_be_read(bench: SerialBench) -> None:
    answer = bench.say(frame(0x22, bytes.fromhex("70 00 05" + "00" * 11 + "6d 01 00 00 06")))
    assert answer[-6:] == bytes.fromhex("00d0715e0001")


def test_a_flag_left_over_outside_a_frame_does_not_hide_the_next_frame(bench: SerialBench) -> None:
    assert bench.say(b"\x7e" + frame(0xE0, b"")) == STATUS
