"""Device types: what a description may say, and what is wrong with the others."""

import math
import struct
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FieldhandError, Kind
from drivers.modbus.device_types import Datapoint, Format, Table, Types, parse, shipped
from drivers.modbus.driver import ModbusDriver
from tests.drivers.modbus.model import MODULE, TYPE

HEAD = 'name = "x"\nmatch = [{ server_id = "00" }]\n'

BAD = {
    "": "name: Field required",
    "name = x\n": "at line 1",
    f"x = {'9' * 5000}": "integer string conversion",
    'name = "X Y"': "name: String should match",
    'name = "x"': "match is missing",
    'name = "x"\nmatch = [{ vendor = "a" }]': "match 1: it takes vendor and product",
    'name = "x"\nmatch = [{ table = "coil", address = 1, value = 1 }]': "match 1 table: Input should be",
    HEAD + "colour = 1": "colour: Extra inputs are not permitted",
    HEAD + 'datapoint = [{ name = "a", table = "coil", address = 70000 }]': "datapoint 1 address: Input should be less",
    HEAD
    + 'datapoint = [{ name = "a", table = "coil", address = 1, type = "u16" }]': "datapoint 1: a coil is on or off",
    HEAD + 'datapoint = [{ name = "a", table = "input register", address = 65535, type = "f32" }]': "beyond address",
    HEAD + 'datapoint = [{ name = "a", table = "coil", address = 1 }, { name = "a", table = "coil", address = 2 }]': (
        "datapoint: there are two called 'a'"
    ),
    HEAD
    + 'datapoint = [{ name = "a\\u001b[m", table = "coil", address = 1 }]': "datapoint 1 name: String should match",
    HEAD + "unit = { register = 1, factory = 0 }": "unit factory: Input should be greater",
    HEAD + 'unit = { register = 1, factory = 1, takes_effect = "when saved" }': "its unit takes effect when saved",
    HEAD
    + "configuration = [{ address = 10, quantity = 5 }]\nunit = { register = 14, factory = 1 }": "the unit register",
    HEAD + "configuration = [{ address = 65530, quantity = 7 }]": "configuration 1: it reaches beyond",
    HEAD + "file_loader = { file = 1 }\n[bootloader]\nenter = { register = 1, value = 1 }\ninfo = 1\ndata = 2\n"
    'match = { server_id = "00" }': "file_loader or bootloader",
}


@pytest.mark.parametrize(("text", "reason"), BAD.items(), ids=range(len(BAD)))
def test_a_description_that_cannot_be_is_refused_with_place_and_reason(text: str, reason: str) -> None:
    with pytest.raises(FieldhandError) as caught:
        ModbusDriver.read_type(text)
    assert caught.value.kind is Kind.INVALID
    assert reason in str(caught.value)


@given(st.text() | st.text().map(lambda text: HEAD + text))
def test_any_text_is_a_type_or_refused(text: str) -> None:
    try:
        parse(text)
    except FieldhandError as error:
        assert error.kind is Kind.INVALID


def test_the_types_that_come_with_it_are_taken_and_include_the_one_for_everything() -> None:
    texts = ModbusDriver.types()
    assert set(texts) == {"generic", *(f"example-{each}" for each in ("meter", "io", "sensor", "controller", "relay"))}
    assert [ModbusDriver.read_type(text) for text in texts.values()] == list(texts)
    assert all(tomllib.loads(text)["description"] for text in texts.values())


def test_a_type_of_the_site_wins_over_one_that_comes_with_it_and_generic_is_last() -> None:
    own = 'name = "own"\nmatch = [{ vendor = "Lumen Metering", product = "LM-3P" }]'
    assert Types({}).of("Lumen Metering/LM-3P/1.0")[0].name == "example-meter"
    assert Types({"own": own}).of("Lumen Metering/LM-3P/1.0")[0].name == "own"
    assert Types({"own": own}).of("Lumen Metering/LM-3P+/1.0")[0].name == "generic"
    instead = shipped()["example-meter"].replace("Three-phase energy meter", "changed")
    assert Types({"example-meter": instead}).of("Lumen Metering/LM-3P/2")[0].description == "changed"


@pytest.mark.parametrize(
    ("fingerprint", "name", "loading"),
    [
        ("Acme/M1/1.0", "meter", False),
        ("Acme/M1/", "meter", False),
        ("Acme/M12/1.0", "generic", False),
        ("bootloader meter", "meter", True),
        ("id 4D44", "module", False),
        ("id 4D4455", "module", False),
        ("id 4D", "generic", False),
        ("id 42 IOM-8", "example-io", False),
        ("id 42 IOM-9", "generic", False),
        ("id 42", "generic", False),
        ("type module", "module", False),
        ("unidentified", "generic", False),
    ],
)
def test_what_a_device_told_says_its_type(fingerprint: str, name: str, loading: bool) -> None:
    kind, is_loading = Types({"meter": TYPE, "module": MODULE}).of(fingerprint)
    assert (kind.name, is_loading) == (name, loading)


@pytest.mark.parametrize(
    ("form", "order", "scale", "unit", "registers", "words"),
    [
        ("u16", "big", 1, "", (0xFFFB,), "65531"),
        ("s16", "big", 0.1, "°C", (0xFFFB,), "-0.5 °C"),
        ("u16", "big", 0.1, "V", (2154,), "215.4 V"),
        ("u32", "big", 1, "kWh", (1, 0x86A0), "100000 kWh"),
        ("u32", "little", 1, "kWh", (0x86A0, 1), "100000 kWh"),
        ("s32", "big", 1, "", (0xFFFF, 0xFFFF), "-1"),
        ("f32", "big", 1, "V", struct.unpack(">HH", struct.pack(">f", 0.1)), "0.1 V"),
        ("f32", "little", 1, "", (0, 0x7FC0), "not a number"),
    ],
)
def test_a_value_is_put_in_words(
    form: str, order: str, scale: float, unit: str, registers: tuple[int, ...], words: str
) -> None:
    said = {"name": "x", "table": "input register", "address": 0, "type": form, "word_order": order}
    point = Datapoint.model_validate(said | {"scale": scale, "unit": unit})
    assert point.quantity == len(registers)
    assert point.in_words(registers) == words


@given(st.sampled_from(list(Format)), st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)))
def test_any_registers_are_a_value_in_words(form: Format, registers: tuple[int, int]) -> None:
    point = Datapoint.model_validate({"name": "x", "table": Table.HOLDING, "address": 0, "type": form, "scale": 3.7})
    words = point.in_words(registers[: point.quantity])
    assert words == "not a number" or math.isfinite(float(words))
