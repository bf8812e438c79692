"""Every byte of the captured traces, through our codecs and back."""

from __future__ import annotations

import asyncio

import pytest

from drivers.lon import management as m
from drivers.lon import mip_u50
from drivers.lon import structures as s
from drivers.lon.mip_u50 import CodePacket, Decoder, Message, MipU50
from drivers.lon.packets import ApplicationPdu, NeuronId, Packet, SessionPdu, SubnetNode, TransportPdu, crc
from drivers.lon.transactions import Service

from . import golden
from .simulation import in_no_time

SERIAL, PACKETS = golden.device_trace()


def test_the_traces_are_whole() -> None:
    assert len(SERIAL) > 250
    assert len(PACKETS) > 100
    assert len(golden.tool_trace()) > 60
    assert len(golden.tool_packets()) == 7


@pytest.mark.parametrize("from_host", [True, False])
def test_every_serial_frame_is_decoded_and_encoded_to_the_same_bytes(from_host: bool) -> None:
    decoder = Decoder()
    for line in (line for line in SERIAL if line.from_host is from_host):
        [frame] = decoder.feed(line.data)
        assert isinstance(frame, CodePacket | Message)
        assert isinstance(frame, CodePacket) is line.is_code_packet
        assert frame.to_bytes() == line.data
        assert type(frame).from_bytes(line.data) == frame


@pytest.mark.parametrize("from_host", [True, False])
def test_one_byte_at_a_time_gives_the_same_frames_as_the_whole_stream(from_host: bool) -> None:
    stream = b"".join(line.data for line in SERIAL if line.from_host is from_host)
    whole, bytewise = Decoder(), Decoder()
    assert [frame for byte in stream for frame in bytewise.feed(bytes([byte]))] == whole.feed(stream)


def test_every_packet_is_parsed_and_rebuilt_with_its_crc() -> None:
    for line in PACKETS:
        packet = Packet.from_bytes(line.lpdu)
        assert packet.to_bytes() == line.lpdu
        assert crc(line.lpdu) == line.crc


def test_every_packet_of_the_tool_is_parsed_and_rebuilt() -> None:
    for _, lpdu in golden.tool_packets():
        assert Packet.from_bytes(lpdu).to_bytes() == lpdu


def test_uplink_messages_carry_the_packet_and_its_crc() -> None:
    uplink = {line.data for line in SERIAL if not line.from_host and not line.is_code_packet}
    for line in (line for line in PACKETS if line.to_device):
        assert Message(0x1A, line.lpdu + line.crc).to_bytes() in uplink


# Each management message we declare, by the section of the trace that shows it.
REQUESTS: list[tuple[str, m.Request[m.Response]]] = [
    ("Query ID selected (selector 1): flag on", m.QueryId(m.QueryId.SELECTED)),
    ("Respond to Query OFF", m.RespondToQuery(on=False)),
    ("Respond to Query ON", m.RespondToQuery(on=True)),
    ("Query Status by Neuron ID", m.QueryStatus()),
    ("Read Memory read-only-relative 0..5", m.ReadMemory(m.MemoryMode.READ_ONLY, 0, 6)),
    ("Read Memory read-only-relative 0x0D", m.ReadMemory(m.MemoryMode.READ_ONLY, s.PROGRAM_ID_OFFSET, 8)),
    ("Read Memory read-only-relative 0x15", m.ReadMemory(m.MemoryMode.READ_ONLY, s.STATE_OFFSET, 1)),
    ("Read Memory config-relative", m.ReadMemory(m.MemoryMode.CONFIGURATION, 0, 25)),
    ("Query Domain 0", m.QueryDomain(0)),
    ("Query Domain 1", m.QueryDomain(1)),
    ("Wink, acknowledged TPDU", m.Wink()),
    ("Update Domain 0", m.UpdateDomain(0, s.DomainEntry(b"\x55", 1, 10))),
    ("Update Address 0", m.UpdateAddress(0, s.AddressEntry(1, bytes([0x14, 0x33, 0x05, 0x01])))),
    ("Query Address 0", m.QueryAddress(0)),
    ("Query NV config 0", m.QueryVariableConfiguration(0)),
    ("Update NV config 0", m.UpdateVariableConfiguration(0, bytes([0x01, 0x23, 0x00]))),
    ("NV fetch 0", m.FetchVariable(0)),
    ("Write Memory absolute 0x4000", m.WriteMemory(m.MemoryMode.ABSOLUTE, 0x4000, bytes(range(16)))),
    ("Checksum Recalculate, both", m.RecalculateChecksum(m.RecalculateChecksum.BOTH)),
    ("Checksum Recalculate, config", m.RecalculateChecksum(m.RecalculateChecksum.CONFIGURATION)),
    ("Clear Status", m.ClearStatus()),
    ("Set Node Mode: change state", m.ChangeState(s.NodeState.CONFIGURED)),
    ("Set Node Mode: online (1), acknowledged service", m.SetMode(m.NodeMode.ONLINE)),
    ("Set Node Mode: offline (0)", m.SetMode(m.NodeMode.OFFLINE)),
    ("Change state -> applicationless", m.ChangeState(s.NodeState.APPLICATIONLESS)),
    ("Change state -> unconfigured", m.ChangeState(s.NodeState.UNCONFIGURED)),
    ("Change state -> hard offline", m.ChangeState(s.NodeState.HARD_OFFLINE)),
    ("Leave Domain 0", m.LeaveDomain(0)),
]


