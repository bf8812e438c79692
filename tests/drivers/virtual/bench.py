"""A test bench: devices on a channel with a timeline that only moves when told, and everything heard on it."""

import random
from dataclasses import dataclass, field
from pathlib import Path

from drivers.virtual import packets
from drivers.virtual.channel import RATES, Channel
from drivers.virtual.device import DEFAULT_TIMING, RELIABLE, Device, Temperament, Timing
from drivers.virtual.interface import Family, NetworkInterface
from drivers.virtual.mip_u50 import MipU50
from drivers.virtual.mip_u61 import MipU61
from drivers.virtual.node import Node, Profile, Variable
from drivers.virtual.timeline import Timeline

DATA = Path(__file__).parent / "data"
TRACED_ID = bytes.fromhex("00A1B2C3D401")
DOMAIN_55 = "63 00 55 00 00 00 00 00 01 8a 01 ff ff ff ff ff ff"
INTERFACE_ID = bytes.fromhex("00D0715E0001")
TRACED_PROFILE = Profile(
    neuron_id=TRACED_ID,
    program_id=bytes.fromhex("9FFFFF0000000401"),
    model=0xA8,
    firmware=4,
    state_flags=0x48,
    documentation="&3.4@0" + "x" * 38,
    variables=(Variable(), Variable(output=True)),
    capabilities=0x0259,
)


@dataclass
class Ear:
    """Stands where the network interface is and keeps what it hears."""

    heard: list[bytes] = field(default_factory=list)
    broken: int = 0

    def hear(self, lpdu: bytes, intact: bool) -> None:
        if intact:
            self.heard.append(lpdu)
        else:
            self.broken += 1

    def take(self) -> list[bytes]:
        heard, self.heard = self.heard, []
        return heard


class Bench:
    """A channel with an ear; add devices, send packets, let time pass."""

    def __init__(self, rate: str = "ft10", seed: int = 1) -> None:
        self.timeline = Timeline()
        self.channel = Channel(self.timeline, random.Random(seed), RATES[rate])
        self.ear = Ear()
        self.channel.listener = self.ear

    def device(
        self,
        profile: Profile = TRACED_PROFILE,
        timing: Timing = DEFAULT_TIMING,
        temperament: Temperament = RELIABLE,
    ) -> Device:
        return Device(Node(profile), self.channel, self.timeline, timing, temperament=temperament)

    def devices(self, count: int) -> list[Device]:
        return [
            self.device(Profile(bytes.fromhex("00D071") + number.to_bytes(3, "big"), bytes(8)))
            for number in range(1, count + 1)
        ]

    def send(self, lpdu: bytes) -> None:
        self.channel.send(lpdu, self.ear)

    def wait(self, seconds: float) -> None:
        self.timeline.run_until(self.timeline.now + seconds)

    def ask(self, lpdu: bytes | str, wait: float = 2.0) -> list[bytes]:
        """Send a packet, let it have its effect, give what came back."""
        self.ear.take()
        self.send(bytes.fromhex(lpdu) if isinstance(lpdu, str) else lpdu)
        self.wait(wait)
        return self.ear.take()


def request(content: str | bytes, transaction: int, to: bytes = TRACED_ID, pdu: int = 0x1C) -> bytes:
    """A request by Neuron ID from 1/126 in the zero-length domain; `pdu` 0C is acknowledged, 3C neither."""
    data = bytes.fromhex(content) if isinstance(content, str) else content
    control = b"" if pdu == 0x3C else bytes([transaction])
    return bytes([1, pdu, 1, 0xFE, 0]) + to + control + data


def content_of(answer: bytes) -> bytes:
    """What a device answered, without its headers."""
    packet = packets.decode(answer)
    assert packet is not None
    return packet.content


class Tool:
    """Sends requests with fresh transaction numbers and gives the contents of the answers."""

    def __init__(self, bench: Bench, to: bytes = TRACED_ID) -> None:
        self.bench = bench
        self.to = to
        self.transaction = 0

    def ask(self, content: str | bytes, wait: float = 1.0) -> str:
        answers = self.bench.ask(self.request(content), wait)
        return " ".join(content_of(answer).hex() for answer in answers)

    def request(self, content: str | bytes) -> bytes:
        self.transaction = self.transaction % 15 + 1
        return request(content, self.transaction, self.to)

    def reset(self) -> None:
        """Reset the device by a message and wait until it is back."""
        self.bench.ask(request("6c 02", 0, self.to, pdu=0x3C))

    def status(self) -> tuple[str, str, str]:
        """Give reset cause, state and error log."""
        answer = self.ask("51")
        return answer[22:24], answer[24:26], answer[28:30]

    def configure(self) -> None:
        assert self.ask(DOMAIN_55) == "23"
        assert self.ask("6c 03 04") == "2c"


@dataclass
class Exchange:
    """One section of a trace."""

    title: str
    sent: list[bytes] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    checksums: list[bytes] = field(default_factory=list)


def read_trace(name: str) -> list[Exchange]:
    exchanges: list[Exchange] = []
    for line in (DATA / name).read_text().splitlines():
        if line.startswith("## "):
            exchanges.append(Exchange(line[3:]))
        elif line.startswith((">", "<")):
            body, _, checksum = line[2:].partition(" | ")
            exchange = exchanges[-1]
            (exchange.sent if line[0] == ">" else exchange.received).append(bytes.fromhex(body))
            exchange.checksums.append(bytes.fromhex(checksum))
    return exchanges


class SerialBench(Bench):
    """A network interface on the channel, and the host's end of its serial line."""

    def __init__(self, family: Family = Family.U50, rate: str = "ft10") -> None:
        super().__init__(rate)
        self.written = bytearray()
        self.interface = NetworkInterface(self.channel, INTERFACE_ID, family)
        link_class = MipU50 if family is Family.U50 else MipU61
        self.link = link_class(self.timeline, self.written.extend, self.interface)
        self.interface.connect(self.link)

    def say(self, data: str | bytes, wait: float = 0.0) -> bytes:
        """Let the host send bytes and time pass; give what the interface sent since."""
        self.link.feed(bytes.fromhex(data) if isinstance(data, str) else data)
        self.wait(wait)
        return self.take()

    def take(self) -> bytes:
        written = bytes(self.written)
        self.written.clear()
        return written


def code_packet(code: int, parameter: int = 0, sequence: int = 0, acknowledges: bool = False) -> bytes:
    """Write a MIP/U50 code packet."""
    control = sequence << 5 | acknowledges << 4 | code
    return bytes([0x7E, control, parameter, -(0x7E + control + parameter) & 0xFF])


def message(command: int, data: str | bytes, sequence: int = 0, acknowledges: bool = False) -> bytes:
    """Write a MIP/U50 message with its code packet."""
    content = bytes.fromhex(data) if isinstance(data, str) else data
    body = bytes([1 + len(content), command]) + content
    body += bytes([-sum(body) & 0xFF])
    return code_packet(2, 1, sequence, acknowledges) + body.replace(b"\x7e", b"\x7e\x7e")


NULL = code_packet(0)
ACK = code_packet(0, acknowledges=True)
FAIL = code_packet(1)
REJECT = code_packet(5)
RESYNC = code_packet(7)
QUERY_ID = bytes.fromhex("08 10 01 fe 00 01 61 00")
