"""No bytes on the serial line ever break the interface."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.virtual.interface import Family

from .bench import NULL, RESYNC, SerialBench, code_packet, message, request

PIECES = st.one_of(
    st.binary(max_size=40),
    st.just(b"\x7e"),
    st.builds(code_packet, st.integers(0, 13), st.integers(0, 255), st.integers(0, 7), st.booleans()),
    st.builds(message, st.integers(0, 255), st.binary(max_size=40), st.integers(0, 7), st.booleans()),
    st.builds(message, st.just(0x12), st.builds(request, st.binary(min_size=1, max_size=20), st.integers(0, 15))),
)


@settings(deadline=None)
@given(st.lists(st.tuples(PIECES, st.sampled_from([0.0, 0.01, 0.05, 0.2])), max_size=30))
def test_after_any_bytes_u50_resynchronises_and_answers_status(pieces: list[tuple[bytes, float]]) -> None:
    bench = SerialBench()
    bench.device()
    for data, wait in pieces:
        bench.say(data, wait)
    bench.wait(2)
    bench.take()
    assert bench.say(RESYNC) == NULL
    assert bench.say(code_packet(6, 0xE0))[4 + 4 : 4 + 6] == b"\x05\xe0"


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_after_any_bytes_u61_answers_status(pieces: list[bytes]) -> None:
    bench = SerialBench(Family.U61)
    bench.device()
    for data in pieces:
        bench.say(data, wait=0.01)
    bench.wait(2)
    bench.take()
    assert bench.say("7e 00 01 e0")[:6] == bytes.fromhex("7e 00 05 e0 1e a0")


@pytest.mark.parametrize("family", Family)
def test_a_host_that_leaves_in_the_middle_of_a_message_leaves_no_trace(family: Family) -> None:
    bench = SerialBench(family)
    bench.say(message(0x12, bytes(20))[:9])
    bench.link.restart()
    status = code_packet(6, 0xE0) if family is Family.U50 else bytes.fromhex("7e 00 01 e0")
    assert b"\x05\xe0\x1e\xa0" in bench.say(status)
