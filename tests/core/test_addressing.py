"""Which domain a site is, and a logical address for each that nobody else has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import addressing
from core.errors import FieldhandError, Kind
from core.models import Site
from tests.core.fake_driver import address

LENGTHS = (0, 1, 3, 6)


@given(st.binary(max_size=8))
def test_a_domain_has_zero_one_three_or_six_bytes(value: bytes) -> None:
    if len(value) in LENGTHS:
        assert addressing.domain(value.hex()) == value
    else:
        with pytest.raises(FieldhandError) as refused:
            addressing.domain(value.hex())
        assert refused.value.kind is Kind.INVALID


@pytest.mark.parametrize("text", ["55:aa:01", "55 AA 01", "55aa01"])
def test_a_domain_may_be_written_as_people_do(text: str) -> None:
    assert addressing.domain(text) == b"\x55\xaa\x01"


@given(st.text(max_size=12))
def test_any_other_text_is_refused_as_invalid(text: str) -> None:
    try:
        assert len(addressing.domain(text)) in LENGTHS
    except FieldhandError as refused:
        assert refused.kind is Kind.INVALID


def test_the_settings_of_a_driver_are_those_of_the_site() -> None:
    settings = addressing.settings(Site("plant", "55AA01", 1, 126))
    assert (settings.domain, settings.subnet, settings.node) == (b"\x55\xaa\x01", 1, 126)


@given(st.integers(0, 20), st.sets(st.integers(1, 30)))
def test_every_device_gets_a_free_address_of_its_own_or_the_site_is_full(devices: int, taken: set[int]) -> None:
    numbers = dict.fromkeys(range(100, 100 + devices))
    candidates = [address(number) for number in range(1, 31)]
    given_away = addressing.assign(numbers, candidates, [addressing.key(address(one).parts) for one in taken])
    if devices > 30 - len(taken):
        with pytest.raises(FieldhandError) as refused:
            list(given_away)
        assert refused.value.kind is Kind.NOT_ALLOWED
        return
    pairs = list(given_away)
    assert [device for device, _ in pairs] == list(numbers)
    held = [int(one.parts["number"]) for _, one in pairs]
    assert len(set(held)) == devices
    assert not set(held) & taken
    assert held == sorted(held)


@given(st.lists(st.one_of(st.none(), st.integers(1, 40)), max_size=20))
def test_a_device_keeps_the_address_where_it_alone_was_seen_if_the_site_may_give_it(seen: list[int | None]) -> None:
    at = {number: None if place is None else addressing.key(address(place).parts) for number, place in enumerate(seen)}
    pairs = dict(addressing.assign(at, [address(number) for number in range(1, 31)], [p for p in at.values() if p]))
    held = {number: int(one.parts["number"]) for number, one in pairs.items()}
    assert len(set(held.values())) == len(seen)
    for number, place in enumerate(seen):
        if place is not None and place <= 30 and seen.count(place) == 1:
            assert held[number] == place
        else:
            assert held[number] not in seen


def test_the_key_does_not_depend_on_the_order_of_the_parts() -> None:
    assert addressing.key({"node": 4, "subnet": 1}) == addressing.key({"subnet": 1, "node": 4})
