"""A simulated device answers what a real LON Stack DX device answered, byte for byte."""

import pytest

from drivers.virtual import packets
from drivers.virtual.device import Device
from drivers.virtual.memory import Sums
from drivers.virtual.node import domain_address

from .bench import Bench, Exchange, read_trace

TRACE = read_trace("device.txt")

# Answers that show that device's private memory, and what of the answer must be the same all the same.
PRIVATE = {
    # A left entry keeps garbage in its six id bytes there; subnet, node, flags and key are the same.
    (len(TRACE) - 1, "Query Domain 0"): slice(15, None),
}


def traced_device(bench: Bench) -> Device:
    """Set up with the domain table the traced device began with."""
    device = bench.device()
    entries = ("000000000000 a4 e4 00 000000000000", "7a0000000000 00 00 01 000000000000")
    changes = tuple((domain_address(index), bytes.fromhex(entry)) for index, entry in enumerate(entries))
    device.node.commit(changes, Sums.CONFIGURATION)
    return device


def play(bench: Bench, device: Device, exchange: Exchange) -> list[bytes]:
    bench.ear.take()
    for lpdu in exchange.sent:
        bench.send(lpdu)
    if "service pin" in exchange.title:
        device.press_service_pin()
    bench.wait(1)
    return bench.ear.take()


def test_every_answer_of_the_traced_device_is_reproduced_in_order() -> None:
    bench = Bench()
    device = traced_device(bench)
    for number, exchange in enumerate(TRACE):
        answers = play(bench, device, exchange)
        part = PRIVATE.get((number, exchange.title), slice(None))
        assert [answer[part].hex(" ") for answer in answers] == [
            answer[part].hex(" ") for answer in exchange.received
        ], exchange.title


@pytest.mark.parametrize("exchange", TRACE, ids=lambda exchange: exchange.title)
def test_packet_checksums_are_those_of_the_trace(exchange: Exchange) -> None:
    lpdus = exchange.sent + exchange.received
    assert [packets.checksum(lpdu) for lpdu in lpdus] == exchange.checksums


@pytest.mark.parametrize("exchange", TRACE, ids=lambda exchange: exchange.title)
def test_packets_survive_decoding_and_encoding(exchange: Exchange) -> None:
    for lpdu in exchange.sent + exchange.received:
        packet = packets.decode(lpdu)
        assert packet is not None
        assert packets.encode(packet) == lpdu
