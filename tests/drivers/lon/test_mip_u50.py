"""The U50 link against a small interface of our own, over lines that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Kind
from drivers.base import PortError
from drivers.lon import mip_u50
from drivers.lon.mip_u50 import BrokenMessage, CodePacket, Decoder, Message, MipU50

from .simulation import ByteByByte, Echo, GarbageFirst, Late, Lossy, MemoryTransport, in_no_time

PACKET = bytes.fromhex("08 10 01 FE 00 01 61 00")
ACK = bytes.fromhex("7E 10 00 72")


class Interface:
    """The other end, written from the reference alone: acknowledges, answers, and fails on demand."""

    def __init__(self) -> None:
        self.line: MemoryTransport | None = None
        self.buffer = bytearray()
        self.packets: list[bytes] = []
        self.sequences: list[int] = []
        self.code_packets: list[bytes] = []
        self.last = -1
        self.sequence = 0
        self.outstanding: bytes | None = None
        self.queue: list[bytes] = []
        self.mute = False
        self.drop_acks = 0
        self.rejects = 0
        self.fails = 0
        self.resets_on_layer_mode = 0
        self.layer_answer_is_short = True
        self.status = bytes.fromhex("1E A0 01 00")
        self.pings = 0
        self.resends = 0
        self.acks_heard = 0

    # host -> interface
    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self._one():
            pass

    def connection_lost(self, reason: str | None) -> None: ...

    def _one(self) -> bool:
        start = self.buffer.find(0x7E)
        if start < 0:
            self.buffer.clear()
            return False
        del self.buffer[:start]
        if len(self.buffer) < 4:
            return False
        head = bytes(self.buffer[:4])
        if head[1] == 0x7E or sum(head) & 0xFF:
            del self.buffer[0]
            return True
        if head[1] & 0x0F != 2:
            del self.buffer[:4]
            self._code(head)
            return True
        body, used = self._message(bytes(self.buffer[4:]))
        if not used:
            if len(self.buffer) > 4 and len(self.buffer) < 700:
                asyncio.get_running_loop().call_later(0.04, self._stuck, bytes(self.buffer))
            return False
        del self.buffer[: 4 + used]
        if body is None:
            self._say(bytes.fromhex("7E 01 00 81"))
            self.last = -1
        else:
            self._code(head)
            self._command(head[1] >> 5, body)
        return True

    def _stuck(self, then: bytes) -> None:
        if bytes(self.buffer) == then:
            del self.buffer[:4]
            self.last = -1
            self._say(bytes.fromhex("7E 01 00 81"))

    @staticmethod
    def _message(data: bytes) -> tuple[bytes | None, int]:
        plain, i = bytearray(), 0
        while i < len(data):
            if data[i] == 0x7E:
                if i + 1 >= len(data):
                    return None, 0
                if data[i + 1] != 0x7E:
                    return None, i
                i += 1
            plain.append(data[i])
            i += 1
            if len(plain) == plain[0] + 2:
                return (None if sum(plain) & 0xFF else bytes(plain[1:-1])), i
        return None, 0

    def _code(self, head: bytes) -> None:
        self.code_packets.append(head)
        kind, sequence = head[1] & 0x0F, head[1] >> 5
        if head[1] & 0x10:
            self.acks_heard += 1
            self.outstanding = None
            self._flush()
        if self.mute:
            return
        if kind == 7:
            self.last, self.sequence, self.outstanding = -1, 0, None
            self._say(bytes.fromhex("7E 00 00 82"))
        elif kind == 6 and sequence == 0:
            self._ack()
            self._short(head[2])

    def _short(self, command: int) -> None:
        if command == 0xE0:
            self.up(0xE0, self.status)
        elif command == 0xD1:
            if self.resets_on_layer_mode:
                self.resets_on_layer_mode -= 1
                self.up_short(0x50)
            elif self.layer_answer_is_short:
                self.up_short(0xD1)
            else:
                self.up(0xD1, b"")
        elif command == 0x50:
            self.rejects = 0
            self.up_short(0x50)

    def _command(self, sequence: int, body: bytes) -> None:
        if self.mute:
            return
        self.sequences.append(sequence)
        if self.fails:
            self.fails -= 1
            self.last = -1
            self._say(bytes.fromhex("7E 01 00 81"))
            return
        if self.rejects:
            self.rejects -= 1
            self._say(bytes.fromhex("7E 05 00 7D"))
            return
        duplicate = sequence != 0 and sequence == self.last
        self.last = sequence
        if self.drop_acks:
            self.drop_acks -= 1
        else:
            self._ack()
        if duplicate:
            return
        if body[0] == 0x22 and body[-5:] == bytes.fromhex("6D 01 00 00 06"):
            self.up(0x16, bytes([0x70, 1, 7]) + bytes(11) + bytes.fromhex("2D 00 D0 71 5E 00 01"))
        elif body[0] == 0x22 and body[-1] == 0x51:
            self.pings += 1
            self.up(0x16, bytes([0x6F, 1, 16]) + bytes(11) + b"\x31" + bytes(15))
        elif body[0] == 0x12:
            self.packets.append(body[1:])

    # interface -> host
    def up(self, command: int, data: bytes) -> None:
        self._queue(2, 1, Message(command, data).to_bytes())

    def up_short(self, command: int) -> None:
        self._queue(6, command, b"")

    def _queue(self, kind: int, parameter: int, body: bytes) -> None:
        self.sequence = self.sequence % 7 + 1
        self.queue.append(CodePacket(kind, parameter, self.sequence).to_bytes() + body)
        self._flush()

    def _flush(self) -> None:
        if self.outstanding is None and self.queue:
            self.outstanding = self.queue.pop(0)
            self._say(self.outstanding)
            asyncio.get_running_loop().call_later(0.3, self._again, self.outstanding, 8)

    def _again(self, frame: bytes, left: int) -> None:
        if self.outstanding is frame and left:
            self.resends += 1
            self._say(frame)
            asyncio.get_running_loop().call_later(0.3, self._again, frame, left - 1)
        elif self.outstanding is frame:
            self.outstanding = None
            self._flush()

    def _ack(self) -> None:
        self._say(ACK)

    def _say(self, data: bytes) -> None:
        assert self.line is not None
        self.line.write(data)


class Ear:
    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.failures = 0

    def packet_received(self, packet: bytes) -> None:
        self.packets.append(packet)

    def reception_failed(self) -> None:
        self.failures += 1


Line = Callable[..., MemoryTransport]


async def joined(line: Line = MemoryTransport) -> tuple[MipU50, Interface, MemoryTransport, Ear]:
    """A started link and its interface."""
    link, peer, ear = MipU50(), Interface(), Ear()
    link.listener = ear
    down = line(peer, link)
    peer.line = line(link, peer)
    await link.start(down)
    return link, peer, down, ear


@pytest.mark.parametrize("line", [MemoryTransport, ByteByByte, Late, GarbageFirst])
@in_no_time
async def test_packets_go_down_and_come_up_over_any_line(line: Line) -> None:
    link, peer, _, ear = await joined(line)
    for number in range(20):
        assert await link.send(PACKET + bytes([0x7E, number]))
        peer.up(0x1A, PACKET + bytes([number, 0x7E, 0xAB, 0xCD]))
    await asyncio.sleep(5)
    assert peer.packets == [PACKET + bytes([0x7E, number]) for number in range(20)]
    assert ear.packets == [PACKET + bytes([number, 0x7E]) for number in range(20)]
    await link.close()


@in_no_time
async def test_a_line_that_loses_and_damages_frames_brings_nothing_wrong() -> None:
    Lossy.randomness.seed(3)
    link, peer, _, ear = await joined(Lossy)
    sent = [PACKET + number.to_bytes(2, "big") for number in range(200)]
    taken = [packet for packet in sent if await link.send(packet)]
    for packet in sent:
        peer.up(0x1A, packet + b"\x00\x00")
    await asyncio.sleep(300)
    assert len(taken) > 190
    assert set(peer.packets) <= set(sent)
    assert set(ear.packets) <= set(sent)
    assert set(taken) - set(peer.packets) == set() or len(set(taken) - set(peer.packets)) < 5
    assert len(set(ear.packets)) > 190
    await link.close()


@in_no_time
async def test_a_missing_ack_repeats_the_message_under_the_same_sequence_number() -> None:
    link, peer, _, _ = await joined()
    peer.sequences.clear()
    peer.drop_acks = 1
    assert await link.send(PACKET)
    assert peer.sequences[0] == peer.sequences[1]
    assert peer.packets == [PACKET]
    await link.close()


@in_no_time
async def test_sequence_numbers_start_at_zero_and_then_run_from_one_to_seven() -> None:
    link, peer, _, _ = await joined()
    for _ in range(9):
        await link.send(PACKET)
    # status and layer mode ended two transfers, so the Neuron ID went under 2; flush cancel ended one more
    assert peer.sequences == [2, 4, 5, 6, 7, 1, 2, 3, 4, 5]
    await link.close()


@in_no_time
async def test_a_broken_message_is_sent_again_as_a_new_transfer() -> None:
    link, peer, _, _ = await joined()
    peer.sequences.clear()
    peer.fails = 2
    assert await link.send(PACKET)
    first = peer.sequences[0]
    assert peer.sequences == [first, first + 1, first + 2]
    await link.close()


@in_no_time
async def test_a_message_that_always_arrives_broken_is_given_up() -> None:
    link, peer, _, _ = await joined()
    peer.fails = 1000
    assert not await link.send(PACKET)
    peer.fails = 0
    assert await link.send(PACKET)
    await link.close()


@in_no_time
async def test_an_interface_without_buffers_is_offered_the_same_message_until_it_takes_it() -> None:
    link, peer, _, _ = await joined()
    peer.sequences.clear()
    peer.rejects = 50
    assert await link.send(PACKET)
    assert len(peer.sequences) == 51
    assert len(set(peer.sequences)) == 1
    assert peer.packets == [PACKET]
    await link.close()


@in_no_time
async def test_an_interface_that_rejects_for_ten_seconds_is_reset_and_started_again() -> None:
    link, peer, _, _ = await joined()
    peer.rejects = 10**6
    before = asyncio.get_running_loop().time()
    assert not await link.send(PACKET)
    assert asyncio.get_running_loop().time() - before >= mip_u50.REJECT_LIMIT
    assert await link.send(PACKET)
    assert peer.packets == [PACKET]
    assert sum(head[:3] == bytes.fromhex("7E 07 00") for head in peer.code_packets) >= 2
    await link.close()


@in_no_time
async def test_a_reset_out_of_the_blue_runs_the_start_up_again_and_packets_wait_for_it() -> None:
    link, peer, _, _ = await joined()
    peer.up_short(0x50)
    await asyncio.sleep(0.001)
    assert await link.send(PACKET)
    assert peer.packets == [PACKET]
    assert sum(head[:3] == bytes.fromhex("7E 07 00") for head in peer.code_packets) == 2
    await link.close()


@in_no_time
async def test_an_interface_that_resets_on_the_layer_command_is_asked_again() -> None:
    link, peer = MipU50(), Interface()
    peer.resets_on_layer_mode = 1
    peer.line = MemoryTransport(link)
    await link.start(MemoryTransport(peer))
    assert link.neuron_id == bytes.fromhex("00D0715E0001")
    await link.close()


@pytest.mark.parametrize("status", ["1E A0 01 00", "1E", "1E B1 01 00 07 08"])
@pytest.mark.parametrize("short", [True, False])
@in_no_time
async def test_start_up_takes_any_form_of_status_and_mode_answer(status: str, short: bool) -> None:
    link, peer = MipU50(), Interface()
    peer.status, peer.layer_answer_is_short = bytes.fromhex(status), short
    peer.line = MemoryTransport(link)
    await link.start(MemoryTransport(peer))
    assert await link.send(PACKET)
    await link.close()


@in_no_time
async def test_a_duplicate_from_the_interface_is_acknowledged_and_dropped() -> None:
    link, _, down, ear = await joined()
    frame = CodePacket(2, 1, 5).to_bytes() + Message(0x1A, PACKET + b"\x00\x00").to_bytes()
    down.written.clear()
    link.data_received(frame)
    link.data_received(frame)
    assert down.written == [ACK, ACK]
    assert ear.packets == [PACKET]
    await link.close()


@in_no_time
async def test_sequence_number_zero_is_never_a_duplicate() -> None:
    link, _, _, ear = await joined()
    frame = CodePacket(2, 1, 0).to_bytes() + Message(0x1A, PACKET + b"\x00\x00").to_bytes()
    link.data_received(frame + frame)
    assert ear.packets == [PACKET, PACKET]
    await link.close()


@in_no_time
async def test_a_message_with_a_wrong_checksum_is_asked_for_again_and_its_retry_is_no_duplicate() -> None:
    link, _, down, ear = await joined()
    head = CodePacket(2, 1, 5).to_bytes()
    body = Message(0x1A, PACKET + b"\x00\x00").to_bytes()
    down.written.clear()
    link.data_received(head + body[:-1] + bytes([body[-1] ^ 1]))
    assert down.written == [bytes.fromhex("7E 01 00 81")]
    link.data_received(head + body)
    assert down.written[1:] == [ACK]
    assert ear.packets == [PACKET]
    await link.close()


@in_no_time
async def test_a_message_that_stops_in_the_middle_is_asked_for_again() -> None:
    link, _, down, ear = await joined()
    head = CodePacket(2, 1, 5).to_bytes()
    body = Message(0x1A, PACKET + b"\x00\x00").to_bytes()
    down.written.clear()
    link.data_received(head + body[:5])
    await asyncio.sleep(mip_u50.FRAME_WAIT + 0.01)
    assert down.written == [bytes.fromhex("7E 01 00 81")]
    link.data_received(head + body)
    assert ear.packets == [PACKET]
    await link.close()


@in_no_time
async def test_a_message_that_a_code_packet_cuts_off_is_dropped_and_the_code_packet_counts() -> None:
    link, _, down, ear = await joined()
    whole = CodePacket(2, 1, 5).to_bytes() + Message(0x1A, PACKET + b"\x00\x00").to_bytes()
    down.written.clear()
    link.data_received(whole[:9] + whole)
    assert ear.packets == [PACKET]
    assert down.written == [ACK]
    await link.close()


@in_no_time
async def test_a_message_with_another_parameter_than_one_is_acknowledged_and_dropped() -> None:
    link, _, down, ear = await joined()
    down.written.clear()
    link.data_received(CodePacket(2, 2, 5).to_bytes())
    assert down.written == [ACK]
    assert ear.packets == []
    await link.close()


@in_no_time
async def test_a_silent_line_is_pinged_and_the_answer_goes_no_further() -> None:
    link, peer, _, ear = await joined()
    await asyncio.sleep(3 * mip_u50.KEEP_ALIVE + 1)
    assert peer.pings >= 2
    assert ear.packets == []
    assert not link.lost.done()
    await link.close()


@in_no_time
async def test_a_dead_interface_is_no_interface_when_opened_and_lost_afterwards() -> None:
    dead, mute = MipU50(), Interface()
    mute.mute = True
    mute.line = MemoryTransport(dead)
    with pytest.raises(PortError) as refusal:
        await dead.start(MemoryTransport(mute))
    assert refusal.value.kind is Kind.NOT_AN_INTERFACE
    assert "resync" in str(refusal.value)
    await dead.close()

    link, peer, _, _ = await joined()
    peer.mute = True
    with pytest.raises(PortError) as loss:
        await link.send(PACKET)
    assert loss.value.kind is Kind.PORT_LOST
    assert (await link.lost).kind is Kind.PORT_LOST
    with pytest.raises(PortError):
        await link.send(PACKET)
    await link.close()


@in_no_time
async def test_an_idle_interface_that_dies_is_noticed() -> None:
    link, peer, _, _ = await joined()
    peer.mute = True
    assert (await link.lost).kind is Kind.PORT_LOST
    await link.close()


@in_no_time
async def test_an_interface_that_wakes_up_late_is_found_by_repeating_the_resync() -> None:
    link, peer = MipU50(), Interface()
    peer.mute = True
    peer.line = MemoryTransport(link)
    asyncio.get_running_loop().call_later(0.8, setattr, peer, "mute", False)
    await link.start(MemoryTransport(peer))
    await link.close()


@in_no_time
async def test_a_line_that_only_echoes_is_no_interface() -> None:
    class Nothing:
        def data_received(self, data: bytes) -> None: ...

        def connection_lost(self, reason: str | None) -> None: ...

    link = MipU50()
    with pytest.raises(PortError) as refusal:
        await link.start(Echo(Nothing(), link))
    assert refusal.value.kind is Kind.NOT_AN_INTERFACE
    await link.close()


@in_no_time
async def test_an_echo_of_our_own_bytes_does_not_stop_the_work() -> None:
    link, peer = MipU50(), Interface()
    peer.line = MemoryTransport(link)
    await link.start(Echo(peer, link))
    for _ in range(10):
        assert await link.send(PACKET)
    await asyncio.sleep(2)
    assert peer.packets == [PACKET] * 10
    await link.close()


@in_no_time
async def test_a_lost_port_ends_everything_that_waits() -> None:
    link, peer, _, _ = await joined()
    peer.rejects = 10**6
    sending = asyncio.create_task(link.send(PACKET))
    await asyncio.sleep(0.05)
    link.connection_lost("it was unplugged")
    with pytest.raises(PortError) as loss:
        await sending
    assert "unplugged" in str(loss.value)
    await link.close()


@in_no_time
async def test_closing_ends_everything_and_is_no_loss() -> None:
    link, peer, down, _ = await joined()
    peer.mute = True
    sending = asyncio.create_task(link.send(PACKET))
    await asyncio.sleep(0.01)
    await link.close()
    with pytest.raises(PortError):
        await sending
    assert down.closed
    assert not link.lost.done()


@in_no_time
async def test_the_length_that_old_interfaces_cannot_take_is_avoided() -> None:
    link, peer, _, _ = await joined()
    packet = PACKET + bytes(124 - len(PACKET))
    await link.send(packet)
    assert peer.packets == [packet + b"\x00"]
    await link.close()


@in_no_time
async def test_reception_errors_are_told_apart_from_packets() -> None:
    link, peer, _, ear = await joined()
    peer.up(0x31, bytes(4))
    peer.up_short(0x30)
    await asyncio.sleep(1)
    assert (ear.failures, ear.packets) == (2, [])
    await link.close()


# -- the codec under any input ----------------------------------------------------------------------

frames = st.one_of(
    st.builds(
        CodePacket,
        kind=st.sampled_from([0, 1, 3, 4, 5, 6, 7]),
        parameter=st.integers(0, 255),
        sequence=st.integers(0, 7),
        ack=st.booleans(),
    ),
    st.builds(Message, command=st.integers(0, 255), data=st.binary(max_size=300)),
)


def wire(frame: CodePacket | Message) -> bytes:
    """With the code packet that must come before a message."""
    return frame.to_bytes() if isinstance(frame, CodePacket) else CodePacket(2, 1).to_bytes() + frame.to_bytes()


@given(st.lists(frames, max_size=8))
def test_what_is_encoded_is_decoded(sent: list[CodePacket | Message]) -> None:
    decoded = Decoder().feed(b"".join(wire(frame) for frame in sent))
    assert [frame for frame in decoded if not (isinstance(frame, CodePacket) and frame.kind == 2)] == sent


@given(st.binary(max_size=2000), st.lists(frames, max_size=3))
def test_any_bytes_in_any_portions_are_survived(garbage: bytes, after: list[CodePacket | Message]) -> None:
    stream = garbage + b"".join(wire(frame) for frame in after)
    whole, bytewise = Decoder(), Decoder()
    assert whole.feed(stream) == [frame for byte in stream for frame in bytewise.feed(bytes([byte]))]
    whole.abandon()
    assert not whole.inside
    assert whole.feed(wire(Message(0x1A, garbage[:200])))[1:] == [Message(0x1A, garbage[:200])]


@given(st.binary(min_size=1, max_size=60).filter(lambda data: 0x7E not in data))
def test_damage_never_makes_a_wrong_message_of_one_changed_byte(data: bytes) -> None:
    body = Message(0x1A, data).to_bytes()
    for position in range(1, len(body)):
        damaged = bytearray(body)
        damaged[position] = damaged[position] ^ 0x01
        decoder = Decoder()
        decoder.expect_message()
        assert all(isinstance(f, BrokenMessage | CodePacket) for f in decoder.feed(bytes(damaged)))


def test_an_impossible_length_ends_the_message_at_once() -> None:
    decoder = Decoder()
    decoder.expect_message()
    assert decoder.feed(b"\x00") == [BrokenMessage("impossible length 0", resend=True)]
    decoder.expect_message()
    assert decoder.feed(b"\xff\xff\xff") == [BrokenMessage("impossible length 65535", resend=True)]


def test_a_long_message_takes_the_extended_form() -> None:
    message = Message(0x12, bytes(range(256)) * 2)
    assert message.to_bytes()[:3] == b"\xff\x02\x01"
    assert Message.from_bytes(message.to_bytes()) == message
