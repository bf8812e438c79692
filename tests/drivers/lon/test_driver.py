"""What the driver can say without a port."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FieldhandError, Kind
from drivers.base import Capability, Driver, Image, ImageFacts, SiteSettings
from drivers.lon.driver import LonDriver

from .images import build_apb

UID = "00A1B2C3D401"
URL = "lon:///dev/ttyACM0"


@pytest.mark.parametrize(
    "text",
    [
        "00A1B2C3D401",
        "00a1b2c3d401",
        "00:A1:B2:C3:D4:01",
        "00-a1-b2-c3-d4-01",
        "00A1.B2C3.D401",
        " 00 A1 B2 C3 D4 01\n",
        "'00A1B2C3D401",
        "0x00A1B2C3D401",
        "'0X00a1b2c3d401",
    ],
)
def test_a_neuron_id_is_taken_in_any_usual_form(text: str) -> None:
    assert LonDriver.parse_uid(text) == UID


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has 0"),
        ("00A1B2C3D4", "has 10"),
        ("00A1B2C3D40101", "has 14"),
        ("00A1B2C3D40G", "hexadecimal"),
        ("000000000000", "zero"),
        ("００A1B2C3D401", "hexadecimal"),
        ("=1+1", "hexadecimal"),
    ],
)
def test_what_is_no_neuron_id_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(FieldhandError, match=reason) as refusal:
        LonDriver.parse_uid(text)
    assert refusal.value.kind is Kind.INVALID_UID


@given(st.text(max_size=40))
def test_any_text_is_a_uid_or_refused(text: str) -> None:
    try:
        uid = LonDriver.parse_uid(text)
    except FieldhandError as refusal:
        assert refusal.kind is Kind.INVALID_UID
    else:
        assert LonDriver.parse_uid(uid) == uid


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("lon:///dev/ttyACM0", "lon:///dev/ttyACM0"),
        ("lon:////dev//ttyACM0", "lon:///dev/ttyACM0"),
        ("lon:///dev/../dev/ttyACM0", "lon:///dev/ttyACM0"),
        ("LON:///dev/ttyACM0?interface=U50", "lon:///dev/ttyACM0"),
        ("lon:///dev/ttyUSB0?interface=u61", "lon:///dev/ttyUSB0?interface=u61"),
        ("lon:///dev/ttyUSB0?baud=921600&interface=u61", "lon:///dev/ttyUSB0?interface=u61&baud=921600"),
        ("lon:///dev/ttyACM0?baud=115200", "lon:///dev/ttyACM0"),
        ("lon:///tmp/a%20b", "lon:///tmp/a%20b"),
        ("lon:///tmp/a b", "lon:///tmp/a%20b"),
    ],
)
def test_a_port_url_has_one_written_form(url: str, canonical: str) -> None:
    assert LonDriver.check_url(url) == canonical
    assert LonDriver.check_url(canonical) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/dev/ttyACM0",
        "modbus:///dev/ttyACM0",
        "lon://ttyACM0",
        "lon:ttyACM0",
        "lon://",
        "lon:///",
        "lon:///dev/",
        "lon:///dev/ttyACM0?interface=u99",
        "lon:///dev/ttyACM0?baud=fast",
        "lon:///dev/ttyACM0?baud=0",
        "lon:///dev/ttyACM0?parity=N",
        "lon:///dev/ttyACM0#1",
        "lon://[",
    ],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(FieldhandError) as refusal:
        LonDriver.check_url(url)
    assert refusal.value.kind is Kind.INVALID
    assert str(refusal.value)


@given(st.text(), st.text())
def test_any_text_is_a_url_or_refused(path: str, query: str) -> None:
    for url in (path, f"lon:///{path}", f"lon:///dev/ttyACM0?{query}"):
        try:
            canonical = LonDriver.check_url(url)
        except FieldhandError as refusal:
            assert refusal.kind is Kind.INVALID
        else:
            assert LonDriver.check_url(canonical) == canonical


def test_addresses_fill_the_subnets_in_order_and_leave_out_the_console() -> None:
    given_out = [address.text for address in islice(LonDriver.addresses(SiteSettings(b"\x55", 1, 2)), 126)]
    assert given_out[:2] == ["1/1", "1/3"]
    assert given_out[-2:] == ["2/1", "2/2"]
    everything = list(LonDriver.addresses(SiteSettings(b"", 1, 126)))
    assert len(everything) == 255 * 125
    assert everything[0].parts == {"domain": "", "subnet": 1, "node": 1}
    assert next(LonDriver.addresses(SiteSettings(b"\x4d\x41\x4c", 1, 126))).parts["domain"] == "4D414C"


def test_every_capability_is_a_method_and_has_an_estimate() -> None:
    for capability in LonDriver.capabilities:
        assert callable(getattr(LonDriver, capability.value))
        assert 0 < LonDriver.estimate(capability, URL).each < 10
    assert Capability.PROVISION in LonDriver.capabilities


def test_how_long_a_load_takes_follows_the_image() -> None:
    apb, ndl, opaque = ImageFacts("apb"), ImageFacts("ndl"), ImageFacts("nx", opaque=True)
    small, large = (LonDriver.estimate(Capability.LOAD, URL, apb, size) for size in (1_000, 20_000))
    assert small.each < large.each
    assert small.once < large.once
    assert LonDriver.estimate(Capability.LOAD, URL, ndl, 20_000).each < large.each, "half of it is hexadecimal digits"
    together = LonDriver.estimate(Capability.LOAD, URL, opaque, 1_000_000)
    assert together.once > 100 * together.each, "the packets go to all devices at once"


def test_a_driver_without_datapoints_refuses_every_one() -> None:
    class Mute(Driver):
        protocol = "mute"

    with pytest.raises(FieldhandError, match="mute devices have no datapoints"):
        Mute.check_point("nv 1")


def test_an_image_is_read_or_refused_with_its_name_and_the_reason() -> None:
    facts = LonDriver.read_image(Image("valve.APB", "", build_apb()))
    assert (facts.type, facts.model, facts.firmware, facts.opaque) == ("apb", 36, 21, False)
    with pytest.raises(FieldhandError, match=r"image valve.apb: offset .*: it is cut off") as refusal:
        LonDriver.read_image(Image("valve.apb", "", build_apb()[:-1]))
    assert refusal.value.kind is Kind.IMAGE
    with pytest.raises(FieldhandError, match=r"image valve.bin: LON devices take \.apb, \.ndl, \.nx and \.nxi"):
        LonDriver.read_image(Image("valve.bin", "", build_apb()))


def test_all_devices_of_an_image_update_may_be_there_at_once() -> None:
    assert LonDriver.at_once(Capability.LOAD) > 100 > LonDriver.at_once(Capability.PROVISION)
