"""The U61 link: bare frames, a quirk of the length byte, and an interface that says nothing of its own."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Kind
from drivers.base import PortError
from drivers.lon import interface, mip_u61
from drivers.lon.mip_u61 import Decoder, Frame, MipU61

from .simulation import MemoryTransport, in_no_time

PACKET = bytes.fromhex("08 10 01 FE 00 01 61 00")
NEURON_ID = bytes.fromhex("00 D0 71 5E 7E 01")


class Interface:
    """The other end."""

    def __init__(self, link: MipU61) -> None:
        self.link = link
        self.frames: list[bytes] = []
        self.mute = False
        self.resets = 0

    def data_received(self, data: bytes) -> None:
        self.frames.append(data)
        if self.mute:
            return
        if data[3] == 0xE5 and self.resets:
            self.resets -= 1
            self.up(0x50, b"\x01\x1e")
        elif data[3] == 0x22 and data.endswith(bytes.fromhex("6D 01 00 00 06")):
            self.up(0x16, bytes([0x70, 1, 7]) + bytes(11) + b"\x2d" + NEURON_ID)
        elif data[3] == 0x22:
            self.up(0x16, bytes([0x6F, 1, 16]) + bytes(11) + b"\x31" + bytes(15))

    def connection_lost(self, reason: str | None) -> None: ...

    def up(self, command: int, data: bytes) -> None:
        for byte in Frame(command, data).to_bytes(escape_length=True):
            self.link.data_received(bytes([byte]))


async def joined() -> tuple[MipU61, Interface]:
    link = MipU61()
    peer = Interface(link)
    await link.start(MemoryTransport(peer))
    return link, peer


@pytest.mark.parametrize("resets", [0, 1])
@in_no_time
async def test_start_up_proves_the_interface_whether_it_resets_for_the_mode_or_not(resets: int) -> None:
    link = MipU61()
    peer = Interface(link)
    peer.resets = resets
    await link.start(MemoryTransport(peer))
    await asyncio.sleep(0.1)
    assert link.neuron_id == NEURON_ID
    assert peer.frames[0] == bytes.fromhex("7E 00 02 E5 01")
    assert peer.frames[1] == bytes.fromhex("7E 00 14 22") + interface.READ_NEURON_ID
    assert peer.frames[-1] == bytes.fromhex("7E 00 01 60")
    await link.close()


@in_no_time
async def test_packets_go_down_unescaped_in_their_length_and_come_up() -> None:
    link, peer = await joined()
    heard: list[bytes] = []

    class Ear:
        def packet_received(self, packet: bytes) -> None:
            heard.append(packet)

        def reception_failed(self) -> None: ...

    link.listener = Ear()
    long = bytes(0x7E - 1)
    assert await link.send(long)
    assert await link.send(b"\x7e" + PACKET)
    await asyncio.sleep(0.1)
    assert peer.frames[-2] == bytes.fromhex("7E 00 7E 12") + long
    assert peer.frames[-1] == bytes.fromhex("7E 00 0A 12 7E 7E") + PACKET
    peer.up(0x1A, PACKET + bytes(0x7E - 1 - len(PACKET)))
    assert heard == [PACKET + bytes(0x7E - 3 - len(PACKET))]
    await link.close()


@in_no_time
async def test_a_mute_interface_is_none_when_opened_and_lost_afterwards() -> None:
    link = MipU61()
    peer = Interface(link)
    peer.mute = True
    with pytest.raises(PortError) as refusal:
        await link.start(MemoryTransport(peer))
    assert refusal.value.kind is Kind.NOT_AN_INTERFACE
    await link.close()

    link, peer = await joined()
    peer.mute = True
    assert (await link.lost).kind is Kind.PORT_LOST
    await link.close()


@in_no_time
async def test_an_interface_that_forgets_its_mode_is_told_again() -> None:
    link, peer = await joined()
    peer.frames.clear()
    peer.up(0x50, b"\x00\x1e")
    await asyncio.sleep(0.1)
    assert bytes.fromhex("7E 00 02 E5 01") in peer.frames
    await link.close()


@in_no_time
async def test_a_frame_that_stops_in_the_middle_is_forgotten() -> None:
    link, peer = await joined()
    link.data_received(bytes.fromhex("7E 00 20 1A 00"))
    await asyncio.sleep(mip_u61.FRAME_WAIT + 0.1)
    heard: list[bytes] = []

    class Ear:
        def packet_received(self, packet: bytes) -> None:
            heard.append(packet)

        def reception_failed(self) -> None: ...

    link.listener = Ear()
    peer.up(0x1A, PACKET + b"\x00\x00")
    assert heard == [PACKET]
    await link.close()


frames = st.builds(Frame, command=st.integers(0, 255), data=st.binary(max_size=400))


@given(st.lists(frames, max_size=5))
def test_what_is_encoded_is_decoded(sent: list[Frame]) -> None:
    assert Decoder().feed(b"".join(frame.to_bytes(escape_length=True) for frame in sent)) == sent


@given(st.binary(max_size=1000), frames)
def test_any_bytes_in_any_portions_are_survived(garbage: bytes, after: Frame) -> None:
    whole, bytewise = Decoder(), Decoder()
    assert whole.feed(garbage) == [frame for byte in garbage for frame in bytewise.feed(bytes([byte]))]
    whole.abandon()
    assert whole.feed(after.to_bytes(escape_length=True)) == [after]
