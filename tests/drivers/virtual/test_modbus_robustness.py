"""No bytes on the bus, no request, no incident and no command line ever break the field's Modbus ports."""

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.virtual.field import Field
from drivers.virtual.modbus_bus import BusFaults
from drivers.virtual.modbus_frames import Line
from drivers.virtual.modbus_port import BusOptions
from drivers.virtual.modbus_unit import Unit, UnitKind
from drivers.virtual.port import Options

from .modbus_bench import UNIT, BusBench, adu
from .test_modbus_units import BLOCKS, IMAGE, info, long, record, write

NUMBERS = st.sampled_from([0, UNIT, UNIT + 1])
PDUS = st.one_of(
    st.binary(min_size=1, max_size=253),
    st.builds(
        lambda code, rest: bytes([code]) + rest,
        st.sampled_from([1, 2, 3, 4, 5, 6, 8, 15, 16, 17, 20, 21, 22, 23, 43]),
        st.binary(max_size=30),
    ),
    st.builds(
        lambda code, address, value: bytes([code]) + address.to_bytes(2, "big") + value.to_bytes(2, "big"),
        st.sampled_from([1, 2, 3, 4, 5, 6, 8]),
        st.sampled_from([*range(18), 0x80, 0x81, 0x82, 0xF0, 0xF1, 0xF2, 0xF3, 0x110, 0x120, 0xF00, 0xF03, 0xFF1]),
        st.sampled_from([0, 1, 2, 3, UNIT, 0x55AA, 0xFF00, 0xFFFF]),
    ),
    st.sampled_from([info(), write(0x2000, BLOCKS[0]), record(0, b"RC20"), write(0x0F02, long(len(IMAGE)))]),
    st.builds(lambda code, first: bytes([43, 14, code, first]), st.integers(0, 5), st.integers(0, 255)),
)
INCIDENTS = st.sampled_from([Unit.power_off, Unit.power_on, Unit.restart])
HAPPENINGS = st.one_of(st.binary(max_size=300), st.builds(adu, NUMBERS, PDUS), INCIDENTS)
FAULTS = st.builds(
    BusFaults,
    **{name: st.sampled_from([0.0, 0.5, 1.0]) for name in ("drop", "corrupt", "late", "garbage", "duplicate")},
)


@settings(deadline=None)
@given(
    st.sampled_from(UnitKind),
    st.sampled_from([Line(), Line(paced=False), Line(115200, echo=True)]),
    st.lists(st.tuples(HAPPENINGS, st.sampled_from([0.0, 0.001, 0.03, 1.0]), FAULTS), max_size=25),
)
def test_after_anything_a_unit_of_any_kind_answers_again(
    kind: UnitKind, line: Line, happenings: list[tuple[object, float, BusFaults]]
) -> None:
    bench = BusBench(line)
    unit = bench.unit(kind)
    for happening, wait, faults in happenings:
        bench.bus.faults = faults
        if isinstance(happening, bytes):
            bench.bus.feed(happening)
        elif callable(happening):
            happening(unit)
        bench.wait(wait)
    bench.bus.faults = BusFaults()
    bench.wait(100)
    unit.power_off()
    unit.power_on()
    bench.wait(2)
    bench.take()
    request = adu(unit.number, "77")
    answer = adu(unit.number, "f7 01")
    assert bench.say(request) == (request + answer if line.echo else answer)
    assert len(unit.image_sha256) == 64


WORDS = st.sampled_from(
    ["modbus0", "modbus1", "lon0", "1@modbus0", "2@modbus0", "1@", "@modbus0", "@", "on", "off", "50", "-1", "nan"]
)
ASSIGNMENTS = st.builds(
    "{}={}".format,
    st.sampled_from(["drop", "late", "late_ms", "corrupt", "garbage", "duplicate", "loss", ""]),
    st.sampled_from(["0", "0.5", "1", "2", "-1", "nan", "inf", "", "٣"]),
)
LINES = st.one_of(
    st.text(max_size=60),
    st.builds(
        " ".join,
        st.lists(
            st.one_of(
                st.sampled_from(
                    ["power-off", "power-on", "unplug", "plug", "faults", "slow", "second-master", "truth", "press"]
                ),
                WORDS,
                ASSIGNMENTS,
                st.text(max_size=12),
            ),
            min_size=1,
            max_size=4,
        ),
    ),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(LINES, max_size=20), st.booleans())
def test_any_command_line_is_answered_and_leaves_the_bus_at_work(lines: list[str], with_lon: bool) -> None:
    async def run() -> None:
        with TemporaryDirectory() as directory:
            field = Field(Options(Path(directory), (1,) if with_lon else (), modbus=(BusOptions(2),)))
            try:
                for line in lines:
                    answer = field.execute(line)
                    assert json.loads(json.dumps(answer, allow_nan=False))["ok"] in (True, False)
                    assert answer["ok"] or answer["error"]
                assert len(field.execute("truth")["modbus"][0]["units"]) == 2
            finally:
                field.close()

    asyncio.run(run())
