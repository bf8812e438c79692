"""Port URLs: one written form, and errors that name the option."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FieldhandError, Kind
from drivers.modbus.bus import Line
from drivers.modbus.port import Port, ranges_in_words

GOOD = {
    "modbus:///dev/ttymxc2": "modbus:///dev/ttymxc2",
    "modbus:///dev/ttymxc2?baud=19200&parity=E&stop=1&echo=0&timeout=0.2&late=1.0&units=1-247": "modbus:///dev/ttymxc2",
    "modbus:///dev/ttymxc2?parity=n&baud=9600": "modbus:///dev/ttymxc2?baud=9600&parity=N",
    "modbus:////dev/./ttyUSB0?stop=2&echo=1": "modbus:///dev/ttyUSB0?stop=2&echo=1",
    "modbus:///dev/ttyUSB0?timeout=0.50&late=2": "modbus:///dev/ttyUSB0?timeout=0.5&late=2",
    "modbus:///dev/ttyUSB0?units=247,5,3-4,4": "modbus:///dev/ttyUSB0?units=3-5,247",
    "modbus:///dev/ttyUSB0?line=boilers": "modbus:///dev/ttyUSB0?line=boilers",
    "modbus:///dev/ttyUSB0?line=ttyUSB0": "modbus:///dev/ttyUSB0",
    "modbus:///dev/a%20b?line=x": "modbus:///dev/a%20b?line=x",
}

BAD = {
    "lon:///dev/ttymxc2": "written modbus:///dev/ttymxc2",
    "modbus://[": "written modbus:///dev/ttymxc2",
    "modbus://host/dev/x": "three slashes",
    "modbus:///dev/": "directory",
    "modbus:///dev/x?baud=0": "baud is a number",
    "modbus:///dev/x?baud=fast": "baud is a number",
    "modbus:///dev/x?parity=M": "parity is E, O or N",
    "modbus:///dev/x?stop=3": "stop is 1 or 2",
    "modbus:///dev/x?echo=yes": "echo is 1",
    "modbus:///dev/x?timeout=0": "timeout is a number of seconds",
    "modbus:///dev/x?timeout=1e9": "timeout is a number of seconds",
    "modbus:///dev/x?late=-1": "late is a number of seconds",
    "modbus:///dev/x?units=0-5": "units is numbers and ranges",
    "modbus:///dev/x?units=": "units is numbers and ranges",
    "modbus:///dev/x?units=9-3": "units is numbers and ranges",
    "modbus:///dev/x?line=a b": "line is a short name",
    "modbus:///dev/x?speed=9600": "no option 'speed'",
    "modbus:///dev/x?baud=9600&baud=19200": "baud is given twice",
    "modbus:///dev/a%20b": "say line=NAME",
}


@pytest.mark.parametrize(("url", "canonical"), GOOD.items())
def test_a_url_has_one_written_form_without_what_goes_without_saying(url: str, canonical: str) -> None:
    assert str(Port.parse(url)) == canonical
    assert str(Port.parse(canonical)) == canonical


@pytest.mark.parametrize(("url", "reason"), BAD.items())
def test_a_url_that_cannot_be_is_refused_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(FieldhandError) as caught:
        Port.parse(url)
    assert caught.value.kind is Kind.INVALID
    assert reason in str(caught.value)


def test_a_port_goes_by_the_standard_unless_it_says_otherwise() -> None:
    port = Port.parse("modbus:///dev/ttymxc2")
    assert port.line == Line(baud=19200, parity="E", stop=1, echo=False, timeout=0.2, late=1.0)
    assert (port.line_name, ranges_in_words(port.units)) == ("ttymxc2", "1-247")


@given(st.text(), st.text())
def test_any_text_is_a_url_or_refused(path: str, query: str) -> None:
    for url in (path, f"modbus:///{path}?{query}", f"modbus:///dev/x?{query}"):
        try:
            port = Port.parse(url)
        except FieldhandError as error:
            assert error.kind is Kind.INVALID
        else:
            assert Port.parse(str(port)) == port
