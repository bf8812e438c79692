"""Time, collisions and faults on the simulated channel."""

import pytest

from drivers.virtual.channel import RATES, Faults

from .bench import QUERY_ID, Bench, content_of, request

PACKET = bytes.fromhex("00 31 01 fe 07 99 00")
PACKET_TIME = 0.004 + 9 * 0.0001024


def test_a_packet_takes_four_milliseconds_and_its_bytes_with_checksum() -> None:
    assert RATES["ft10"].packet_time(PACKET) == pytest.approx(PACKET_TIME)
    assert RATES["unlimited"].packet_time(PACKET) == 0


def test_a_waiting_packet_starts_exactly_when_the_one_before_ends() -> None:
    bench = Bench()
    for _ in range(3):
        bench.send(PACKET)
    ends: list[float] = []
    bench.channel.send(PACKET, None, sent=lambda: ends.append(bench.timeline.now))
    bench.timeline.run_until(60)  # one late wake-up for everything
    assert ends == [pytest.approx(4 * PACKET_TIME)]
    assert bench.channel.usage.busy_s == pytest.approx(4 * PACKET_TIME)
    assert bench.channel.usage.packets == 4


def test_an_answer_follows_its_request_without_a_gap_however_late_the_computer_wakes() -> None:
    bench = Bench()
    bench.device()
    bench.ask(request("51", 1), wait=10)
    assert bench.channel.usage.busy_s == pytest.approx(2 * 0.004 + (15 + 25) * 0.0001024)


def test_queries_with_selected_devices_silenced_find_every_device() -> None:
    bench = Bench()
    ids = {device.neuron_id for device in bench.devices(40)}
    bench.ask("00 30 01 fe 00 62 01", wait=0.1)
    found: set[bytes] = set()
    transaction = 0
    while found != ids:
        transaction = transaction % 15 + 1
        answers = bench.ask(bytes([4, 0x10, 1, 0xFE, 0, transaction, 0x61, 2]), wait=1)
        new = {content_of(answer)[1:7] for answer in answers}
        assert not new & found
        found |= new
        for neuron_id in new:
            assert bench.ask(request("62 00", 9, neuron_id), wait=0.1)


def test_answers_in_the_same_slot_are_lost_and_take_one_packet_time() -> None:
    bench = Bench()
    bench.devices(200)
    answers = bench.ask(bytes.fromhex("01 10 01 fe 00 01 61 00"))  # one slot in sixteen: nearly all collide
    packets = bench.channel.usage.packets - 1
    assert packets <= 16
    assert len(answers) < packets


def test_answers_of_a_wide_window_come_in_slot_order_not_in_order_of_the_devices() -> None:
    bench = Bench()
    bench.devices(10)
    answers = [content_of(answer)[1:7] for answer in bench.ask(bytes.fromhex("3f 10 01 fe 00 01 61 00"))]
    assert len(answers) > 5
    assert answers != sorted(answers)


def test_a_lost_packet_is_heard_by_nobody() -> None:
    bench = Bench()
    bench.device()
    bench.channel.faults = Faults(loss=1)
    assert bench.ask(request("51", 1)) == []
    assert bench.channel.usage.packets == 1


def test_a_corrupt_packet_is_dropped_by_devices_and_noticed_by_the_interface() -> None:
    bench = Bench()
    device = bench.device()
    bench.channel.faults = Faults(corrupt=1)
    device.press_service_pin()
    assert bench.ask(request("70", 1, pdu=0x3C)) == []
    assert device.node.winks == 0
    assert bench.ear.broken == 1


def test_a_duplicate_takes_its_time_but_is_carried_out_once() -> None:
    bench = Bench()
    device = bench.device()
    bench.channel.faults = Faults(duplicate=1)
    answers = bench.ask(request("70", 1, pdu=0x0C))
    assert device.node.winks == 1
    assert len(set(answers)) == 1
    assert len(answers) == 4  # two acknowledgements, each of them twice
    assert bench.channel.usage.packets == 6


def test_everything_happens_at_once_on_an_unlimited_channel() -> None:
    bench = Bench("unlimited")
    bench.device()
    assert len(bench.ask(QUERY_ID, wait=0)) == 1
    assert bench.timeline.now == 0
