"""Network management messages beyond what the golden vectors show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lon import management as m
from drivers.lon import structures as s
from drivers.lon.discovery import clean


@given(
    st.sampled_from([0, 1, 3, 6]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.integers(0, 255),
    st.integers(0, 127),
    st.binary(min_size=6, max_size=6),
    st.booleans(),
)
def test_domain_entries_come_back_as_they_went(domain: bytes, subnet: int, node: int, key: bytes, clone: bool) -> None:
    entry = s.DomainEntry(domain, subnet, node, key, clone=clone)
    assert s.DomainEntry.from_bytes(entry.to_bytes()) == entry


@given(st.binary(min_size=15, max_size=15))
def test_any_domain_entry_can_be_read(data: bytes) -> None:
    s.DomainEntry.from_bytes(data)


@pytest.mark.parametrize(
    ("byte", "state", "configured", "application"),
    [
        (0x02, s.NodeState.UNCONFIGURED, False, True),
        (0x03, s.NodeState.APPLICATIONLESS, False, False),
        (0x0B, s.NodeState.APPLICATIONLESS, False, False),
        (0x04, s.NodeState.CONFIGURED, True, True),
        (0x06, s.NodeState.HARD_OFFLINE, True, True),
        (0x07, s.NodeState.CONFIGURED_APPLICATIONLESS, False, False),
        (0x0C, s.NodeState.SOFT_OFFLINE, True, True),
        (0x8C, s.NodeState.BYPASS, True, True),
    ],
)
def test_the_state_of_a_device_is_read_from_its_byte(
    byte: int, state: s.NodeState, configured: bool, application: bool
) -> None:
    read = s.NodeState.of(byte)
    assert read is state
    assert (read.configured, read.has_application) == (configured, application)


@pytest.mark.parametrize("byte", [0x00, 0x01, 0x05, 0x84])
def test_a_state_that_does_not_exist_is_none(byte: int) -> None:
    assert s.NodeState.of(byte) is None


def test_the_sizes_of_tables_are_read_from_the_read_only_structure() -> None:
    structure = bytearray(0x2F)
    structure[0x0A], structure[0x16], structure[0x24] = 0x80 | 20, 0xF7, 5
    sizes = s.TableSizes.from_bytes(bytes(structure[s.TableSizes.OFFSET :][: s.TableSizes.SIZE]))
    assert sizes == s.TableSizes(addresses=15, variables=20, aliases=5)
    assert not sizes.more_variables
    assert s.TableSizes(15, 63, 0).more_variables


@given(st.binary(max_size=40))
def test_any_bytes_are_table_sizes_or_an_answer_error(data: bytes) -> None:
    try:
        sizes = s.TableSizes.from_bytes(data)
    except s.AnswerError:
        assert len(data) != s.TableSizes.SIZE
    else:
        assert sizes.addresses <= 15


@given(st.binary(max_size=40))
def test_any_answer_is_read_refused_or_an_answer_error(apdu: bytes) -> None:
    requests: list[m.Request[m.Response]] = [
        m.QueryStatus(),
        m.QueryId(1),
        m.QueryDomain(0),
        m.QueryAddress(0),
        m.ReadMemory(m.MemoryMode.READ_ONLY, 0, 22),
        m.UpdateDomain(0, s.UNUSED_DOMAIN),
    ]
    for request in requests:
        try:
            request.answer(apdu)
        except s.AnswerError:
            pass
        except m.Refused as refusal:
            assert apdu[0] == refusal.code == m.failure_code(request.CODE)


def test_the_error_log_is_told_in_words() -> None:
    assert s.error_in_words(0) == ""
    assert s.error_in_words(153) == "configuration checksum wrong (153)"
    assert s.error_in_words(250) == "error (250)"


def test_an_index_above_254_takes_three_bytes() -> None:
    assert m.FetchVariable(254).to_apdu() == b"\x73\xfe"
    assert m.FetchVariable(255).to_apdu() == b"\x73\xff\x00\xff"


def test_documentation_loses_its_profiles_and_everything_a_terminal_would_act_on() -> None:
    assert clean(b"&3.2@0,2;Boiler pump\x00rest") == "Boiler pump"
    assert clean(b"Fan \x1b[31mred\x07\r\n two") == "Fan [31mred two"
    assert clean(b"&3.2@0") == "&3.2@0"
    assert clean(b"Zone A & B; north") == "Zone A & B; north"
    assert clean(b"\xff\x9b31m") == "\xff 31m"
    assert clean(b"") == ""


@given(st.binary(max_size=128))
def test_any_documentation_becomes_printable(text: bytes) -> None:
    cleaned = clean(text)
    assert cleaned.isprintable()
    assert cleaned == cleaned.strip()
