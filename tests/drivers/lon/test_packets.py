"""Packets of the channel: every form there and back, and anything at all without harm."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.lon.packets import (
    ApplicationPdu,
    AuthenticationPdu,
    Broadcast,
    Group,
    GroupAnswer,
    NeuronId,
    Packet,
    PacketError,
    SessionPdu,
    SubnetNode,
    TransportPdu,
    crc,
)

byte = st.integers(0, 255)
node = st.integers(0, 127)
destinations = st.one_of(
    st.builds(Broadcast, byte),
    st.builds(Group, byte),
    st.builds(SubnetNode, byte, node),
    st.builds(GroupAnswer, byte, node, byte, byte),
    st.builds(NeuronId, st.binary(min_size=6, max_size=6), byte),
)
apdus = st.binary(max_size=228)
pdus = st.one_of(
    st.builds(TransportPdu, st.integers(0, 7), st.integers(0, 15), apdus, st.booleans()),
    st.builds(SessionPdu, st.integers(0, 7), st.integers(0, 15), apdus, st.booleans()),
    st.builds(AuthenticationPdu, st.binary(min_size=1, max_size=10)),
    st.builds(ApplicationPdu, st.binary(min_size=1, max_size=228)),
)
packets = st.builds(
    Packet,
    source=st.builds(SubnetNode, byte, node),
    destination=destinations,
    pdu=pdus,
    domain=st.sampled_from([0, 1, 3, 6]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    backlog=st.integers(0, 63),
    priority=st.booleans(),
    alternate_path=st.booleans(),
)


@given(packets)
def test_every_packet_there_is_comes_back_as_it_went(packet: Packet) -> None:
    assert Packet.from_bytes(packet.to_bytes()) == packet


@given(st.binary(max_size=300))
def test_any_bytes_are_a_packet_or_a_packet_error(data: bytes) -> None:
    with suppress(PacketError):
        Packet.from_bytes(data)


def test_a_packet_cut_off_anywhere_is_no_packet_until_its_pdu_begins() -> None:
    whole = Packet(SubnetNode(1, 126), NeuronId(bytes(6)), SessionPdu(0, 5, b"\x51"), domain=b"\x55\x66\x77").to_bytes()
    for length in range(len(whole) - 1):
        with pytest.raises(PacketError):
            Packet.from_bytes(whole[:length])


def test_later_protocol_versions_are_not_misread() -> None:
    with pytest.raises(PacketError, match="version 1"):
        Packet.from_bytes(bytes.fromhex("01 5C 01 FE 00 00 A1 B2 C3 D4 01 09 51"))


def test_a_domain_of_two_bytes_does_not_exist() -> None:
    with pytest.raises(PacketError):
        Packet(SubnetNode(1, 126), Broadcast(), ApplicationPdu(b"\x70"), domain=b"ab").to_bytes()


@given(st.binary(min_size=1, max_size=60), st.integers(0, 7))
def test_the_crc_notices_every_single_bit(data: bytes, bit: int) -> None:
    assert crc(data) != crc(bytes([data[0] ^ 1 << bit]) + data[1:])