@pytest.mark.parametrize(("section", "request_"), REQUESTS, ids=[section for section, _ in REQUESTS])
def test_typed_requests_make_the_golden_bytes_and_read_the_golden_answers(
    section: str, request_: m.Request[m.Response]
) -> None:
    sent, received = (Packet.from_bytes(lpdu).pdu for lpdu in golden.exchange(section))
    carrier = SessionPdu if request_.SERVICE is Service.REQUEST else TransportPdu
    assert isinstance(sent, carrier)
    assert isinstance(received, carrier)
    assert request_.to_apdu() == sent.apdu
    request_.answer(received.apdu)


def _answer(section: str) -> bytes:
    pdu = Packet.from_bytes(golden.exchange(section)[1]).pdu
    assert isinstance(pdu, SessionPdu)
    return pdu.apdu


def test_golden_answers_are_read_right() -> None:
    assert m.QueryId(0).answer(_answer("Query ID, unconfigured")) == m.Identification(
        bytes.fromhex("00A1B2C3D401"), bytes.fromhex("9FFFFF0000000401")
    )
    status = m.QueryStatus().answer(_answer("Query Status by Neuron ID"))
    assert (status.state, status.reset_cause, status.version, status.model) == (s.NodeState.UNCONFIGURED, 1, 4, 0xA8)
    soft = m.QueryStatus().answer(_answer("Query Status -> soft offline"))
    assert soft.state is s.NodeState.SOFT_OFFLINE
    unused = m.QueryDomain(1).answer(_answer("Query Domain 1")).entry
    assert (unused.domain, unused.subnet, unused.node, unused.in_use) == (b"z", 0, 0, True)


def test_a_domain_the_device_has_left_is_not_in_use() -> None:
    _, packets = golden.device_trace()
    last = Packet.from_bytes(packets[-1].lpdu).pdu
    assert isinstance(last, SessionPdu)
    assert not m.QueryDomain(0).answer(last.apdu).entry.in_use
    assert s.UNUSED_DOMAIN.to_bytes()[6:] == last.apdu[7:]


@pytest.mark.parametrize("section", ["Query Domain 5", "Unknown NM code", "NV fetch 9", "Wink sent as a request"])
def test_golden_failures_are_refusals(section: str) -> None:
    sent, received = (Packet.from_bytes(lpdu).pdu for lpdu in golden.exchange(section))
    assert isinstance(sent, SessionPdu)
    assert isinstance(received, SessionPdu)
    assert received.apdu[0] == m.failure_code(sent.apdu[0])


def test_the_service_pin_message_is_recognised() -> None:
    _, packets = golden.device_trace()
    [pin] = [p for p in packets if p.section == "(service pin pressed on the device)" and not p.to_device]
    pdu = Packet.from_bytes(pin.lpdu).pdu
    assert isinstance(pdu, ApplicationPdu)
    assert pdu.apdu[0] == m.SERVICE_PIN
    assert m.Identification.from_apdu(pdu.apdu[1:]).neuron_id == bytes.fromhex("00A1B2C3D401")


def test_addresses_in_the_golden_packets_are_what_the_trace_says() -> None:
    assert Packet.from_bytes(golden.exchange("Query Status by Neuron ID")[0]).destination == NeuronId(
        bytes.fromhex("00A1B2C3D401")
    )
    answer = Packet.from_bytes(golden.exchange("Query Status by subnet/node")[1])
    assert (answer.source, answer.destination, answer.domain) == (SubnetNode(1, 10), SubnetNode(1, 126), b"\x55")


class _Script:
    """The interface of the tool trace: answers each thing the tool sends with what came then."""

    name = "/dev/script"

    def __init__(self, link: MipU50) -> None:
        self.link = link
        self.lines = list(golden.tool_trace())
        self.emitted = 0

    def write(self, data: bytes) -> None:
        while data:
            line = self.lines.pop(0)
            assert line.from_tool, f"{data.hex(' ')} where the interface should speak in {line.section!r}"
            assert data.startswith(line.data), f"{data.hex(' ')} instead of {line.data.hex(' ')} in {line.section!r}"
            data = data.removeprefix(line.data)
            self.emitted += 1
        loop = asyncio.get_running_loop()
        while self.lines and not self.lines[0].from_tool:
            loop.call_soon(self.link.data_received, self.lines.pop(0).data)

    async def close(self) -> None: ...


@in_no_time
async def test_the_link_says_byte_for_byte_what_the_tool_said() -> None:
    link = MipU50()
    script = _Script(link)
    heard: list[bytes] = []

    class Ear:
        def packet_received(self, packet: bytes) -> None:
            heard.append(packet)

        def reception_failed(self) -> None: ...

    link.listener = Ear()
    await link.start(script)
    assert link.neuron_id == bytes.fromhex("00D0715E0001")
    assert link.version == 0xA0
    for _, lpdu in golden.tool_packets():
        assert await link.send(lpdu)
        await asyncio.sleep(mip_u50.FRAME_WAIT)
    assert not script.lines
    assert script.emitted == sum(line.from_tool for line in golden.tool_trace())
    assert len(heard) == 7
    assert heard[-1].hex(" ") == "00 18 00 80 01 fe 27 2d 7e 7e 7e 7e 7e 7e 7e 7e"
    await link.close()
