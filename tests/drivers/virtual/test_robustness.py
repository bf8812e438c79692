"""No bytes on the serial line, no message, no loss of power and no command line ever break the field."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.virtual.device import Activity, Device
from drivers.virtual.field import Field
from drivers.virtual.interface import Family
from drivers.virtual.node import DeviceKind
from drivers.virtual.port import Options

from .bench import (
    DOMAIN_55,
    NULL,
    RESYNC,
    TRACED_PROFILE,
    Bench,
    SerialBench,
    code_packet,
    content_of,
    message,
    request,
)

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


# Image update messages that go together often enough to get somewhere.
SESSION, IDENTIFIER = b"SESS", b"\1" + bytes(9)
INIT = st.builds(
    lambda size, length: (
        b"\x60\x1c"
        + SESSION
        + IDENTIFIER
        + bytes([0, size])
        + bytes([0, -(-length // size), 0, 0, 0, length])
        + bytes(16)
    ),
    st.integers(1, 255),
    st.integers(1, 255),
)
TRANSFER = st.builds(
    lambda code, number, data: bytes([0x60, code]) + SESSION + bytes([0, number]) + data,
    st.sampled_from([0x1D, 0x25]),
    st.integers(0, 9),
    st.binary(max_size=130),
)
AFTER_TRANSFER = st.one_of(
    st.just(b"\x60\x1e" + SESSION),
    st.builds(lambda rest: b"\x60\x1f" + SESSION + rest, st.binary(max_size=54)),
    st.just(b"\x60\x1f" + SESSION + b"\0"),
    st.builds(
        lambda flags, delay: b"\x60\x20" + bytes([flags, 0, 0, delay, 0, 1]) + IDENTIFIER,
        st.integers(0, 8),
        st.integers(0, 20),
    ),
    st.sampled_from([b"\x60\x21" + IDENTIFIER, b"\x60\x22\1" + IDENTIFIER]),
)
WRITE = st.builds(
    lambda mode, offset, form, data: bytes([0x6E, mode, offset >> 8, offset & 0xFF, len(data), form]) + data,
    st.integers(0, 9),
    st.one_of(st.integers(0, 0xFFFF), st.integers(0xEFE0, 0xF050), st.integers(0x3FE0, 0x4020)),
    st.integers(0, 255),
    st.binary(max_size=44),
)
READ = st.builds(
    lambda mode, offset, length: bytes([0x6D, mode, offset >> 8, offset & 0xFF, length]),
    st.integers(0, 9),
    st.integers(0, 0xFFFF),
    st.integers(0, 60),
)
TABLES = st.builds(
    lambda code, rest: bytes([code]) + rest,
    st.sampled_from([0x63, 0x64, 0x66, 0x67, 0x68, 0x6A, 0x6B, 0x6C, 0x6F, 0x73, 0xBF]),
    st.binary(max_size=17),
)
STATE = st.sampled_from([bytes.fromhex(DOMAIN_55), b"\x6c\3\2", b"\x6c\3\3", b"\x6c\3\4", b"\x6c\2", b"\x6f\1"])
MESSAGES = st.one_of(st.binary(min_size=1, max_size=60), INIT, TRANSFER, AFTER_TRANSFER, WRITE, READ, TABLES, STATE)
INCIDENTS = st.sampled_from(
    [Device.power_off, Device.power_on, Device.press_reset_button, Device.press_service_pin, Device.send_update]
)


@settings(deadline=None)
@given(
    st.sampled_from(DeviceKind),
    st.lists(st.tuples(st.one_of(MESSAGES, INCIDENTS), st.sampled_from([0.0, 0.01, 0.7])), max_size=30),
)
def test_after_any_messages_and_incidents_a_device_of_any_kind_answers_its_status(
    kind: DeviceKind, happenings: list[tuple[object, float]]
) -> None:
    bench = Bench("unlimited")
    device = bench.device(replace(TRACED_PROFILE, kind=kind))
    for number, (happening, wait) in enumerate(happenings):
        if isinstance(happening, bytes):
            bench.send(request(happening, number % 16))
        elif callable(happening):
            happening(device)
        bench.wait(wait)
    bench.wait(10_000)
    device.power_off()
    device.power_on()
    bench.wait(10)
    assert device.activity is Activity.IDLE
    assert len(device.node.memory.loaded.digest()) == 64
    assert [content_of(answer)[0] for answer in bench.ask(request("51", 7))] == [0x31]


UIDS = st.sampled_from(["00D071", "00D0715E0001", "all", "'00:d0:71:00:00:01", "٠٠٠٠٠٠٠٠٠٠٠٠"])
LINES = st.one_of(
    st.text(max_size=60),
    st.builds(
        " ".join,
        st.lists(
            st.one_of(
                st.sampled_from(
                    ["press", "reset", "power-off", "power-on", "unplug", "plug", "faults", "updates", "truth"]
                ),
                st.sampled_from(["lon0", "lon1", "50", "-1", "1e999", "nan", "loss=0.5", "loss=", "=", "corrupt=nan"]),
                UIDS,
                st.text(max_size=12),
            ),
            min_size=1,
            max_size=4,
        ),
    ),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(LINES, max_size=20))
def test_any_command_line_is_answered_and_leaves_the_field_at_work(lines: list[str]) -> None:
    async def run() -> None:
        with TemporaryDirectory() as directory:
            field = Field(Options(Path(directory), (2,), kind=DeviceKind.UPDATE))
            uid = field.execute("truth")["devices"][0]["uid"]
            try:
                for line in lines:
                    answer = field.execute(line.replace("all", uid))
                    assert json.loads(json.dumps(answer))["ok"] in (True, False)
                    assert answer["ok"] or answer["error"]
                assert len(field.execute("truth")["devices"]) == 2
            finally:
                field.close()

    asyncio.run(run())
